//! Plain data: what the rest of the runner speaks of. Nothing here reads a
//! clock, a file or a socket.

mod certificate;
mod fingerprint;
mod label;
mod name;
mod replica;
mod schedule;
mod target;

#[cfg(test)]
pub(crate) use certificate::tests;
pub(crate) use certificate::{Leaf, Named, Pair, PairError, Published};
pub(crate) use certificate::{PLACEHOLDER_ORGANISATION, leaf_of};
pub(crate) use fingerprint::Fingerprint;
pub(crate) use label::{LabelError, parse_target};
pub(crate) use name::{CertificateName, DomainName};
pub(crate) use replica::{Replica, Serving};
pub(crate) use schedule::{Schedule, ScheduleError, parse_duration};
pub(crate) use target::{CertificateSpec, Placement, Strategy, Target};
