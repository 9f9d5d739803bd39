//! Looking at the world: the swarm, the files, and what every replica serves,
//! gathered into one immutable [`Snapshot`]. Nothing here changes anything.

pub(crate) mod changes;
mod facts;
pub(crate) mod files;
mod names;
pub(crate) mod own;
pub(crate) mod probe;
mod reach;
pub(crate) mod secrets;
mod snapshot;
pub(crate) mod swarm;
pub(crate) mod tasks;

pub(crate) use facts::{Candidate, candidates, merged_health_check};
pub(crate) use names::{Who, ask_by_other_names};
#[cfg(test)]
pub(crate) use snapshot::PublicView;
pub(crate) use snapshot::{
    Archived, CertificateView, Kinds, ReplicaView, Snapshot, TargetView, observe, replicas_of,
    view_of,
};
