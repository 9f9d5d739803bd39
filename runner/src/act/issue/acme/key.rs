//! The key of a certificate, and the request to sign it.

use rcgen::{
    CertificateParams, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384,
};
use rsa::PrivateKey;
use rsa::pkcs8::EncodePrivateKey;
use rustls::pki_types::PrivatePkcs8KeyDer;

use super::error::{AcmeError, AcmeErrorClass};
use crate::model::{DomainName, KeyAlgorithm};

fn failed(error: impl std::fmt::Display) -> AcmeError {
    AcmeError::new(AcmeErrorClass::Local, "make a key", error.to_string())
}

/// A new key. One for RSA takes seconds of a core, so it is searched for
/// elsewhere than where everything else waits.
pub(super) async fn generate(algorithm: KeyAlgorithm) -> Result<KeyPair, AcmeError> {
    let generated = tokio::task::spawn_blocking(move || match algorithm {
        KeyAlgorithm::Ecdsa => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(failed),
        KeyAlgorithm::Ecdsa384 => KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).map_err(failed),
        KeyAlgorithm::Rsa2048 => rsa_of(2048),
        KeyAlgorithm::Rsa4096 => rsa_of(4096),
    });
    generated.await.map_err(failed)?
}

/// ring signs with RSA keys, but makes none.
fn rsa_of(bits: usize) -> Result<KeyPair, AcmeError> {
    let key = PrivateKey::new(&mut getrandom::SysRng, bits).map_err(failed)?;
    let der = key.to_pkcs8_der().map_err(failed)?;
    KeyPair::try_from(&PrivatePkcs8KeyDer::from(der.as_bytes())).map_err(failed)
}

/// The key again, from its PEM.
pub(super) fn parse(pem: &str) -> Result<KeyPair, AcmeError> {
    // The library's message is not shown: it may quote what it read.
    KeyPair::from_pem(pem).map_err(|_| failed("the one that is kept for the order cannot be read"))
}

/// The certificate signing request for these names, as DER: without a subject,
/// for authorities take the names from the extension alone.
pub(super) fn request(key: &KeyPair, domains: &[DomainName]) -> Result<Vec<u8>, AcmeError> {
    let names: Vec<String> = domains.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).map_err(failed)?;
    params.distinguished_name = DistinguishedName::new();
    let request = params.serialize_request(key).map_err(failed)?;
    Ok(request.der().to_vec())
}

#[cfg(test)]
mod tests {
    use x509_parser::certification_request::X509CertificationRequest;
    use x509_parser::prelude::FromDer;
    use x509_parser::public_key::PublicKey;

    use super::*;

    #[tokio::test]
    async fn each_algorithm_gives_a_key_that_signs_and_is_read_again() {
        let domains = ["example.org", "www.example.org"].map(|it| DomainName::parse(it).unwrap());
        for (algorithm, bits) in [
            (KeyAlgorithm::Ecdsa, 256),
            (KeyAlgorithm::Ecdsa384, 384),
            (KeyAlgorithm::Rsa2048, 2048),
        ] {
            let key = generate(algorithm).await.unwrap();
            let key = parse(&key.serialize_pem()).unwrap();
            let der = request(&key, &domains).unwrap();
            let (_, request) = X509CertificationRequest::from_der(&der).unwrap();
            request.verify_signature().unwrap();
            let info = &request.certification_request_info;
            let size = match info.subject_pki.parsed().unwrap() {
                PublicKey::EC(point) => point.key_size(),
                PublicKey::RSA(key) => key.key_size(),
                other => panic!("{other:?}"),
            };
            assert_eq!(size, bits, "{algorithm}");
            assert_eq!(info.subject.iter().count(), 0);
        }
    }
}
