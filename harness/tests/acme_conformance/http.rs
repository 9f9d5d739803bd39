//! One HTTP request at a time, seen in full: what a library would repeat, follow
//! or hide is the subject here.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;

/// All servers are on this machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// What is asked.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: &'static str,
    pub(crate) url: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

impl Request {
    pub(crate) fn new(method: &'static str, url: impl Into<String>) -> Self {
        Self {
            method,
            url: url.into(),
            headers: vec![("User-Agent", "conformance".to_owned())],
            body: String::new(),
        }
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(found, _)| *found != name);
        self
    }

    pub(crate) fn body(mut self, body: impl Into<String>) -> Self {
        self.body = body.into();
        self
    }
}

/// What is answered.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let named = move |(found, _): &&(String, String)| found.eq_ignore_ascii_case(name);
        self.headers
            .iter()
            .filter(named)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&bytes[..end]).ok()?;
        let mut lines = head.split("\r\n");
        let status = lines
            .next()?
            .strip_prefix("HTTP/1.")?
            .get(2..5)?
            .parse()
            .ok()?;
        let header = |line: &str| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_owned(), value.trim().to_owned()))
        };
        Some(Self {
            status,
            headers: lines.filter_map(header).collect(),
            body: bytes[end + 4..].to_vec(),
        })
    }
}

/// Asks one server.
#[derive(Clone)]
pub(crate) struct Http {
    server: SocketAddr,
    tls: TlsConnector,
}

impl Http {
    pub(crate) fn new(server: SocketAddr, ca_pem: &str) -> Self {
        let mut roots = RootCertStore::empty();
        let ca = CertificateDer::from_pem_slice(ca_pem.as_bytes()).unwrap();
        roots.add(ca).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self {
            server,
            tls: TlsConnector::from(Arc::new(config)),
        }
    }

    /// Sends a request, and reads what comes until the connection ends.
    pub(crate) async fn raw(&self, request: &Request) -> io::Result<Vec<u8>> {
        timeout(PATIENCE, self.exchange(request))
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Sends a request, and reads the answer, which must be one.
    pub(crate) async fn send(&self, request: &Request) -> Answer {
        let bytes = self
            .raw(request)
            .await
            .unwrap_or_else(|error| panic!("{request:?}: {error}"));
        Answer::parse(&bytes)
            .unwrap_or_else(|| panic!("{request:?}: {:?}", String::from_utf8_lossy(&bytes)))
    }

    async fn exchange(&self, request: &Request) -> io::Result<Vec<u8>> {
        let stream = TcpStream::connect(self.server).await?;
        let mut stream = self.tls.connect(self.server.ip().into(), stream).await?;
        let path = request.url.splitn(4, '/').nth(3).unwrap_or_default();
        let mut text = format!(
            "{} /{path} HTTP/1.0\r\nHost: {}\r\n",
            request.method, self.server
        );
        for (name, value) in &request.headers {
            text += &format!("{name}: {value}\r\n");
        }
        text += &format!(
            "Content-Length: {}\r\n\r\n{}",
            request.body.len(),
            request.body
        );
        stream.write_all(text.as_bytes()).await?;
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer).await {
            // Go's servers close TLS connections without saying goodbye.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && !answer.is_empty() => {}
            other => {
                other?;
            }
        }
        Ok(answer)
    }
}
