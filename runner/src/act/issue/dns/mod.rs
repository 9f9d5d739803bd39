//! The challenge dns-01 (RFC 8555, section 8.4): a TXT record in the zone of a
//! name, until the authority has seen it.
//!
//! `solver` is the way of a record: located, written, waited for, removed.
//! `resolver` finds where it belongs, `servers` sees who shows it; `rfc2136` and
//! `httpreq` are those who write it. `exchange` and `message` are DNS itself, as
//! far as it is needed here; its wire format is the crate domain's.

mod error;
mod exchange;
mod httpreq;
mod message;
mod record;
mod resolver;
mod rfc2136;
mod servers;
mod solver;

pub(crate) use error::{DnsError, DnsErrorClass};
pub(crate) use record::Proof;
pub(crate) use solver::{Solver, Written};
