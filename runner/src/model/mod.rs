//! Plain data: what the rest of the runner speaks of. Nothing here reads a
//! clock, a file or a socket.

mod certificate;
mod chain;
mod challenge;
mod digest;
mod fingerprint;
mod key_algorithm;
mod label;
mod name;
mod probe;
mod replica;
mod schedule;
mod secret;
mod target;
mod text;
mod update;
mod window;

#[cfg(test)]
pub(crate) use certificate::tests;
pub(crate) use certificate::{Leaf, Named, Pair, PairError, Published};
pub(crate) use certificate::{PLACEHOLDER_ORGANISATION, leaf_of};
#[cfg(test)]
pub(crate) use chain::tests::signed_chain;
pub(crate) use chain::{Chain, ChainFlaw, KeyKind};
pub(crate) use challenge::Challenge;
pub(crate) use digest::Digest;
pub(crate) use fingerprint::Fingerprint;
pub(crate) use key_algorithm::KeyAlgorithm;
pub(crate) use label::{CHALLENGE as CHALLENGE_LABEL, LabelError, parse_target};
pub(crate) use name::{CertificateName, DomainName};
pub(crate) use probe::{ProbePort, PublicAddress};
pub(crate) use replica::{NoJobs, Reach, Replica, Serving};
pub(crate) use schedule::{Schedule, ScheduleError, parse_duration};
#[cfg(test)]
pub(crate) use secret::tests as secret_tests;
pub(crate) use secret::{CERTIFICATE_LABEL, OwnSecret, Part, SecretReference, Version, mounted};
pub(crate) use target::{
    CertificateSpec, Ordering, Pace, Placement, Platform, Strategy, Target, Tell,
};
pub(crate) use text::from_text;
pub(crate) use update::{Update, UpdateState, asked};
pub(crate) use window::Window;
