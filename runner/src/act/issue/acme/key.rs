//! The key of a certificate, and the request to sign it.

use rcgen::{CertificateParams, DistinguishedName, KeyPair};

use super::error::{AcmeError, AcmeErrorClass};
use crate::model::{DomainName, KeyAlgorithm};

fn failed(error: impl std::fmt::Display) -> AcmeError {
    AcmeError::new(AcmeErrorClass::Local, "make a key", error.to_string())
}

/// A new key.
pub(super) async fn generate(algorithm: KeyAlgorithm) -> Result<KeyPair, AcmeError> {
    let generated = crate::act::issue::key::generate(algorithm).await;
    generated.map_err(|error| {
        AcmeError::new(
            AcmeErrorClass::Local,
            "order a certificate",
            error.to_string(),
        )
    })
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
    use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension};
    use x509_parser::public_key::PublicKey;

    use super::*;

    #[tokio::test]
    async fn each_algorithm_gives_a_key_that_signs_and_is_read_again() {
        let domains = ["example.org", "192.0.2.7"].map(|it| DomainName::parse(it).unwrap());
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
            let asked = request.requested_extensions().unwrap();
            let names = asked.filter_map(|extension| match extension {
                ParsedExtension::SubjectAlternativeName(names) => Some(&names.general_names),
                _ => None,
            });
            let names: Vec<&GeneralName<'_>> = names.flatten().collect();
            let address = GeneralName::IPAddress(&[192, 0, 2, 7]);
            assert_eq!(names, [&GeneralName::DNSName("example.org"), &address]);
        }
    }
}
