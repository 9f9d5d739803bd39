//! A look from outside at what a server serves.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::traffic::tls;

/// How long one look may take.
const DEADLINE: Duration = Duration::from_secs(3);

/// Whose signature counts.
#[derive(Debug, Clone)]
pub enum Roots {
    /// Anybody's: only which certificate it is, is of interest.
    Any,
    /// The authorities in this PEM text. Chain, names and dates are checked as
    /// a browser would.
    Only(String),
}

/// The fingerprint (SHA-256 of the DER, lowercase hex) of the leaf that the
/// server at `address` serves for `name`, after a full handshake.
///
/// # Errors
/// Why no handshake came about, or why the certificate is not trusted.
pub async fn probe(address: SocketAddr, name: &str, roots: &Roots) -> Result<String, String> {
    timeout(DEADLINE, handshake(address, name, roots))
        .await
        .map_err(|_| format!("no TLS handshake with {address} within {DEADLINE:?}"))?
}

async fn handshake(address: SocketAddr, name: &str, roots: &Roots) -> Result<String, String> {
    let config = match roots {
        Roots::Any => tls::client_config().map_err(|error| error.to_string())?,
        Roots::Only(pem) => trusting(pem)?,
    };
    let name = ServerName::try_from(name.to_owned()).map_err(|error| error.to_string())?;
    let stream = TcpStream::connect(address)
        .await
        .map_err(|error| format!("connect to {address}: {error}"))?;
    let stream = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .map_err(|error| format!("TLS handshake with {address}: {error}"))?;
    let (_, session) = stream.get_ref();
    let leaf = session
        .peer_certificates()
        .and_then(|chain| chain.first())
        .ok_or_else(|| format!("{address} shows no certificate"))?;
    Ok(tls::fingerprint(leaf))
}

fn trusting(pem: &str) -> Result<ClientConfig, String> {
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|error| error.to_string())?;
        store.add(certificate).map_err(|error| error.to_string())?;
    }
    let provider = Arc::new(ring::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(store)
        .with_no_client_auth())
}
