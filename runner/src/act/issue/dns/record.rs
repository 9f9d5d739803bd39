//! A record that answers a challenge.

use super::message::Name;

/// What shows that a domain is ours.
#[derive(Clone, Debug)]
pub(crate) struct Proof {
    /// The domain, without a wildcard's `*.`.
    pub(crate) domain: String,
    pub(crate) token: String,
    pub(crate) key_authorization: String,
    /// What the record has to say: the digest of the key authorization.
    pub(crate) value: String,
}

/// The proof as a TXT record.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) proof: Proof,
    /// Where it belongs: `_acme-challenge` below the domain, or where an alias
    /// there leads to.
    pub(super) name: Name,
    pub(super) zone: Name,
}
