//! Requests as signed JSON (RFC 7515, flattened; RFC 8555, section 6.2).

use serde_json::Value;

use super::{
    key::{Algorithm, PublicKey, decode},
    problem::Problem,
};

/// Who says to have signed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Signer {
    /// A key that the request brings with it.
    Key(PublicKey),
    /// The URL of an account.
    Account(String),
}

/// A request that has been read, and of which nothing is proved yet.
#[derive(Debug)]
pub(crate) struct Jws {
    pub(crate) signer: Signer,
    pub(crate) url: Option<String>,
    pub(crate) nonce: Option<String>,
    pub(crate) payload: Vec<u8>,
    algorithm: Algorithm,
    signed: String,
    signature: Vec<u8>,
}

impl Jws {
    /// Reads a body.
    ///
    /// # Errors
    /// Those of RFC 8555, section 6.2: members that must not be there, an
    /// algorithm that is not taken, both or none of `jwk` and `kid`.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Problem> {
        let outer: Value = serde_json::from_slice(body)
            .map_err(|error| Problem::malformed(format!("the body is no JSON: {error}")))?;
        for forbidden in ["header", "signatures"] {
            if !outer[forbidden].is_null() {
                let detail = format!("a JWS must have no member {forbidden:?} here");
                return Err(Problem::malformed(detail));
            }
        }
        let part = |name: &str| {
            let text = outer[name].as_str();
            text.ok_or_else(|| Problem::malformed(format!("the JWS has no {name}")))
        };
        let (protected, payload) = (part("protected")?, part("payload")?);
        let header = header(protected)?;
        let algorithm = Algorithm::parse(header["alg"].as_str().unwrap_or_default())?;
        Ok(Self {
            signer: signer(&header)?,
            url: text(&header["url"]),
            nonce: text(&header["nonce"]),
            payload: base64(payload, "the payload")?,
            algorithm,
            signed: format!("{protected}.{payload}"),
            signature: base64(part("signature")?, "the signature")?,
        })
    }

    /// Whether it was signed with `key`.
    pub(crate) fn verify(&self, key: &PublicKey) -> Result<(), Problem> {
        key.verify(self.algorithm, self.signed.as_bytes(), &self.signature)
    }
}

fn header(protected: &str) -> Result<Value, Problem> {
    let bytes = base64(protected, "the protected header")?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Problem::malformed(format!("the protected header is no JSON: {error}")))
}

fn signer(header: &Value) -> Result<Signer, Problem> {
    match (&header["jwk"], header["kid"].as_str()) {
        (Value::Null, Some(kid)) => Ok(Signer::Account(kid.to_owned())),
        (Value::Null, None) => Err(Problem::malformed("the JWS has neither jwk nor kid")),
        (jwk, None) => Ok(Signer::Key(PublicKey::from_jwk(jwk)?)),
        (_, Some(_)) => Err(Problem::malformed("jwk and kid exclude each other")),
    }
}

fn text(value: &Value) -> Option<String> {
    value
        .as_str()
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}

fn base64(text: &str, what: &str) -> Result<Vec<u8>, Problem> {
    decode(text)
        .ok_or_else(|| Problem::malformed(format!("{what} is not base64url without padding")))
}

#[cfg(test)]
mod tests {
    use ring::{
        rand::SystemRandom,
        signature::{
            ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
            EcdsaSigningAlgorithm, KeyPair,
        },
    };
    use serde_json::json;

    use super::*;
    use crate::acme::mock::{ProblemType, key::encode};

    fn signed(algorithm: &'static EcdsaSigningAlgorithm, alg: &str, curve: &str) -> Value {
        let random = SystemRandom::new();
        let der = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, der.as_ref(), &random).unwrap();
        let (x, y) = pair.public_key().as_ref()[1..].split_at(pair.public_key().as_ref().len() / 2);
        let jwk = json!({ "kty": "EC", "crv": curve, "x": encode(x), "y": encode(y) });
        let protected =
            encode(json!({ "alg": alg, "jwk": jwk, "url": "u", "nonce": "n" }).to_string());
        let payload = encode("{}");
        let signature = pair
            .sign(&random, format!("{protected}.{payload}").as_bytes())
            .unwrap();
        json!({ "protected": protected, "payload": payload, "signature": encode(signature) })
    }

    fn verified(jws: &Value) -> Result<(), ProblemType> {
        let jws = Jws::parse(jws.to_string().as_bytes()).map_err(|problem| problem.kind)?;
        let Signer::Key(key) = &jws.signer else {
            unreachable!("it was signed by a key");
        };
        jws.verify(key).map_err(|problem| problem.kind)
    }

    #[test]
    fn both_curves_are_verified() {
        let p256 = signed(&ECDSA_P256_SHA256_FIXED_SIGNING, "ES256", "P-256");
        let p384 = signed(&ECDSA_P384_SHA384_FIXED_SIGNING, "ES384", "P-384");
        for mut jws in [p256, p384] {
            assert_eq!(verified(&jws), Ok(()));
            jws["payload"] = encode("[]").into();
            assert_eq!(verified(&jws), Err(ProblemType::Malformed));
        }
        let other = signed(&ECDSA_P384_SHA384_FIXED_SIGNING, "ES256", "P-384");
        assert_eq!(verified(&other), Err(ProblemType::BadSignatureAlgorithm));
        let none = signed(&ECDSA_P256_SHA256_FIXED_SIGNING, "none", "P-256");
        assert_eq!(verified(&none), Err(ProblemType::BadSignatureAlgorithm));
    }
}
