//! Looking at the world: the swarm, the files, and what every replica serves,
//! gathered into one immutable [`Snapshot`]. Nothing here changes anything.

pub(crate) mod files;
pub(crate) mod own;
pub(crate) mod probe;
mod snapshot;
pub(crate) mod swarm;

pub(crate) use snapshot::{
    CertificateView, ReplicaView, Snapshot, TargetView, observe, replicas_of,
};
