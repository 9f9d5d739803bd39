//! One small HTTP request, for the lab's own servers.
//!
//! The registry, Pebble and its challenge test server each need a call or two;
//! HTTP/1.0 has no chunks and ends with the connection, and is all that takes.

use std::{io, net::SocketAddr, path::Path, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, UnixStream},
};
use tokio_rustls::TlsConnector;

/// All of the lab's servers are on this machine and answer at once.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server's answer.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: String,
    pub(crate) body: String,
}

impl Response {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    }

    fn parse(text: &str) -> Option<Self> {
        let (head, body) = text.split_once("\r\n\r\n")?;
        let (status_line, headers) = head.split_once("\r\n").unwrap_or((head, ""));
        let status = status_line.split_whitespace().nth(1)?.parse().ok()?;
        Some(Self {
            status,
            headers: headers.to_owned(),
            body: body.to_owned(),
        })
    }
}

/// Sends one request to `server`, over TLS where a connector is given, and reads
/// the answer to its end.
pub(crate) async fn request(
    server: SocketAddr,
    tls: Option<TlsConnector>,
    head: &str,
    body: &str,
) -> io::Result<Response> {
    let host = server.to_string();
    patiently(async {
        let stream = TcpStream::connect(server).await?;
        match tls {
            None => exchange(stream, &host, head, body).await,
            Some(tls) => {
                let name = server.ip().into();
                exchange(tls.connect(name, stream).await?, &host, head, body).await
            }
        }
    })
    .await
}

/// Gets from `server`, as if it had been found under the name `host`.
pub(crate) async fn request_for(
    host: &str,
    server: SocketAddr,
    head: &str,
) -> io::Result<Response> {
    patiently(async {
        let stream = TcpStream::connect(server).await?;
        exchange(stream, host, head, "").await
    })
    .await
}

/// Gets a path from the server at a unix socket.
pub(crate) async fn get_from_socket(socket: &Path, path: &str) -> io::Result<Response> {
    patiently(async {
        let stream = UnixStream::connect(socket).await?;
        exchange(stream, "docker", &format!("GET {path}"), "").await
    })
    .await
}

/// Encodes what goes into a query (RFC 3986, section 2).
pub(crate) fn percent_encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

async fn patiently(answer: impl Future<Output = io::Result<Response>>) -> io::Result<Response> {
    tokio::time::timeout(PATIENCE, answer)
        .await
        .unwrap_or_else(|_| {
            Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("no answer in {PATIENCE:?}"),
            ))
        })
}

async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    host: &str,
    head: &str,
    body: &str,
) -> io::Result<Response> {
    // `head` is the request line without its version, and further header lines.
    let (line, headers) = head.split_once('\n').unwrap_or((head, ""));
    let headers: String = headers
        .lines()
        .map(|header| format!("{header}\r\n"))
        .collect();
    let request = format!(
        "{line} HTTP/1.0\r\nHost: {host}\r\nUser-Agent: rollover-lab\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer).await {
        // Go's servers close TLS connections without saying goodbye.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && !answer.is_empty() => {}
        other => {
            other?;
        }
    }
    let text = String::from_utf8_lossy(&answer);
    Response::parse(&text).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("no HTTP answer: {text:?}"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_encoded() {
        assert_eq!(
            percent_encoded(r#"{"a-1":[2]}"#),
            "%7B%22a-1%22%3A%5B2%5D%7D"
        );
    }

    #[test]
    fn reads_status_headers_and_body() {
        let text = "HTTP/1.0 200 OK\r\nDocker-Content-Digest: sha256:1\r\nX: y\r\n\r\n{\"a\":1}";
        let response = Response::parse(text).unwrap();
        assert_eq!(response.status, 200);
        assert_eq!(response.header("docker-content-digest"), Some("sha256:1"));
        assert_eq!(response.body, "{\"a\":1}");
        assert!(Response::parse("garbage").is_none());
    }
}
