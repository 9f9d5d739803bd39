//! All that a mock knows: nonces, accounts, orders and what belongs to them.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    time::Duration,
};

use jiff::Timestamp;
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::{Value, json};

use super::{
    authority::Authority,
    key::{PublicKey, encode},
    problem::Problem,
    settings::Settings,
};

/// How long an order and its authorizations may be used.
pub(crate) const ORDER_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// A state of an order, an authorization or a challenge (RFC 8555, section 7.1.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Pending,
    Ready,
    Processing,
    Valid,
    Invalid,
    Deactivated,
}

impl Status {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Ready => "ready",
            Self::Processing => "processing",
            Self::Valid => "valid",
            Self::Invalid => "invalid",
            Self::Deactivated => "deactivated",
        }
    }
}

#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) key: PublicKey,
    pub(crate) contact: Vec<String>,
    pub(crate) active: bool,
    pub(crate) external: Option<Value>,
}

#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) account: String,
    pub(crate) status: Status,
    /// Lowercase, sorted, each once.
    pub(crate) names: Vec<String>,
    pub(crate) authorizations: Vec<String>,
    pub(crate) profile: String,
    pub(crate) expires: Timestamp,
    pub(crate) error: Option<Problem>,
    pub(crate) certificate: Option<String>,
    /// The ID of the certificate that it replaces (RFC 9773, section 5).
    pub(crate) replaces: Option<String>,
    pub(crate) csr: Option<Csr>,
    /// Looks since it was finalized.
    pub(crate) looks: u32,
}

#[derive(Debug)]
pub(crate) struct Csr {
    pub(crate) key: rcgen::PublicKey,
}

#[derive(Debug)]
pub(crate) struct Authorization {
    pub(crate) order: String,
    pub(crate) account: String,
    pub(crate) name: String,
    pub(crate) status: Status,
    pub(crate) challenges: Vec<String>,
}

#[derive(Debug)]
pub(crate) struct Challenge {
    pub(crate) authorization: String,
    pub(crate) kind: &'static str,
    pub(crate) token: String,
    pub(crate) status: Status,
    pub(crate) validated: Option<Timestamp>,
    pub(crate) error: Option<Problem>,
    /// What was found out, and is told at the next look.
    pub(crate) verdict: Option<Result<(), Problem>>,
}

#[derive(Debug)]
pub(crate) struct Certificate {
    pub(crate) account: String,
    pub(crate) names: Vec<String>,
    pub(crate) der: Vec<u8>,
    pub(crate) chain_pem: String,
    pub(crate) subject_public_key: Vec<u8>,
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
    pub(crate) revoked: bool,
    /// Another order has it replaced.
    pub(crate) replaced: bool,
}

/// What a mock knows. Restarted, it knows nothing of this.
pub(crate) struct World {
    pub(crate) settings: Settings,
    pub(crate) authority: Authority,
    pub(crate) nonces: BTreeSet<String>,
    pub(crate) accounts: BTreeMap<String, Account>,
    pub(crate) orders: BTreeMap<String, Order>,
    pub(crate) authorizations: BTreeMap<String, Authorization>,
    pub(crate) challenges: BTreeMap<String, Challenge>,
    /// By their ID for renewal information (RFC 9773, section 4.1).
    pub(crate) certificates: BTreeMap<String, Certificate>,
    /// Where names lead, for validation.
    pub(crate) addresses: BTreeMap<String, Vec<Ipv4Addr>>,
}

impl World {
    pub(crate) fn new(settings: Settings) -> Result<Self, rcgen::Error> {
        Ok(Self {
            settings,
            authority: Authority::new()?,
            nonces: BTreeSet::new(),
            accounts: BTreeMap::new(),
            orders: BTreeMap::new(),
            authorizations: BTreeMap::new(),
            challenges: BTreeMap::new(),
            certificates: BTreeMap::new(),
            addresses: BTreeMap::new(),
        })
    }

    /// A nonce that is good for one request.
    pub(crate) fn issue_nonce(&mut self) -> String {
        let nonce = random::<16>();
        self.nonces.insert(nonce.clone());
        nonce
    }

    /// The account with this key.
    pub(crate) fn account_of_key(&self, key: &PublicKey) -> Option<(&String, &Account)> {
        self.accounts
            .iter()
            .find(|(_, account)| account.key == *key)
    }
}

/// So many random bytes, as base64url.
pub(crate) fn random<const BYTES: usize>() -> String {
    let mut bytes = [0; BYTES];
    // The system's source fails only where there is none.
    SystemRandom::new()
        .fill(&mut bytes)
        .expect("a Linux system has a source of random numbers");
    encode(bytes)
}

pub(crate) fn identifiers(names: &[String]) -> Value {
    let identifier = |name: &String| json!({ "type": "dns", "value": name });
    names.iter().map(identifier).collect()
}
