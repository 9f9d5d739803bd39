//! The way to the authority: HTTPS with a deadline for each exchange, and with
//! an ear for what the ACME library does not hand on.
//!
//! All attempts share a [`Connections`]: connections that are kept open, and what need
//! not be asked twice. The library would ask for the directory and for a nonce
//! once an order.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue, LINK, RETRY_AFTER, USER_AGENT};
use hyper::{Method, Request, Response};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use jiff::{SignedDuration, Timestamp};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use serde::Deserialize;
use tokio::time::{Instant, timeout};

use crate::clock::now;

/// A chain has some kilobytes. What is larger is none.
const LARGEST: usize = 1024 * 1024;
/// RFC 8555, section 6.1, asks clients to say who they are.
const USER: &str = concat!("rollover/", env!("CARGO_PKG_VERSION"), " instant-acme");
/// The header of RFC 8555, section 6.5.1.
const NONCE: &str = "replay-nonce";
/// How many nonces are kept: one for each order under way.
const NONCES: usize = 64;
/// How long a connection is kept that nobody uses: longer than the pauses of an
/// order, and shorter than authorities keep theirs.
const IDLE: Duration = Duration::from_secs(20);
/// For how long what was learned of an authority holds. Its directory changes
/// seldom, and so do the authorities that it is trusted by.
const HOLDS: Duration = Duration::from_secs(10 * 60);
/// RFC 8555, section 9.1.
const CHAIN: &str = "application/pem-certificate-chain";

/// What was heard last, besides what the library hands on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Heard {
    /// The HTTP status of the last answer.
    pub(super) status: Option<u16>,
    /// Before when the authority wants no more questions, if it said so.
    pub(super) retry_after: Option<Timestamp>,
    /// The certificate chain, if that was the answer.
    pub(super) chain: Option<String>,
    /// Where other chains for the same certificate are (RFC 8555, section
    /// 7.4.2).
    pub(super) alternates: Vec<String>,
    /// A nonce that the library has not used, if no request follows.
    pub(super) nonce: Option<String>,
}

/// Why there was no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum TransportError {
    #[error("no answer from {host} within {} s", deadline.as_secs())]
    TimedOut { host: String, deadline: Duration },
    #[error("no answer from {host}: {source}")]
    Failed {
        host: String,
        source: hyper_util::client::legacy::Error,
    },
    #[error("the answer of {host} broke off: {source}")]
    Broken {
        host: String,
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Why no client could be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RootsError {
    #[error("read the authorities to trust from {file}: {why}")]
    File { file: String, why: String },
    #[error(
        "find the authorities that this system trusts: {why}; mount a bundle at \
         /etc/ssl/certs/ca-certificates.crt, or set SSL_CERT_FILE"
    )]
    System { why: String },
    #[error("prepare TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// What all clients of one authority share.
pub(super) struct Connections {
    http: HyperClient<HttpsConnector<HttpConnector>, BodyWrapper<Bytes>>,
    directory: Mutex<Option<Directory>>,
    nonces: Mutex<Vec<String>>,
    made: Instant,
}

/// The directory (RFC 8555, section 7.1.1), as it was answered.
struct Directory {
    url: String,
    body: Bytes,
    urls: Urls,
}

/// What of a directory each order needs.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Urls {
    new_nonce: String,
    #[serde(rename = "newOrder")]
    _new_order: String,
}

/// A client of one authority, for one attempt. Its clones share what was heard.
#[derive(Clone)]
pub(super) struct Client {
    connections: Arc<Connections>,
    deadline: Duration,
    heard: Arc<Mutex<Heard>>,
}

impl Connections {
    /// Trusts the authorities in the PEM file `roots` and no others; those of
    /// the system without one.
    pub(super) fn new(roots: Option<&Path>) -> Result<Self, RootsError> {
        let roots = match roots {
            Some(file) => roots_of(file)?,
            None => roots_of_the_system()?,
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(config)
            .https_only()
            .enable_http1()
            .build();
        let http = HyperClient::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE)
            .pool_timer(TokioTimer::new())
            .build(connector);
        Ok(Self {
            http,
            directory: Mutex::default(),
            nonces: Mutex::default(),
            made: Instant::now(),
        })
    }

    /// Whether what was learned of the authority still holds.
    pub(super) fn holds(&self) -> bool {
        self.made.elapsed() < HOLDS
    }

