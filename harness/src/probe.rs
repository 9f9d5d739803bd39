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
    /// The same, where the client knows RSA only.
    AnyByRsa,
    /// The authorities in this PEM text. Chain, names and dates are checked as
    /// a browser would.
    Only(String),
}

/// Why no served certificate could be told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unseen {
    /// There was no handshake that could have shown one.
    #[error("{0}")]
    NotReached(String),
    /// What was served is expired, for another name, signed by somebody else, or
    /// the server has not the key that belongs to it.
    #[error("{0}")]
    NotTrusted(String),
}

/// The fingerprint (SHA-256 of the DER, lowercase hex) of the leaf that the
/// server at `address` serves for `name`, after a full handshake.
///
/// # Errors
/// Why no handshake came about, or why the certificate is not trusted.
///
/// ```no_run
/// # async fn example(lab: &rollover_lab::lab::Lab) -> Result<(), Box<dyn std::error::Error>> {
/// use rollover_lab::probe::{Roots, probe};
///
/// let roots = Roots::Only(lab.acme().roots().await?);
/// for node in lab.nodes() {
///     let served = probe((node.address(), 443).into(), "example.org", &roots).await?;
///     println!("{} serves {served}", node.name());
/// }
/// # Ok(())
/// # }
/// ```
pub async fn probe(address: SocketAddr, name: &str, roots: &Roots) -> Result<String, Unseen> {
    timeout(DEADLINE, handshake(address, name, roots))
        .await
        .unwrap_or_else(|_| {
            let why = format!("no TLS handshake with {address} within {DEADLINE:?}");
            Err(Unseen::NotReached(why))
        })
}

async fn handshake(address: SocketAddr, name: &str, roots: &Roots) -> Result<String, Unseen> {
    let config = match roots {
        Roots::Any => tls::client_config().map_err(|error| error.to_string()),
        Roots::AnyByRsa => tls::rsa_only().map_err(|error| error.to_string()),
        Roots::Only(pem) => trusting(pem),
    }
    .map_err(Unseen::NotReached)?;
    let name = ServerName::try_from(name.to_owned())
        .map_err(|error| Unseen::NotReached(error.to_string()))?;
    let stream = TcpStream::connect(address)
        .await
        .map_err(|error| Unseen::NotReached(format!("connect to {address}: {error}")))?;
    let stream = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .map_err(|error| Unseen::by(address, &error))?;
    let (_, session) = stream.get_ref();
    let leaf = session
        .peer_certificates()
        .and_then(|chain| chain.first())
        .ok_or_else(|| Unseen::NotReached(format!("{address} shows no certificate")))?;
    Ok(tls::fingerprint(leaf))
}

impl Unseen {
    /// Tells a certificate that must not be trusted from a handshake cut short.
    fn by(address: SocketAddr, error: &std::io::Error) -> Self {
        let why = format!("TLS handshake with {address}: {error}");
        let tls = error.get_ref().and_then(|error| error.downcast_ref());
        match tls {
            Some(rustls::Error::InvalidCertificate(_)) => Self::NotTrusted(why),
            _ => Self::NotReached(why),
        }
    }
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
