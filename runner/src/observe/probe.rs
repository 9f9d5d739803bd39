//! The TLS probe: the only thing that can say what a replica serves.

use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientConfig, Resumption};
use rustls::crypto::{
    WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, SignatureScheme, SupportedCipherSuite};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::model::{DomainName, KeyKind, ProbePort, Serving, leaf_of};

/// How long one probe may take. A replica on the same overlay network answers
/// in milliseconds; one that needs seconds is in trouble.
const DEADLINE: Duration = Duration::from_secs(3);
/// HTTP/2 by its name in ALPN.
const H2: &[u8] = b"h2";

/// What is asked of a server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question<'a> {
    pub(crate) domain: &'a DomainName,
    pub(crate) probe: ProbePort,
    /// Which of its certificates a server is to show that has one of each kind.
    pub(crate) kind: Option<KeyKind>,
}

/// Does a full handshake with the server at `address` and tells the leaf that
/// it proved to have the key of, and what it sent with it.
///
/// No resumption: a resumed session shows the certificate of the session, not
/// the one that is served now. Nothing is judged here: what matters is which
/// certificate is served, and a placeholder is a certificate too.
///
/// Only signatures of the question's kind are offered at first. A server that
/// has no such certificate refuses, and is asked again with all of them: what
/// it shows then is what it serves.
pub(crate) async fn probe(address: SocketAddr, question: Question<'_>) -> Serving {
    let seen = match within(address, question).await {
        Err(Unseen::Handshake(_)) if question.kind.is_some() => {
            let any = Question {
                kind: None,
                ..question
            };
            within(address, any).await
        }
        seen => seen,
    };
    match seen.map(|shown| leaf_of(&shown)) {
        Ok(Ok(leaf)) => Serving::Leaf(leaf),
        Ok(Err(why)) => Serving::Unreachable(format!("its certificate cannot be read: {why}")),
        Err(unseen) => Serving::Unreachable(unseen.to_string()),
    }
}

/// The same at an address that names a host: at the first that the name
/// resolves to, as most clients would.
///
/// No PROXY header is sent: that is between a balancer in front and the
/// replicas.
pub(super) async fn probe_public(address: &str, question: Question<'_>) -> Serving {
    let question = Question {
        probe: ProbePort {
            proxy: false,
            ..question.probe
        },
        ..question
    };
    let resolved = timeout(DEADLINE, lookup_host(address)).await;
    match resolved.map(|found| found.map(|mut found| found.next())) {
        Ok(Ok(Some(address))) => probe(address, question).await,
        Ok(Ok(None)) => Serving::Unreachable(format!("{address} has no address")),
        Ok(Err(error)) => Serving::Unreachable(format!("resolve {address}: {error}")),
        Err(_) => Serving::Unreachable(format!(
            "resolve {address}: no answer within {} s",
            DEADLINE.as_secs()
        )),
    }
}

/// Why no certificate was seen.
#[derive(Debug, thiserror::Error)]
enum Unseen {
    /// There was no server to speak to, or it did not answer in time.
    #[error("{0}")]
    Connection(String),
    /// A server ended the handshake.
    #[error("{0}")]
    Handshake(String),
}

async fn within(
    address: SocketAddr,
    question: Question<'_>,
) -> Result<Vec<CertificateDer<'static>>, Unseen> {
    let late = |_| {
        let seconds = DEADLINE.as_secs();
        Unseen::Connection(format!(
            "no TLS handshake with {address} within {seconds} s"
        ))
    };
    timeout(DEADLINE, handshake(address, question))
        .await
        .map_err(late)?
}

async fn handshake(
    address: SocketAddr,
    question: Question<'_>,
) -> Result<Vec<CertificateDer<'static>>, Unseen> {
    let ended =
        |why: &dyn Display| Unseen::Handshake(format!("TLS handshake with {address}: {why}"));
    let config = client(question).map_err(|error| ended(&error))?;
    let name =
        ServerName::try_from(question.domain.server_name()).map_err(|error| ended(&error))?;
    let connection = |error| Unseen::Connection(format!("connect to {address}: {error}"));
    let mut stream = TcpStream::connect(address).await.map_err(connection)?;
    if question.probe.proxy {
        let header = proxy_header(&stream).map_err(connection)?;
        stream
            .write_all(header.as_bytes())
            .await
            .map_err(connection)?;
    }
    let mut stream = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .map_err(|error| ended(&error))?;
    let session = stream.get_ref().1;
    let agreed = session.alpn_protocol() == Some(H2);
    let shown = session.peer_certificates().unwrap_or_default().to_vec();
    // The certificate is known; how the connection ends says nothing of it.
    let _ = stream.shutdown().await;
    if question.probe.h2 && !agreed {
        return Err(ended(&"HTTP/2 was offered and not agreed on"));
    }
    Ok(shown.into_iter().map(CertificateDer::into_owned).collect())
}

/// A client that takes any certificate of the question's kind.
fn client(question: Question<'_>) -> Result<ClientConfig, Error> {
    let mut provider = ring::default_provider();
    let any = AnyCertificate {
        algorithms: provider.signature_verification_algorithms,
        kind: question.kind,
    };
    // Up to TLS 1.2 the cipher suite says which kind of key signs.
    let offered = any.supported_verify_schemes();
    provider.cipher_suites.retain(|suite| match suite {
        SupportedCipherSuite::Tls12(suite) => suite.sign.iter().any(|it| offered.contains(it)),
        SupportedCipherSuite::Tls13(_) => true,
    });
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(any))
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    if question.probe.h2 {
        config.alpn_protocols = vec![H2.to_vec()];
    }
    Ok(config)
}

/// The PROXY protocol's header, version 1 (haproxy.org, proxy-protocol.txt): this
/// connection, told as it is.
fn proxy_header(stream: &TcpStream) -> std::io::Result<String> {
    let (from, to) = (stream.local_addr()?, stream.peer_addr()?);
    let family = if to.is_ipv4() { "TCP4" } else { "TCP6" };
    let (source, destination) = (from.ip(), to.ip());
    let (from, to) = (from.port(), to.port());
    Ok(format!(
        "PROXY {family} {source} {destination} {from} {to}\r\n"
    ))
}

/// Whether a signature of this scheme is made with a key of this kind.
fn is_of(scheme: SignatureScheme, kind: KeyKind) -> bool {
    use SignatureScheme as S;
    match kind {
        KeyKind::Ecdsa => matches!(
            scheme,
            S::ECDSA_NISTP256_SHA256 | S::ECDSA_NISTP384_SHA384 | S::ECDSA_NISTP521_SHA512
        ),
        KeyKind::Rsa => matches!(
            scheme,
            S::RSA_PKCS1_SHA256
                | S::RSA_PKCS1_SHA384
                | S::RSA_PKCS1_SHA512
                | S::RSA_PSS_SHA256
                | S::RSA_PSS_SHA384
                | S::RSA_PSS_SHA512
        ),
        KeyKind::Other => true,
    }
}

/// Takes any certificate, because which one it is shall be compared and not
/// judged, but insists on the proof that the server holds its key.
#[derive(Debug)]
struct AnyCertificate {
    algorithms: WebPkiSupportedAlgorithms,
    /// The kind of key whose signatures are offered; `None`: all.
    kind: Option<KeyKind>,
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let mut schemes = self.algorithms.supported_schemes();
        if let Some(kind) = self.kind {
            schemes.retain(|&scheme| is_of(scheme, kind));
        }
        schemes
    }
}

#[cfg(test)]
mod tests;