    /// The answer to a request that need not be sent: the directory is known, or
    /// an order that has ended has left a nonce.
    fn known<B>(&self, request: &Request<B>) -> Option<Response<Bytes>> {
        let url = request.uri().to_string();
        let directory = locked(&self.directory);
        let directory = directory.as_ref()?;
        match *request.method() {
            Method::GET if url == directory.url => Some(Response::new(directory.body.clone())),
            Method::HEAD if url == directory.urls.new_nonce => {
                let nonce = locked(&self.nonces).pop()?;
                let answer = Response::builder().header(NONCE, nonce);
                answer.body(Bytes::new()).ok()
            }
            _ => None,
        }
    }

    /// Keeps an answer that is the directory: the one thing that is fetched as
    /// such and has its URLs.
    fn learn(&self, url: String, answer: &Response<Bytes>) {
        if !answer.status().is_success() {
            return;
        }
        if let Ok(urls) = serde_json::from_slice(answer.body()) {
            let body = answer.body().clone();
            *locked(&self.directory) = Some(Directory { url, body, urls });
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Client {
    /// By those connections. An exchange may take until `deadline`.
    pub(super) fn by(connections: Arc<Connections>, deadline: Duration) -> Self {
        Self {
            connections,
            deadline,
            heard: Arc::default(),
        }
    }

    /// What was heard last.
    pub(super) fn heard(&self) -> Heard {
        self.ear().clone()
    }

    /// Leaves the last nonce to others: nothing more is asked by this client.
    pub(super) fn leave_nonce(&self) {
        let mut nonces = locked(&self.connections.nonces);
        if nonces.len() < NONCES {
            nonces.extend(self.ear().nonce.take());
        }
    }

    fn ear(&self) -> MutexGuard<'_, Heard> {
        locked(&self.heard)
    }

    async fn exchange(
        self,
        mut request: Request<BodyWrapper<Bytes>>,
    ) -> Result<BytesResponse, Error> {
        *self.ear() = Heard::default();
        if let Some(known) = self.connections.known(&request) {
            return Ok(BytesResponse::from(known.map(Full::new)));
        }
        let fetched = (request.method() == Method::GET).then(|| request.uri().to_string());
        let host = request
            .uri()
            .authority()
            .map(ToString::to_string)
            .unwrap_or_default();
        request
            .headers_mut()
            .insert(USER_AGENT, HeaderValue::from_static(USER));
        let deadline = self.deadline;
        let response = timeout(deadline, self.answer(request, &host)).await;
        let response = response.unwrap_or(Err(TransportError::TimedOut { host, deadline }));
        let response = response.map_err(|error| Error::Other(Box::new(error)))?;
        if let Some(url) = fetched {
            self.connections.learn(url, &response);
        }
        *self.ear() = Heard::of(&response);
        Ok(BytesResponse::from(response.map(Full::new)))
    }

    async fn answer(
        &self,
        request: Request<BodyWrapper<Bytes>>,
        host: &str,
    ) -> Result<Response<Bytes>, TransportError> {
        let failed = |source| TransportError::Failed {
            host: host.to_owned(),
            source,
        };
        let (parts, body) = self
            .connections
            .http
            .request(request)
            .await
            .map_err(failed)?
            .into_parts();
        let body = Limited::new(body, LARGEST).collect().await;
        let body = body.map_err(|source| TransportError::Broken {
            host: host.to_owned(),
            source,
        })?;
        Ok(Response::from_parts(parts, body.to_bytes()))
    }
}

impl HttpClient for Client {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        Box::pin(self.clone().exchange(request))
    }
}

impl Heard {
    fn of(response: &Response<Bytes>) -> Self {
        let headers = response.headers();
        let is_chain = headers
            .get(CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok())
            .is_some_and(|kind| kind.starts_with(CHAIN));
        let chain = response.status().is_success() && is_chain;
        Self {
            status: Some(response.status().as_u16()),
            retry_after: retry_after(headers, now()),
            chain: chain.then(|| String::from_utf8_lossy(response.body()).into_owned()),
            alternates: alternates(headers),
            nonce: headers
                .get(NONCE)
                .and_then(|nonce| nonce.to_str().ok())
                .map(str::to_owned),
        }
    }
}

/// `Retry-After`: seconds, or a date (RFC 9110, section 10.2.3).
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Timestamp> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    match text.parse::<i64>() {
        Ok(seconds) => now
            .checked_add(SignedDuration::from_secs(seconds.max(0)))
            .ok(),
        Err(_) => {
            let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text);
            date.ok()
        }
    }
}

