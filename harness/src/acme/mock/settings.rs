//! How a mock behaves where no script says otherwise.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;

use super::problem::ProblemType;

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What becomes of a challenge that the client says it has answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Validation {
    /// Nobody looks: it is valid.
    Always,
    /// The file of http-01 is fetched at this port of the name's addresses
    /// (see [`Mock::set_addresses`](super::Mock::set_addresses)), without
    /// following redirects. No other challenge is offered, but for wildcards,
    /// which have dns-01 only; that one fails.
    Fetch {
        /// The port; it is 80 outside tests.
        port: u16,
    },
    /// Nobody looks: it is invalid, for this reason.
    Fails(ProblemType),
    /// It is looked at for ever.
    Never,
}

/// What becomes of an order that was finalized.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Issuance {
    /// It is `processing` in the answer to this many further looks, then valid.
    AfterLooks(u32),
    /// It is invalid at the next look, for this reason.
    Fails(ProblemType),
    /// It stays `processing`: a stuck order.
    Never,
}

/// What `renewalInfo` suggests (RFC 9773).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Window {
    /// Two days around two thirds of the life, as Pebble's; at once for a
    /// certificate that is revoked.
    Usual,
    /// A window that is over: renew now.
    Past,
    /// From the first to the second, which may well be wrong.
    Between(Timestamp, Timestamp),
    /// This as the answer's body, whatever it is.
    Raw(String),
    /// Nothing: the directory names no `renewalInfo`.
    NotOffered,
}

/// A profile that the directory names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Words for people.
    pub description: String,
    /// How long its certificates are valid.
    pub lifetime: Duration,
}

/// How a mock behaves where no script says otherwise; may be changed at any time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// What becomes of challenges.
    pub validation: Validation,
    /// What becomes of finalized orders.
    pub issuance: Issuance,
    /// What `renewalInfo` suggests.
    pub window: Window,
    /// After how long to ask `renewalInfo` again; none leaves `Retry-After` out,
    /// which RFC 9773 does not allow.
    pub window_retry_after: Option<Duration>,
    /// After how long to look again at what is not decided; none leaves
    /// `Retry-After` out.
    pub retry_after: Option<Duration>,
    /// Certificates by profile. An order that names none gets the first.
    pub profiles: BTreeMap<String, Profile>,
    /// Keys of external accounts (HMAC-SHA256) by their identifier.
    pub external_accounts: BTreeMap<String, Vec<u8>>,
    /// Whether a new account must be bound to an external one.
    pub external_account_required: bool,
    /// Names that no certificate is issued for.
    pub forbidden: Vec<String>,
}

impl Default for Settings {
    /// As the lab's Pebble, but that nobody looks at challenges.
    fn default() -> Self {
        let profile = |description: &str, lifetime| Profile {
            description: description.to_owned(),
            lifetime,
        };
        Self {
            validation: Validation::Always,
            issuance: Issuance::AfterLooks(0),
            window: Window::Usual,
            window_retry_after: Some(6 * HOUR),
            retry_after: Some(Duration::from_secs(1)),
            profiles: BTreeMap::from([
                (
                    "default".to_owned(),
                    profile("as Let's Encrypt's classic", 90 * DAY),
                ),
                ("shortlived".to_owned(), profile("160 hours", 160 * HOUR)),
            ]),
            external_accounts: BTreeMap::new(),
            external_account_required: false,
            forbidden: Vec::new(),
        }
    }
}
