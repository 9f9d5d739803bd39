//! A swarm service whose replicas serve certificates.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    CertificateName, Challenge, Digest, DomainName, KeyAlgorithm, ProbePort, PublicAddress,
    SecretReference, Update, Window,
};

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
    /// The others that its labels would give, for who forces a rollout.
    #[serde(skip)]
    pub(crate) other_strategies: Vec<Strategy>,
    /// How each replica is probed.
    pub(crate) probe: ProbePort,
    /// Where the public reaches it, if that is to be probed too.
    pub(crate) public: Option<PublicAddress>,
    /// When its replicas may be touched; `None`: at any time.
    pub(crate) window: Option<Window>,
    /// How many replicas swarm is asked for; `None` for a global service.
    pub(crate) desired: Option<u64>,
    /// When the service was last changed.
    pub(crate) updated_at: Timestamp,
    /// Where its tasks may run.
    pub(crate) placement: Placement,
    /// The stack that it belongs to.
    pub(crate) stack: Option<String>,
    /// The secrets that its specification names, whoever made them.
    pub(crate) secrets: Vec<SecretReference>,
    /// Its specification as it was seen, by a digest: what was decided of it holds as
    /// long as it is the same.
    #[serde(skip)]
    pub(crate) specification: u64,
    /// What people ask of it, as it was seen.
    #[serde(skip)]
    pub(crate) asked: Digest,
    /// How its last update stands.
    pub(crate) update: Update,
}

impl Target {
    /// Whether a server can be asked for any of its certificates by more than one name.
    pub(crate) fn has_other_names(&self) -> bool {
        let mut certificates = self.certificates.iter();
        certificates.any(|it| it.other_names().next().is_some())
    }
}

/// A certificate that a target wants.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
pub(crate) struct CertificateSpec {
    pub(crate) name: CertificateName,
    /// Its names; the first names the certificate, and the kind of its key too if
    /// it is the second of a dual pair.
    pub(crate) domains: Vec<DomainName>,
    /// Where the replica sees the chain; the key stands beside it.
    pub(crate) path: PathBuf,
    /// What it is ordered with besides the names.
    pub(crate) ordering: Ordering,
}

impl CertificateSpec {
    /// By what a server is asked for it: the first name that is one, for an address
    /// cannot be asked for (RFC 6066, section 3), and a server that is asked for
    /// nothing shows whatever is its default.
    pub(crate) fn asked_by(&self) -> Option<&DomainName> {
        let mut domains = self.domains.iter();
        domains
            .find(|domain| domain.ip().is_none())
            .or(self.domains.first())
    }

    /// The further names that a server can be asked by.
    pub(crate) fn other_names(&self) -> impl Iterator<Item = &DomainName> {
        let first = self.asked_by();
        let names = self.domains.iter().filter(|domain| domain.ip().is_none());
        names.filter(move |domain| Some(*domain) != first)
    }
}

/// How a certificate is ordered.
#[derive(Clone, Debug, Default, Serialize, PartialEq, Eq)]
pub(crate) struct Ordering {
    /// What its key is.
    pub(crate) key: KeyAlgorithm,
    /// A profile that the authority knows; its own choice without.
    pub(crate) profile: Option<String>,
    /// By what the authority is shown that the names are ours.
    pub(crate) challenge: Challenge,
}

/// How a published certificate reaches the replicas.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub(crate) enum Strategy {
    /// Every replica is told to load its certificates anew, by a global job.
    Signal {
        /// How it is told.
        tell: Tell,
        /// Run in each replica before; it is not told when this fails. Empty:
        /// none.
        test: Vec<String>,
    },
    /// A forced update of the service, watched to its end.
    Restart(Pace),
    /// An update that swaps swarm secrets on the service, watched to its end.
    Secret(Pace),
}

impl Strategy {
    /// Its name, as the label has it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Signal { .. } => "signal",
            Self::Restart(_) => "restart",
            Self::Secret(_) => "secret",
        }
    }
}

/// How fast an update replaces replicas.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Pace {
    /// How many replicas at a time.
    pub(crate) parallelism: u64,
    /// How long to wait between them.
    pub(crate) delay: Duration,
}

/// What makes a running server load its certificates anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Tell {
    /// A signal to PID 1, such as `HUP`.
    Signal(String),
    /// A command that is run in the replica.
    Exec(Vec<String>),
}

/// As something that was done.
impl fmt::Display for Tell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signal(signal) => write!(f, "sent {signal}"),
            Self::Exec(command) => write!(f, "ran {}", command.join(" ")),
        }
    }
}

/// Where swarm may put the tasks of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Placement {
    pub(crate) constraints: Vec<String>,
    /// Those that its image is for, as whoever created it has asked the registry;
    /// empty for any.
    pub(crate) platforms: Vec<Platform>,
}

/// What a node's processor and system are, in swarm's words; empty for any.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Platform {
    pub(crate) architecture: String,
    pub(crate) os: String,
}
