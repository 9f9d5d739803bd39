//! The certificate authority behind a mock.

use std::time::Duration;

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PublicKeyData, SerialNumber,
};
use ring::rand::{SecureRandom, SystemRandom};
use time::OffsetDateTime;

use super::key::encode;

/// A root, and an intermediate that signs.
pub(crate) struct Authority {
    root_pem: String,
    intermediate_pem: String,
    issuer: Issuer<'static, KeyPair>,
    key_identifier: Vec<u8>,
}

/// A certificate, just issued.
pub(crate) struct Issued {
    /// Its ID for renewal information (RFC 9773, section 4.1).
    pub(crate) id: String,
    pub(crate) der: Vec<u8>,
    /// Leaf and intermediate.
    pub(crate) chain_pem: String,
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
}

impl Authority {
    pub(crate) fn new() -> Result<Self, rcgen::Error> {
        let root_key = KeyPair::generate()?;
        let root_params = params("Rollover lab mock root");
        let root = root_params.self_signed(&root_key)?;
        let root_issuer = Issuer::new(root_params, root_key);
        let key = KeyPair::generate()?;
        let mut params = params("Rollover lab mock intermediate");
        params.use_authority_key_identifier_extension = true;
        let key_identifier = params.key_identifier(&key);
        let intermediate = params.signed_by(&key, &root_issuer)?;
        Ok(Self {
            root_pem: root.pem(),
            intermediate_pem: intermediate.pem(),
            issuer: Issuer::new(params, key),
            key_identifier,
        })
    }

    pub(crate) fn root_pem(&self) -> &str {
        &self.root_pem
    }

    /// Whether an ID for renewal information names this authority.
    pub(crate) fn issued(&self, key_identifier: &[u8]) -> bool {
        self.key_identifier == key_identifier
    }

    /// Issues for `names`, from `now` on.
    pub(crate) fn issue(
        &self,
        names: &[String],
        key: &impl PublicKeyData,
        now: Timestamp,
        lifetime: Duration,
    ) -> Result<Issued, rcgen::Error> {
        let (not_before, not_after) = validity(now, lifetime);
        let serial = serial();
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        params.not_before = date(not_before);
        params.not_after = date(not_after);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        let leaf: Certificate = params.signed_by(key, &self.issuer)?;
        Ok(Issued {
            id: format!("{}.{}", encode(&self.key_identifier), encode(serial)),
            der: leaf.der().to_vec(),
            chain_pem: format!("{}{}", leaf.pem(), self.intermediate_pem),
            not_before,
            not_after,
        })
    }
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// The last second counts (RFC 5280, section 4.1.2.5).
fn validity(now: Timestamp, lifetime: Duration) -> (Timestamp, Timestamp) {
    let begin = now.as_second();
    let seconds = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX);
    let end = begin.saturating_add(seconds).saturating_sub(1);
    let at = |second| Timestamp::from_second(second).unwrap_or(Timestamp::MAX);
    (at(begin), at(end))
}

fn date(at: Timestamp) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(at.as_second()).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// Twenty bytes at most, positive (RFC 5280, section 4.1.2.2): with the first
/// bits 01 it is neither negative nor padded.
fn serial() -> [u8; 16] {
    let mut bytes = [0; 16];
    // The system's source fails only where there is none.
    SystemRandom::new()
        .fill(&mut bytes)
        .expect("a Linux system has a source of random numbers");
    bytes[0] = bytes[0] & 0x3f | 0x40;
    bytes
}
