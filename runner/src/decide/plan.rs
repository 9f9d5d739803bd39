//! What was decided. A plan has no choice left in it, and says why.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

use super::memory::Attempted;
use crate::model::{
    CertificateName, DomainName, Fingerprint, LabelError, Leaf, PairError, Schedule, Target,
};

/// What brings a look about, as far as it matters to what is due.
#[derive(Debug)]
pub(crate) struct Occasion<'a> {
    /// When due renewals are looked for.
    pub(crate) schedule: &'a Schedule,
    /// Certificates that a person wants renewed now, due or not.
    pub(crate) forced: &'a [CertificateName],
}

/// All that is to be done now.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Plan {
    pub(crate) certificates: Vec<CertificateStep>,
    pub(crate) rollouts: Vec<RolloutStep>,
    pub(crate) problems: Vec<Problem>,
}

impl Plan {
    /// What is waited for, because it comes by itself.
    pub(crate) fn waiting(&self) -> Vec<String> {
        let waits = |step: &Step| *step == Step::Nothing(WhyNot::ReplicasStarting);
        let waiting = self.certificates.iter().filter(|c| waits(&c.step));
        waiting
            .map(|certificate| format!("certificate {}: {}", certificate.name, certificate.step))
            .collect()
    }

    /// The targets some of whose replicas do not serve what is published.
    pub(crate) fn unfinished(&self) -> Vec<&str> {
        let held = self.problems.iter().filter_map(|problem| match problem {
            Problem::RolloutHeld { target, .. } => Some(target.as_str()),
            _ => None,
        });
        let planned = self.rollouts.iter().map(|step| step.target.name.as_str());
        planned.chain(held).collect()
    }

    /// Whether a look soon would find more to do.
    pub(crate) fn under_way(&self) -> bool {
        self.certificates.iter().any(|certificate| {
            matches!(
                certificate.step,
                Step::PublishPlaceholder | Step::Nothing(WhyNot::ReplicasStarting)
            )
        })
    }
}

/// What is to be done about one certificate.
#[derive(Debug, Serialize)]
pub(crate) struct CertificateStep {
    pub(crate) name: CertificateName,
    pub(crate) domains: Vec<DomainName>,
    #[serde(flatten)]
    pub(crate) step: Step,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "step", content = "why")]
pub(crate) enum Step {
    /// Put a self-signed certificate there, so that a load balancer can start.
    PublishPlaceholder,
    /// Have the engine obtain it.
    Issue(WhyIssue),
    /// Leave it.
    Nothing(WhyNot),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WhyIssue {
    /// A person asked for it.
    Forced,
    /// Only a placeholder is published.
    Placeholder,
    /// The labels name other domains than the certificate.
    NamesChanged,
    /// The schedule says to ask the engine whether it is due.
    Scheduled,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WhyNot {
    /// The engine was asked since the schedule last came round.
    AskAt(Timestamp),
    /// An attempt failed not long ago.
    BackingOff(Timestamp),
    /// The answer to a challenge needs replicas, and they are on their way.
    ReplicasStarting,
    /// A problem stands in the way.
    Problem,
}

/// A target some of whose replicas serve something else than is published.
#[derive(Debug, Serialize)]
pub(crate) struct RolloutStep {
    pub(crate) target: Target,
    /// What every replica must serve in the end: all that the target serves,
    /// because a signal or a restart loads all of it.
    pub(crate) expected: Vec<Expected>,
    /// The replicas that do not: name and what they serve.
    pub(crate) stale: Vec<Stale>,
}

impl RolloutStep {
    /// By what an attempt at this is remembered.
    pub(crate) fn attempted(&self) -> Attempted {
        let expected = self.expected.iter();
        let fingerprints = expected.map(|expected| expected.leaf.fingerprint);
        Attempted::Rollout(self.target.id.clone(), fingerprints.collect())
    }
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Expected {
    pub(crate) certificate: CertificateName,
    pub(crate) leaf: Leaf,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Stale {
    pub(crate) certificate: CertificateName,
    pub(crate) task: String,
    pub(crate) replica: String,
    pub(crate) serves: Fingerprint,
}

/// Something that a person should know of.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Problem {
    #[error("{0}")]
    Label(LabelError),
    #[error("certificate {name}: published files are not used: {error}")]
    Broken {
        name: CertificateName,
        error: PairError,
    },
    #[error(
        "certificate {name}: the certificate root has {found}, but {replica} of {target} serves \
         {serves}; is the right volume mounted? Nothing is ordered or rolled out"
    )]
    RootLostIt {
        name: CertificateName,
        found: &'static str,
        target: String,
        replica: String,
        serves: Fingerprint,
    },
    #[error(
        "certificate {name}: {replica} of {target} serves a newer certificate than is published; \
         nothing is rolled out"
    )]
    ServesNewer {
        name: CertificateName,
        target: String,
        replica: String,
    },
    #[error("certificate {name}: {replica} of {target} cannot be seen: {why}")]
    Unreachable {
        name: CertificateName,
        target: String,
        replica: String,
        why: String,
    },
    #[error("certificate {name}: what is published expired at {at}")]
    Expired {
        name: CertificateName,
        at: Timestamp,
    },
    #[error(
        "certificate {name}: {replica} of {target} answers with another certificate ({serves}); \
         is it configured for this name?"
    )]
    ServesAnother {
        name: CertificateName,
        target: String,
        replica: String,
        serves: Fingerprint,
    },
    #[error("service {target}: the last rollout failed; it is tried again at {until}")]
    RolloutHeld { target: String, until: Timestamp },
    #[error("--force {name}: not renewed now: {step}")]
    NotForced { name: CertificateName, step: String },
    #[error(
        "--force {name}: no service asks for this certificate; known are: {}",
        if known.is_empty() { "none".to_owned() } else { known.join(", ") }
    )]
    UnknownForced { name: String, known: Vec<String> },
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PublishPlaceholder => {
                f.write_str("publish a placeholder, so that the load balancer can start")
            }
            Self::Issue(why) => match why {
                WhyIssue::Forced => f.write_str("renew: asked for by a person"),
                WhyIssue::Placeholder => f.write_str("obtain: only a placeholder is published"),
                WhyIssue::NamesChanged => f.write_str("obtain: the names have changed"),
                WhyIssue::Scheduled => f.write_str("ask the engine whether it is due"),
            },
            Self::Nothing(why) => match why {
                WhyNot::AskAt(at) => write!(f, "nothing until {at}"),
                WhyNot::BackingOff(until) => write!(f, "nothing until {until}: it failed before"),
                WhyNot::ReplicasStarting => {
                    f.write_str("wait: replicas are starting, and one must answer a challenge")
                }
                WhyNot::Problem => f.write_str("nothing: a problem stands in the way"),
            },
        }
    }
}
