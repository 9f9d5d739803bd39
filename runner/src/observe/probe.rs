//! The TLS probe: the only thing that can say what a replica serves.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientConfig, Resumption};
use rustls::crypto::{
    WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, SignatureScheme};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::model::{DomainName, Serving, leaf_of};

/// How long one probe may take. A replica on the same overlay network answers
/// in milliseconds; one that needs seconds is in trouble.
const DEADLINE: Duration = Duration::from_secs(3);

/// Does a full handshake with the server at `address`, asking for `domain`,
/// and tells the leaf that it proved to have the key of.
///
/// No resumption: a resumed session shows the certificate of the session, not
/// the one that is served now. The chain is not judged here: what matters is
/// which certificate is served, and a placeholder is a certificate too.
pub(crate) async fn probe(address: SocketAddr, domain: &DomainName) -> Serving {
    match timeout(DEADLINE, handshake(address, domain)).await {
        Ok(Ok(der)) => match leaf_of(&der) {
            Ok(leaf) => Serving::Leaf(leaf),
            Err(why) => Serving::Unreachable(format!("its certificate cannot be read: {why}")),
        },
        Ok(Err(why)) => Serving::Unreachable(why),
        Err(_) => Serving::Unreachable(format!(
            "no TLS handshake with {address} within {} s",
            DEADLINE.as_secs()
        )),
    }
}

async fn handshake(address: SocketAddr, domain: &DomainName) -> Result<Vec<u8>, String> {
    let provider = Arc::new(ring::default_provider());
    let any = AnyCertificate {
        algorithms: provider.signature_verification_algorithms,
    };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(any))
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    let name = ServerName::try_from(domain.server_name()).map_err(|error| error.to_string())?;
    let stream = TcpStream::connect(address)
        .await
        .map_err(|error| format!("connect to {address}: {error}"))?;
    let mut stream = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .map_err(|error| format!("TLS handshake with {address}: {error}"))?;
    let shown = stream.get_ref().1.peer_certificates();
    let leaf = shown
        .and_then(|chain| chain.first())
        .map(|der| der.to_vec());
    // The certificate is known; how the connection ends says nothing of it.
    let _ = stream.shutdown().await;
    leaf.ok_or_else(|| format!("TLS handshake with {address}: no certificate was shown"))
}

/// Takes any certificate, because which one it is shall be compared and not
/// judged, but insists on the proof that the server holds its key.
#[derive(Debug)]
struct AnyCertificate {
    algorithms: WebPkiSupportedAlgorithms,
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
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Fingerprint;
    use rustls::ServerConfig;
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    fn domain() -> DomainName {
        DomainName::parse("example.org").unwrap()
    }

    async fn server() -> (SocketAddr, Fingerprint) {
        let made = rcgen::generate_simple_self_signed(vec!["example.org".to_owned()]).unwrap();
        let fingerprint = Fingerprint::of_der(made.cert.der());
        let key = made.signing_key.serialize_der().try_into().unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = acceptor.accept(stream).await;
            }
        });
        (address, fingerprint)
    }

    #[tokio::test]
    async fn tells_the_leaf_that_is_served() {
        let (address, fingerprint) = server().await;
        let serving = probe(address, &domain()).await;
        let leaf = serving.leaf().unwrap();
        assert_eq!(leaf.fingerprint, fingerprint);
        assert_eq!(leaf.names, ["example.org"]);
    }

    #[tokio::test]
    async fn says_why_nothing_could_be_seen() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let Serving::Unreachable(why) = probe(address, &domain()).await else {
            panic!("a closed port serves nothing");
        };
        assert!(why.contains(&address.to_string()), "{why}");
        assert!(why.contains("refused"), "{why}");
    }

    #[tokio::test]
    async fn a_server_that_speaks_no_tls_is_unreachable() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        });
        let Serving::Unreachable(why) = probe(address, &domain()).await else {
            panic!("plain HTTP is no certificate");
        };
        assert!(why.contains("TLS handshake"), "{why}");
    }
}
