//! The authority behind the ACME server's own TLS certificate.

use std::{net::IpAddr, path::Path, sync::Arc};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// What a server shows, and what its clients must trust.
pub(crate) struct Identity {
    pub(crate) ca_pem: String,
    pub(crate) certificate_pem: String,
    pub(crate) key_pem: String,
    ca: CertificateDer<'static>,
}

impl Identity {
    /// A new authority, and a certificate of it for `name` and `address`.
    pub(crate) fn new(name: &str, address: IpAddr) -> Result<Self, rcgen::Error> {
        let ca_key = KeyPair::generate()?;
        let ca_params = authority();
        let ca = ca_params.self_signed(&ca_key)?;
        let issuer = Issuer::new(ca_params, ca_key);
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(vec![name.to_owned()])?;
        params.subject_alt_names.push(SanType::IpAddress(address));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &issuer)?;
        Ok(Self {
            ca_pem: ca.pem(),
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
            ca: ca.der().clone(),
        })
    }

    /// Accepts connections as the server that it is for.
    pub(crate) fn acceptor(&self) -> Result<TlsAcceptor, AcceptorError> {
        let certificate = CertificateDer::from_pem_slice(self.certificate_pem.as_bytes())?;
        let key = PrivateKeyDer::from_pem_slice(self.key_pem.as_bytes())?;
        accepting(certificate, key)
    }

    /// Connects to servers of this authority only.
    pub(crate) fn connector(&self) -> Result<TlsConnector, rustls::Error> {
        connector(self.ca.clone())
    }
}

/// Accepts connections with the certificate and the key in these PEM files.
pub(crate) fn acceptor(certificate: &Path, key: &Path) -> Result<TlsAcceptor, AcceptorError> {
    let certificate = CertificateDer::from_pem_file(certificate)?;
    let key = PrivateKeyDer::from_pem_file(key)?;
    accepting(certificate, key)
}

fn accepting(
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
) -> Result<TlsAcceptor, AcceptorError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Why a server cannot be stood in for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AcceptorError {
    /// A file cannot be read.
    #[error(transparent)]
    Pem(#[from] pem::Error),
    /// What is in it cannot be used.
    #[error(transparent)]
    Tls(#[from] rustls::Error),
}

/// Connects to servers of the authority in this PEM text only.
pub(crate) fn connector_to(ca_pem: &str) -> Result<TlsConnector, String> {
    let ca = CertificateDer::from_pem_slice(ca_pem.as_bytes()).map_err(|e| e.to_string())?;
    connector(ca).map_err(|error| error.to_string())
}

fn connector(ca: CertificateDer<'static>) -> Result<TlsConnector, rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(ca)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

fn authority() -> CertificateParams {
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, "Rollover lab");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}
