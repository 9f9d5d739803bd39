//! Answering the challenge http-01 (RFC 8555, section 8.3): by the runner's own
//! listener, or by a file that the load balancer serves.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Method, Request, Response, StatusCode};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tracing::warn;

use super::error::{AcmeError, AcmeErrorClass};
use crate::act::issue::challenge::{FROM_VOLUME, PATH};
use crate::config::WEBROOT;
use crate::serve::{Answer, bound, serve};

/// The answers by token.
#[derive(Clone, Default)]
struct Tokens(Arc<Mutex<BTreeMap<String, String>>>);

impl Tokens {
    fn all(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The runner's own listener. It ends when it is dropped.
pub(super) struct Responder {
    tokens: Tokens,
    serving: JoinHandle<()>,
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Tells that a listener is closed: it never has an answer, but ends then. One that
/// is dropped closes a little later, and the next one may be there sooner.
pub(super) struct Closed(oneshot::Receiver<Infallible>);

impl Closed {
    pub(super) async fn wait(self) {
        let _ended = self.0.await;
    }
}

impl Responder {
    /// Listens.
    pub(super) async fn listen(address: SocketAddr) -> Result<(Self, Closed), AcmeError> {
        let listener = bound(address).await.map_err(|error| {
            let why = format!("{address}: {error}; see --challenge-listen");
            AcmeError::new(AcmeErrorClass::Local, "listen for challenges", why)
        })?;
        let tokens = Tokens::default();
        let (open, closed) = oneshot::channel();
        let known = tokens.clone();
        let serve = serve(listener, "a challenge", move |request| {
            response(request, &known)
        });
        let serving = tokio::spawn(async move {
            // Dropped after the listener: what is made first goes last.
            let _open = open;
            serve.await;
        });
        Ok((Self { tokens, serving }, Closed(closed)))
    }
}

fn response<B>(request: &Request<B>, tokens: &Tokens) -> Answer {
    let token = request.uri().path().strip_prefix('/');
    let token = token.and_then(|path| path.strip_prefix(PATH)?.strip_prefix('/'));
    let found = token.and_then(|token| tokens.all().get(token).cloned());
    let (status, body) = match found {
        Some(text) if *request.method() == Method::GET => (StatusCode::OK, text),
        Some(_) => (StatusCode::METHOD_NOT_ALLOWED, String::new()),
        None => (StatusCode::NOT_FOUND, String::new()),
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response
}

/// Where answers are put.
#[derive(Clone)]
pub(super) enum Answers {
    Listener(Arc<Responder>),
    Webroot(PathBuf),
}

/// An answer that can be fetched, until this is dropped.
pub(super) struct Presented {
    answers: Answers,
    token: String,
}

impl Answers {
    /// In the webroot below this certificate root.
    pub(super) fn webroot(root: &Path) -> Self {
        Self::Webroot(root.join(WEBROOT).join(PATH))
    }

    /// Where a load balancer gets them from.
    pub(super) fn from(&self) -> &'static str {
        match self {
            Self::Listener(_) => "from the runner (--challenge-listen)",
            Self::Webroot(_) => FROM_VOLUME,
        }
    }

    /// Has `token` answered with `text`.
    ///
    /// # Errors
    /// When the token is none that RFC 8555 allows, for it names a file; or the
    /// file cannot be written.
    pub(super) fn present(&self, token: &str, text: &str) -> Result<Presented, AcmeError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if token.is_empty() || !token.bytes().all(allowed) {
            let why = format!("expected base64url, found {token:?}");
            return Err(AcmeError::new(
                AcmeErrorClass::Malformed,
                "read a challenge's token",
                why,
            ));
        }
        match self {
            Self::Listener(responder) => {
                let mut tokens = responder.tokens.all();
                tokens.insert(token.to_owned(), text.to_owned());
            }
            Self::Webroot(directory) => write(&directory.join(token), text)?,
        }
        Ok(Presented {
            answers: self.clone(),
            token: token.to_owned(),
        })
    }
}

/// Readable for all: the load balancer's workers are not root.
fn write(file: &Path, text: &str) -> Result<(), AcmeError> {
    let directory = file.parent().unwrap_or(Path::new("."));
    let written = fs::create_dir_all(directory).and_then(|()| fs::write(file, text));
    written.map_err(|error| {
        let why = format!("{}: {error}", file.display());
        AcmeError::new(
            AcmeErrorClass::Local,
            "write the answer to a challenge",
            why,
        )
    })
}

impl Drop for Presented {
    fn drop(&mut self) {
        match &self.answers {
            Answers::Listener(responder) => {
                responder.tokens.all().remove(&self.token);
            }
            Answers::Webroot(directory) => {
                let file = directory.join(&self.token);
                if let Err(error) = fs::remove_file(&file) {
                    warn!(
                        "the answer to a challenge stays: {}: {error}",
                        file.display()
                    );
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    fn asked(method: Method, path: &str, tokens: &Tokens) -> (u16, StatusCode) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .body(())
            .unwrap();
        let response = response(&request, tokens);
        (response.status().as_u16(), response.status())
    }

    #[test]
    fn a_known_token_is_answered_and_nothing_else() {
        let tokens = Tokens::default();
        tokens
            .all()
            .insert("a-token".to_owned(), "a-token.thumb".to_owned());
        let get = |path: &str| asked(Method::GET, path, &tokens).0;
        assert_eq!(get("/.well-known/acme-challenge/a-token"), 200);
        assert_eq!(get("/.well-known/acme-challenge/another"), 404);
        assert_eq!(get("/.well-known/acme-challenge/"), 404);
        assert_eq!(get("/a-token"), 404);
        assert_eq!(
            asked(Method::POST, "/.well-known/acme-challenge/a-token", &tokens).0,
            405
        );
    }

    #[tokio::test]
    async fn who_waits_until_it_is_closed_can_listen_there_again() {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        for _ in 0..3 {
            let (responder, closed) = Responder::listen(address).await.unwrap();
            drop(responder);
            closed.wait().await;
        }
    }

    #[test]
    fn a_file_in_the_webroot_goes_away_with_the_answer() {
        let root = tempfile::tempdir().unwrap();
        let answers = Answers::webroot(root.path());
        let presented = answers.present("token", "token.thumb").unwrap();
        let file = root.path().join("webroot/.well-known/acme-challenge/token");
        assert_eq!(fs::read_to_string(&file).unwrap(), "token.thumb");
        drop(presented);
        assert!(!file.exists());
    }

    #[test]
    fn a_token_that_leads_elsewhere_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let answers = Answers::webroot(root.path());
        for token in ["", "..", "../../live/x", "a/b", "a\0"] {
            let error = answers.present(token, "").err().unwrap();
            assert_eq!(error.class(), AcmeErrorClass::Malformed, "{token}");
        }
    }
}
