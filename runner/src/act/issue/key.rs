//! A key for a certificate.

use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384};
use rsa::PrivateKey;
use rsa::pkcs8::EncodePrivateKey;
use rustls::pki_types::PrivatePkcs8KeyDer;

use crate::model::KeyAlgorithm;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
#[error("make a key: {0}")]
pub(crate) struct KeyError(String);

fn failed(error: impl std::fmt::Display) -> KeyError {
    KeyError(error.to_string())
}

/// A new key. One for RSA takes seconds of a core, so it is searched for
/// elsewhere than where everything else waits.
pub(crate) async fn generate(algorithm: KeyAlgorithm) -> Result<KeyPair, KeyError> {
    let generated = tokio::task::spawn_blocking(move || match algorithm {
        KeyAlgorithm::Ecdsa => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(failed),
        KeyAlgorithm::Ecdsa384 => KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).map_err(failed),
        KeyAlgorithm::Rsa2048 => rsa_of(2048),
        KeyAlgorithm::Rsa4096 => rsa_of(4096),
    });
    generated.await.map_err(failed)?
}

/// ring signs with RSA keys, but makes none.
fn rsa_of(bits: usize) -> Result<KeyPair, KeyError> {
    let key = PrivateKey::new(&mut getrandom::SysRng, bits).map_err(failed)?;
    let der = key.to_pkcs8_der().map_err(failed)?;
    KeyPair::try_from(&PrivatePkcs8KeyDer::from(der.as_bytes())).map_err(failed)
}
