//! Why the challenge dns-01 was not answered.

use std::net::SocketAddr;

use domain::base::iana::Rcode;

use super::exchange::Unanswered;
use super::message::Name;
use crate::act::wait::TimedOut;
use crate::config::DnsSettingError;

/// What can be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DnsErrorClass {
    /// Who keeps the zone refused: until a person mends a setting, here or there.
    Refused,
    /// Somebody did not answer, or could not do it now; it may be soon.
    Unavailable,
    /// The record was written, and not every server of the zone shows it.
    NotSeen,
    /// It was the runner that failed: its settings, its files.
    Local,
}

/// A failure on the way to a record that the authority can see.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DnsError {
    #[error(transparent)]
    Setting(#[from] DnsSettingError),
    #[error("no DNS provider is set; see --dns-provider")]
    NoProvider,
    #[error(
        "find a resolver: {why}; see --dns-resolver, which takes the place of /etc/resolv.conf"
    )]
    NoResolver { why: String },
    #[error("{0:?} is no name that DNS could have")]
    Name(String),
    #[error("find {what} of {name}: {why}; see --dns-resolver")]
    Lookup {
        what: &'static str,
        name: Name,
        /// What each resolver did.
        why: String,
    },
    #[error(
        "find the zone of {name}: no name at or above it has a SOA record, says {resolver}; see \
         --dns-resolver and --rfc2136-zone"
    )]
    NoZone { name: Name, resolver: SocketAddr },
    #[error("find where {name} leads to: its aliases (CNAME) have no end")]
    EndlessAlias { name: Name },
    #[error("the zone {zone} (--rfc2136-zone) has no room for {name}, which is not below it")]
    OtherZone { zone: Name, name: Name },
    #[error("the zone {zone} has no servers (NS), says {resolver}")]
    NoServers { zone: Name, resolver: SocketAddr },
    #[error("rfc2136: reach {server} for the zone {zone}: {why}")]
    Nameserver {
        server: String,
        zone: Name,
        why: Unanswered,
    },
    #[error("rfc2136: {server} does not change {name} in the zone {zone}: {rcode}: {hint}")]
    Update {
        server: SocketAddr,
        zone: Name,
        name: Name,
        rcode: Rcode,
        hint: String,
    },
    #[error("rfc2136: what {server} says of {name} in the zone {zone} cannot be trusted: {why}")]
    Unsigned {
        server: SocketAddr,
        zone: Name,
        name: Name,
        why: String,
    },
    #[error("httpreq: {url} for {name}: no answer: {why}")]
    Hook {
        url: String,
        name: Name,
        why: String,
    },
    #[error(
        "httpreq: {url} for {name}: expected a status of 200 to 299, found {status}{said}{hint}"
    )]
    HookStatus {
        url: String,
        name: Name,
        status: u16,
        said: String,
        hint: &'static str,
    },
    #[error("{0} (--dns-timeout)")]
    NotSeen(#[from] TimedOut),
}

impl DnsError {
    pub(crate) fn class(&self) -> DnsErrorClass {
        match self {
            Self::Setting(_) | Self::NoProvider | Self::NoResolver { .. } | Self::Name(_) => {
                DnsErrorClass::Local
            }
            Self::Lookup { .. } | Self::Nameserver { .. } | Self::Hook { .. } => {
                DnsErrorClass::Unavailable
            }
            Self::NoZone { .. }
            | Self::EndlessAlias { .. }
            | Self::OtherZone { .. }
            | Self::NoServers { .. }
            | Self::Unsigned { .. } => DnsErrorClass::Refused,
            Self::Update { rcode, .. } => match *rcode {
                Rcode::SERVFAIL => DnsErrorClass::Unavailable,
                _ => DnsErrorClass::Refused,
            },
            // 408 and 429 are those of 4xx that pass.
            Self::HookStatus { status, .. } => match status {
                408 | 429 | 500.. => DnsErrorClass::Unavailable,
                _ => DnsErrorClass::Refused,
            },
            Self::NotSeen(_) => DnsErrorClass::NotSeen,
        }
    }
}
