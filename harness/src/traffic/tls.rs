//! TLS as a prober wants it: a full handshake each time, any certificate, and
//! proof that the server holds its key.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme, SupportedCipherSuite};
use sha2::{Digest, Sha256};

/// A client without resumption (a resumed session would show the certificate of
/// an earlier handshake) that speaks HTTP/1.1 only.
pub(crate) fn client_config() -> Result<ClientConfig, Error> {
    client_of(ring::default_provider(), |_| true)
}

/// The same, of a client that can check no ECDSA signature: a server that has a
/// certificate with an RSA key shows it that one.
pub(crate) fn rsa_only() -> Result<ClientConfig, Error> {
    let mut provider = ring::default_provider();
    let is_rsa = |scheme| format!("{scheme:?}").starts_with("RSA_");
    provider.cipher_suites.retain(|suite| match suite {
        SupportedCipherSuite::Tls12(suite) => suite.sign.iter().any(|&scheme| is_rsa(scheme)),
        SupportedCipherSuite::Tls13(_) => true,
    });
    client_of(provider, is_rsa)
}

fn client_of(
    provider: CryptoProvider,
    offers: fn(SignatureScheme) -> bool,
) -> Result<ClientConfig, Error> {
    let provider = Arc::new(provider);
    let verifier = AnyCertificate::new(&provider, offers);
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// The same for HTTP/2.
pub(super) fn for_http2(config: &ClientConfig) -> ClientConfig {
    let mut config = config.clone();
    config.alpn_protocols = vec![b"h2".to_vec()];
    config
}

/// The same with a memory for sessions to resume, of one server.
pub(super) fn resuming(config: &ClientConfig) -> ClientConfig {
    /// Tickets of one server; rustls keeps no more than eight of them.
    const SESSIONS: usize = 8;
    let mut config = config.clone();
    config.resumption = Resumption::in_memory_sessions(SESSIONS);
    config
}

/// SHA-256 of a certificate's DER, as lowercase hex.
pub(crate) fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    Sha256::digest(certificate)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Takes whatever certificate is served, because which one it is shall be
/// recorded and not judged here; but the handshake's signature must be made by
/// its key, so that a mixed pair is seen.
#[derive(Debug)]
struct AnyCertificate {
    algorithms: WebPkiSupportedAlgorithms,
    /// Which of their signatures it offers.
    offers: fn(SignatureScheme) -> bool,
}

impl AnyCertificate {
    fn new(provider: &CryptoProvider, offers: fn(SignatureScheme) -> bool) -> Self {
        Self {
            algorithms: provider.signature_verification_algorithms,
            offers,
        }
    }
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let mut schemes = self.algorithms.supported_schemes();
        schemes.retain(|&scheme| (self.offers)(scheme));
        schemes
    }
}
