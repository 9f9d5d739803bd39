//! Keys, and what is signed with them: right, or wrong in one way.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use rcgen::{CertificateParams, KeyPair};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use serde_json::{Value, json};

pub(crate) fn base64(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) struct Key {
    pair: EcdsaKeyPair,
    pub(crate) rcgen: KeyPair,
}

impl Key {
    pub(crate) fn new() -> Self {
        let rcgen = KeyPair::generate().unwrap();
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, rcgen.serialized_der(), &random).unwrap();
        Self { pair, rcgen }
    }

    pub(crate) fn jwk(&self) -> Value {
        let point = self.pair.public_key().as_ref();
        json!({ "crv": "P-256", "kty": "EC", "x": base64(&point[1..33]), "y": base64(&point[33..]) })
    }

    pub(crate) fn thumbprint(&self) -> String {
        let jwk = self.jwk();
        let text = |name: &str| jwk[name].as_str().unwrap().to_owned();
        // RFC 7638: members in this order, without blanks.
        let canonical = format!(
            r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#,
            text("x"),
            text("y")
        );
        base64(ring::digest::digest(
            &ring::digest::SHA256,
            canonical.as_bytes(),
        ))
    }

    /// A flattened JWS.
    pub(crate) fn sign(&self, protected: &Value, payload: &str) -> Value {
        let (protected, payload) = (base64(protected.to_string()), base64(payload));
        let signed = format!("{protected}.{payload}");
        let signature = self
            .pair
            .sign(&SystemRandom::new(), signed.as_bytes())
            .unwrap();
        json!({ "protected": protected, "payload": payload, "signature": base64(signature) })
    }

    /// A flattened JWS with a MAC, for an external account.
    pub(crate) fn bind(&self, protected: &Value, secret: &[u8]) -> Value {
        let (protected, payload) = (
            base64(protected.to_string()),
            base64(self.jwk().to_string()),
        );
        let signed = format!("{protected}.{payload}");
        let secret = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret);
        let mac = ring::hmac::sign(&secret, signed.as_bytes());
        json!({ "protected": protected, "payload": payload, "signature": base64(mac) })
    }

    pub(crate) fn csr(&self, names: &[&str]) -> Vec<u8> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .serialize_request(&self.rcgen)
            .unwrap()
            .der()
            .to_vec()
    }
}
