//! A swarm service whose replicas serve certificates.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::{CertificateName, DomainName};

/// A service that carries the label `rollover.enable=true`, its labels parsed.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Target {
    /// Swarm's ID of the service.
    pub(crate) id: String,
    /// Its name, as people know it.
    pub(crate) name: String,
    /// The certificates that it serves.
    pub(crate) certificates: Vec<CertificateSpec>,
    /// How a new certificate reaches its replicas.
    pub(crate) strategy: Strategy,
    /// The TCP port on which each replica is probed.
    pub(crate) port: u16,
    /// How many replicas swarm is asked for; `None` for a global service.
    pub(crate) desired: Option<u64>,
    /// When the service was last changed.
    pub(crate) updated_at: Timestamp,
    /// Where its tasks may run.
    pub(crate) placement: Placement,
    /// The stack that it belongs to.
    pub(crate) stack: Option<String>,
}

/// A certificate that a target wants.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
pub(crate) struct CertificateSpec {
    pub(crate) name: CertificateName,
    /// Its names; the first names the certificate.
    pub(crate) domains: Vec<DomainName>,
    /// Where the replica sees the chain; the key stands beside it.
    pub(crate) path: PathBuf,
}

/// How a published certificate reaches the replicas.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub(crate) enum Strategy {
    /// A signal to PID 1 of every replica, by a global job.
    Signal {
        /// Such as `HUP`.
        signal: String,
        /// Run in each replica before; no signal when it fails. Empty: none.
        test: Vec<String>,
    },
    /// A forced update of the service, watched to its end.
    Restart {
        /// How many replicas at a time.
        parallelism: u64,
        /// How long to wait between them.
        delay: Duration,
    },
}

/// Where swarm may put the tasks of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Placement {
    pub(crate) constraints: Vec<String>,
}
