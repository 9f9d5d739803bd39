//! The Docker API as plain JSON, for the few places where the typed client would
//! lose something, or show it: a task's network addresses and a service's
//! specification of before, which the models leave out; a service's health check,
//! which they look for under another name; a service's specification, which must
//! go back with every field that it came with, also those that a newer engine has
//! added; and a secret, because the typed client logs what it sends.

use std::path::PathBuf;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use super::elements::Elements;
use crate::http::exchange_in_pieces;

/// How long one answer may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// Where the engine listens.
#[derive(Clone, Debug)]
pub(crate) enum Endpoint {
    Unix(PathBuf),
    Tcp(String),
}

/// A failed exchange.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RawError {
    #[error("{method} {path}: {why}")]
    Transport {
        method: Method,
        path: String,
        why: String,
    },
    /// The engine's own message.
    #[error("{method} {path}: the engine answered {status}: {message}")]
    Refused {
        method: Method,
        path: String,
        status: StatusCode,
        message: String,
    },
}

/// A client that opens a connection for each request: it is asked a few times
/// in a look, over a local socket.
#[derive(Clone, Debug)]
pub(crate) struct Raw {
    endpoint: Endpoint,
    /// The API version to speak, such as `1.41`.
    version: String,
}

impl Raw {
    pub(crate) fn new(endpoint: Endpoint, version: String) -> Self {
        Self { endpoint, version }
    }

    /// The answer to a GET of `path`, such as `/services/ID`.
    pub(crate) async fn get(&self, path: &str) -> Result<Value, RawError> {
        self.exchange(Method::GET, path, Bytes::new()).await
    }

    /// The answer to a POST of `body` to `path`.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Value, RawError> {
        let body = Bytes::from(body.to_string());
        self.exchange(Method::POST, path, body).await
    }

    /// Hands on the elements of the list that answers a GET of `path`, each as it
    /// comes: for lists that are too long to have twice in memory.
    ///
    /// # Errors
    /// When it does not come whole, or one of them is something else. What has
    /// come until then was handed on.
    pub(crate) async fn each<T: DeserializeOwned>(
        &self,
        path: &str,
        mut take: impl FnMut(T),
    ) -> Result<(), RawError> {
        let (mut elements, mut refusal) = (Elements::default(), Vec::new());
        let mut wrong = None;
        let piece = |status: StatusCode, piece: &[u8]| {
            if !status.is_success() {
                return refusal.extend_from_slice(piece);
            }
            elements.take(piece, |element| match serde_json::from_slice(element) {
                Ok(element) => take(element),
                Err(error) => wrong = Some(error),
            });
        };
        let status = self.answered(&Method::GET, path, Bytes::new(), piece);
        let status = status.await?;
        if !status.is_success() {
            return Err(refused(Method::GET, path, status, &refusal));
        }
        let why = match wrong {
            Some(error) => format!("expected JSON: {error}"),
            None if elements.is_whole() => return Ok(()),
            None => "expected a list, found a part of one".to_owned(),
        };
        Err(RawError::Transport {
            method: Method::GET,
            path: path.to_owned(),
            why,
        })
    }

    async fn exchange(&self, method: Method, path: &str, body: Bytes) -> Result<Value, RawError> {
        let mut content = Vec::new();
        let piece = |_, piece: &[u8]| content.extend_from_slice(piece);
        let status = self.answered(&method, path, body, piece).await?;
        if !status.is_success() {
            return Err(refused(method, path, status, &content));
        }
        serde_json::from_slice(&content).map_err(|error| RawError::Transport {
            method,
            path: path.to_owned(),
            why: format!("expected JSON: {error}"),
        })
    }

    async fn answered(
        &self,
        method: &Method,
        path: &str,
        body: Bytes,
        piece: impl FnMut(StatusCode, &[u8]),
    ) -> Result<StatusCode, RawError> {
        let failed = |why: String| RawError::Transport {
            method: method.clone(),
            path: path.to_owned(),
            why,
        };
        timeout(DEADLINE, self.send(method, path, body, piece))
            .await
            .map_err(|_| failed(format!("no answer within {} s", DEADLINE.as_secs())))?
            .map_err(failed)
    }

    async fn send(
        &self,
        method: &Method,
        path: &str,
        body: Bytes,
        piece: impl FnMut(StatusCode, &[u8]),
    ) -> Result<StatusCode, String> {
        let request = Request::builder()
            .method(method)
            .uri(format!("/v{}{path}", self.version))
            .header("Host", "docker")
            .header("Content-Type", "application/json")
            .body(Full::new(body))
            .map_err(|error| error.to_string())?;
        let failed = |error: std::io::Error| error.to_string();
        match &self.endpoint {
            Endpoint::Unix(path) => {
                let stream = UnixStream::connect(path).await.map_err(failed)?;
                exchange_in_pieces(stream, request, piece).await
            }
            Endpoint::Tcp(address) => {
                let stream = TcpStream::connect(address).await.map_err(failed)?;
                exchange_in_pieces(stream, request, piece).await
            }
        }
        .map_err(|error| error.to_string())
    }
}

/// What the engine says in place of an answer.
fn refused(method: Method, path: &str, status: StatusCode, content: &[u8]) -> RawError {
    let message = serde_json::from_slice::<Value>(content)
        .ok()
        .and_then(|value| Some(value.get("message")?.as_str()?.to_owned()))
        .unwrap_or_else(|| String::from_utf8_lossy(content).into_owned());
    RawError::Refused {
        method,
        path: path.to_owned(),
        status,
        message,
    }
}