/// The links of the kind `alternate`.
fn alternates(headers: &HeaderMap) -> Vec<String> {
    let links = headers
        .get_all(LINK)
        .iter()
        .filter_map(|it| it.to_str().ok());
    // In angle brackets, so that a comma within a URL separates nothing.
    let alternates = links
        .flat_map(|line| line.split('<').skip(1))
        .filter_map(|link| {
            let (url, parameters) = link.split_once('>')?;
            let is_alternate = parameters
                .split([';', ','])
                .map(|it| it.trim().replace('"', "").to_ascii_lowercase())
                .any(|it| it == "rel=alternate");
            is_alternate.then(|| url.to_owned())
        });
    alternates.collect()
}

fn roots_of(file: &Path) -> Result<RootCertStore, RootsError> {
    let failed = |why: String| RootsError::File {
        file: file.display().to_string(),
        why,
    };
    let mut roots = RootCertStore::empty();
    let certificates =
        CertificateDer::pem_file_iter(file).map_err(|error| failed(error.to_string()))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| failed(error.to_string()))?;
        roots
            .add(certificate)
            .map_err(|error| failed(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(failed(
            "expected a certificate in PEM, found none".to_owned(),
        ));
    }
    Ok(roots)
}

pub(in crate::act::issue) fn roots_of_the_system() -> Result<RootCertStore, RootsError> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
        let why = if why.is_empty() {
            "found none".to_owned()
        } else {
            why.join("; ")
        };
        return Err(RootsError::System { why });
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, value.parse().unwrap());
        }
        headers
    }

    fn connections_that_learned(directory: &str) -> Connections {
        let roots = tempfile::NamedTempFile::new().unwrap();
        let (root, _) = crate::model::tests::pair(&["ca.example"]);
        std::fs::write(roots.path(), root).unwrap();
        let connections = Connections::new(Some(roots.path())).unwrap();
        let answer = Response::new(Bytes::from(directory.to_owned()));
        connections.learn("https://ca.example/dir".to_owned(), &answer);
        connections
    }

    fn known(connections: &Connections, method: Method, url: &str) -> Option<Response<Bytes>> {
        connections.known(&Request::builder().method(method).uri(url).body(()).unwrap())
    }

    #[tokio::test]
    async fn a_directory_is_asked_for_once_and_a_nonce_used_once() {
        let (new_nonce, new_order) = ("https://ca.example/nonce", "https://ca.example/order");
        let directory = format!(r#"{{"newNonce": "{new_nonce}", "newOrder": "{new_order}"}}"#);
        let connections = Arc::new(connections_that_learned(&directory));
        let answer = known(&connections, Method::GET, "https://ca.example/dir").unwrap();
        assert_eq!(answer.body(), directory.as_bytes());
        assert!(known(&connections, Method::POST, "https://ca.example/dir").is_none());
        assert!(known(&connections, Method::GET, new_order).is_none());
        assert!(
            known(&connections, Method::HEAD, new_nonce).is_none(),
            "none is left"
        );
        let client = Client::by(Arc::clone(&connections), Duration::from_secs(1));
        client.ear().nonce = Some("abc".to_owned());
        client.leave_nonce();
        client.leave_nonce();
        let answer = known(&connections, Method::HEAD, new_nonce).unwrap();
        assert_eq!(answer.headers()[NONCE], "abc");
        assert!(known(&connections, Method::HEAD, new_nonce).is_none());
    }

    #[tokio::test]
    async fn what_is_no_directory_is_asked_for_again() {
        for body in ["<p>", "{}", r#"{"newNonce": "https://ca.example/nonce"}"#] {
            let connections = connections_that_learned(body);
            let answer = known(&connections, Method::GET, "https://ca.example/dir");
            assert!(answer.is_none(), "{body}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = "2026-11-28T12:00:00Z".parse().unwrap();
        let at = |text| retry_after(&headers("retry-after", &[text]), now).map(|at| at.to_string());
        assert_eq!(at("90").as_deref(), Some("2026-11-28T12:01:30Z"));
        assert_eq!(at("-5").as_deref(), Some("2026-11-28T12:00:00Z"));
        let date = at("Fri, 31 Dec 1999 23:59:59 GMT");
        assert_eq!(date.as_deref(), Some("1999-12-31T23:59:59Z"));
        assert_eq!(at("soon"), None);
        assert_eq!(at("99999999999999999"), None);
    }

    #[test]
    fn links_to_other_chains_are_found_among_others() {
        let links = headers(
            "link",
            &[
                "<https://ca.example/dir>;rel=\"index\"",
                "<https://ca.example/cert/1/1>;rel=\"alternate\", <https://ca.example/up>;rel=\"up\"",
                "<https://ca.example/cert/1/2>; rel=alternate",
                "no link",
            ],
        );
        assert_eq!(
            alternates(&links),
            ["https://ca.example/cert/1/1", "https://ca.example/cert/1/2"]
        );
    }
}
