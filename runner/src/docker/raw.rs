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
use serde_json::Value;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use crate::http::exchange;

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

    async fn exchange(&self, method: Method, path: &str, body: Bytes) -> Result<Value, RawError> {
        let failed = |why: String| RawError::Transport {
            method: method.clone(),
            path: path.to_owned(),
            why,
        };
        let (status, content) = timeout(DEADLINE, self.send(&method, path, body))
            .await
            .map_err(|_| failed(format!("no answer within {} s", DEADLINE.as_secs())))?
            .map_err(failed)?;
        if status.is_success() {
            return serde_json::from_slice(&content)
                .map_err(|error| failed(format!("expected JSON: {error}")));
        }
        let message = serde_json::from_slice::<Value>(&content)
            .ok()
            .and_then(|value| Some(value.get("message")?.as_str()?.to_owned()))
            .unwrap_or_else(|| String::from_utf8_lossy(&content).into_owned());
        Err(RawError::Refused {
            method,
            path: path.to_owned(),
            status,
            message,
        })
    }

    async fn send(
        &self,
        method: &Method,
        path: &str,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), String> {
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
                exchange(UnixStream::connect(path).await.map_err(failed)?, request).await
            }
            Endpoint::Tcp(address) => {
                exchange(TcpStream::connect(address).await.map_err(failed)?, request).await
            }
        }
        .map_err(|error| error.to_string())
    }
}
