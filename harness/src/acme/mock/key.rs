//! Public keys of accounts, as JSON Web Keys (RFC 7517, RFC 7518).

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use ring::{
    digest,
    signature::{self, RsaPublicKeyComponents, UnparsedPublicKey},
};
use serde_json::{Value, json};

use super::problem::{Problem, ProblemType};

/// Decodes base64url without padding (RFC 8555, section 6.1).
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(text).ok()
}

/// Encodes as base64url without padding.
pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// Algorithms that a JWS may be signed with. Pebble takes ES512 too, which ring
/// does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Rs256,
    Es256,
    Es384,
}

impl Algorithm {
    pub(crate) fn parse(name: &str) -> Result<Self, Problem> {
        match name {
            "RS256" => Ok(Self::Rs256),
            "ES256" => Ok(Self::Es256),
            "ES384" => Ok(Self::Es384),
            _ => Err(Problem::new(
                ProblemType::BadSignatureAlgorithm,
                format!("expected RS256, ES256 or ES384 as alg, found {name:?}"),
            )),
        }
    }
}

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PublicKey {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256 { x: Vec<u8>, y: Vec<u8> },
    P384 { x: Vec<u8>, y: Vec<u8> },
}

impl PublicKey {
    /// Reads the `jwk` of a protected header.
    pub(crate) fn from_jwk(jwk: &Value) -> Result<Self, Problem> {
        let text = |name: &str| jwk[name].as_str().unwrap_or_default();
        let bytes = |name: &str| {
            decode(text(name))
                .filter(|bytes| !bytes.is_empty())
                .ok_or_else(|| {
                    Problem::malformed(format!("expected {name} in the jwk as base64url"))
                })
        };
        match (text("kty"), text("crv")) {
            ("RSA", _) => Ok(Self::Rsa {
                n: bytes("n")?,
                e: bytes("e")?,
            }),
            ("EC", "P-256") => Ok(Self::P256 {
                x: bytes("x")?,
                y: bytes("y")?,
            }),
            ("EC", "P-384") => Ok(Self::P384 {
                x: bytes("x")?,
                y: bytes("y")?,
            }),
            (kty, crv) => Err(Problem::new(
                ProblemType::BadPublicKey,
                format!("expected an RSA, P-256 or P-384 key, found {kty:?} {crv:?}"),
            )),
        }
    }

    /// The key as the members that RFC 7638 takes a thumbprint of.
    pub(crate) fn jwk(&self) -> Value {
        match self {
            Self::Rsa { n, e } => json!({ "e": encode(e), "kty": "RSA", "n": encode(n) }),
            Self::P256 { x, y } => elliptic("P-256", x, y),
            Self::P384 { x, y } => elliptic("P-384", x, y),
        }
    }

    /// RFC 7638: what a key authorization ends with.
    pub(crate) fn thumbprint(&self) -> String {
        // The members stand in the order that section 3.3 asks for.
        let canonical = self.jwk().to_string();
        encode(digest::digest(&digest::SHA256, canonical.as_bytes()))
    }

    /// The content of a certificate's `subjectPublicKey` with this key.
    pub(crate) fn subject_public_key(&self) -> Vec<u8> {
        match self {
            Self::P256 { x, y } | Self::P384 { x, y } => [&[4], &x[..], &y[..]].concat(),
            Self::Rsa { n, e } => der(
                0x30,
                &[der(0x02, &unsigned(n)), der(0x02, &unsigned(e))].concat(),
            ),
        }
    }

    fn algorithm(&self) -> Algorithm {
        match self {
            Self::Rsa { .. } => Algorithm::Rs256,
            Self::P256 { .. } => Algorithm::Es256,
            Self::P384 { .. } => Algorithm::Es384,
        }
    }

    /// Whether `signature` over `message` was made by `algorithm` with this key.
    pub(crate) fn verify(
        &self,
        algorithm: Algorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), Problem> {
        if algorithm != self.algorithm() {
            return Err(Problem::new(
                ProblemType::BadSignatureAlgorithm,
                format!(
                    "expected {:?} for this key, found {algorithm:?}",
                    self.algorithm()
                ),
            ));
        }
        let verified = match self {
            Self::Rsa { n, e } => RsaPublicKeyComponents { n, e }.verify(
                &signature::RSA_PKCS1_2048_8192_SHA256,
                message,
                signature,
            ),
            Self::P256 { .. } => {
                self.elliptic(&signature::ECDSA_P256_SHA256_FIXED, message, signature)
            }
            Self::P384 { .. } => {
                self.elliptic(&signature::ECDSA_P384_SHA384_FIXED, message, signature)
            }
        };
        verified.map_err(|_| Problem::malformed("the signature does not fit key and content"))
    }

    fn elliptic(
        &self,
        algorithm: &'static dyn signature::VerificationAlgorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), ring::error::Unspecified> {
        UnparsedPublicKey::new(algorithm, self.subject_public_key()).verify(message, signature)
    }
}

fn elliptic(curve: &str, x: &[u8], y: &[u8]) -> Value {
    json!({ "crv": curve, "kty": "EC", "x": encode(x), "y": encode(y) })
}

/// One value of DER, of less than 64 KiB: keys are no longer.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(content.len())
        .unwrap_or(u16::MAX)
        .to_be_bytes();
    let length: &[u8] = match (high, low) {
        (0, 0..=127) => &[low],
        (0, _) => &[0x81, low],
        _ => &[0x82, high, low],
    };
    [&[tag], length, content].concat()
}

/// An INTEGER is signed: one with its first bit set takes a zero before it.
fn unsigned(bytes: &[u8]) -> Vec<u8> {
    if bytes.first().is_some_and(|first| first & 0x80 != 0) {
        [&[0], bytes].concat()
    } else {
        bytes.to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thumbprint_is_that_of_the_rfc() {
        // RFC 7638, section 3.1.
        let jwk = json!({
            "kty": "RSA",
            "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
            "e": "AQAB",
            "alg": "RS256",
            "kid": "2011-04-29",
        });
        let key = PublicKey::from_jwk(&jwk).unwrap();
        assert_eq!(
            key.thumbprint(),
            "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
        );
    }

    #[test]
    fn a_key_stands_in_a_certificate_as_rcgen_writes_it() {
        use rcgen::PublicKeyData;

        let pair = rcgen::KeyPair::generate().unwrap();
        let raw = pair.public_key_raw();
        let key = PublicKey::P256 {
            x: raw[1..33].to_vec(),
            y: raw[33..].to_vec(),
        };
        assert_eq!(key.subject_public_key(), pair.der_bytes());
    }

    #[test]
    fn lengths_of_der_take_the_shortest_form() {
        assert_eq!(der(2, &[1]), [2, 1, 1]);
        assert_eq!(der(4, &[0; 200])[..3], [4, 0x81, 200]);
        assert_eq!(der(4, &[0; 300])[..4], [4, 0x82, 1, 44]);
    }
}
