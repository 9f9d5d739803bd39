//! How everything stands: for `rollover status`. What is seen is looked up; what
//! the daemon alone knows is asked of it, and said to be unknown if it does not
//! answer.

mod text;

pub(crate) use text::whole;

use jiff::Timestamp;
use serde::Serialize;

use crate::daemon::{Told, Work};
use crate::decide::lease::Lease;
use crate::decide::{
    Attempted, Because, Memory, Plan, Problem, Standing, standing, standings, target_in_step,
    waiting,
};
use crate::model::{CertificateName, DomainName, KeyKind, Published, Strategy};
use crate::observe::{Snapshot, TargetView};
use crate::state::StateError;

/// Everything at one moment.
#[derive(Debug, Serialize)]
pub(crate) struct Status {
    pub(crate) at: Timestamp,
    pub(crate) daemon: Daemon,
    pub(crate) lease: LeaseStatus,
    pub(crate) certificates: Vec<CertificateStatus>,
    pub(crate) targets: Vec<TargetStatus>,
    pub(crate) problems: Vec<String>,
    /// Every replica that is wanted serves what is published, as it should, and
    /// there is at least one.
    pub(crate) all_served: bool,
}

/// What the daemon of this container said of itself.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case", tag = "daemon")]
pub(crate) enum Daemon {
    Answered {
        since: Timestamp,
        looked_at: Option<Timestamp>,
        looks_again_at: Option<Timestamp>,
        /// Why it does nothing, while another runner acts.
        standby: Option<String>,
    },
    /// What it knows of retries, of the last engine run and of since when a
    /// replica is behind is then not known.
    Silent { why: String },
}

/// Who acts, of all runners in the swarm. A holder that has died is told as one
/// until another takes over.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case", tag = "lease")]
pub(crate) enum LeaseStatus {
    Held { holder: String, epoch: u64 },
    Free,
    Unknown { why: String },
}

/// One certificate.
#[derive(Debug, Serialize)]
pub(crate) struct CertificateStatus {
    pub(crate) name: CertificateName,
    pub(crate) domains: Vec<DomainName>,
    #[serde(flatten)]
    pub(crate) published: PublishedStatus,
    /// What happens next, and when.
    pub(crate) next: String,
    /// A newer version that no replica came to serve, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) held_back: Option<HeldBackStatus>,
    /// Why the last attempt to obtain it failed, if it did.
    pub(crate) last_error: Option<String>,
}

/// A version in whose place the one before is published.
#[derive(Debug, Serialize)]
pub(crate) struct HeldBackStatus {
    pub(crate) fingerprint: String,
    pub(crate) not_after: Timestamp,
    pub(crate) since: Timestamp,
    /// How often in a row no replica came to serve it.
    pub(crate) failures: usize,
    pub(crate) why: String,
    pub(crate) tried_again_at: Timestamp,
}

/// What is published.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case", tag = "published")]
pub(crate) enum PublishedStatus {
    Missing,
    Broken {
        why: String,
    },
    Pair {
        placeholder: bool,
        fingerprint: String,
        names: Vec<String>,
        key: KeyKind,
        not_before: Timestamp,
        not_after: Timestamp,
        /// How much of its life is left: from 1 down to 0.
        life_left: f64,
    },
}

/// One target.
#[derive(Debug, Serialize)]
pub(crate) struct TargetStatus {
    pub(crate) name: String,
    pub(crate) strategy: Strategy,
    pub(crate) window: Option<String>,
    pub(crate) rollout: RolloutStatus,
    pub(crate) replicas: Vec<ReplicaStatus>,
    pub(crate) public: Option<PublicStatus>,
}

/// How a target's rollout stands.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub(crate) enum RolloutStatus {
    InStep,
    /// The daemon is at it.
    RollingOut {
        since: Timestamp,
    },
    /// To be done at the daemon's next look.
    Due,
    /// It waits for the end of somebody else's update.
    AfterUpdate,
    /// It waits until one of the service's certificates is obtained.
    AfterOrder {
        certificate: CertificateName,
    },
    /// It waits for its window.
    Waiting {
        until: Timestamp,
        because: Because,
    },
    /// The last one failed.
    Failed {
        retried_at: Timestamp,
        why: String,
    },
    /// Not all is as it should be, and no rollout would mend it, or may.
    NoRollout {
        why: String,
    },
}

/// One replica and one certificate.
#[derive(Debug, Serialize)]
pub(crate) struct ReplicaStatus {
    pub(crate) replica: String,
    pub(crate) node: String,
    pub(crate) task: String,
    pub(crate) certificate: CertificateName,
    #[serde(flatten)]
    pub(crate) standing: Standing,
    /// When the daemon first saw it stale, in all its looks since.
    pub(crate) seen_stale_since: Option<Timestamp>,
}

/// What the public gets.
#[derive(Debug, Serialize)]
pub(crate) struct PublicStatus {
    pub(crate) address: String,
    pub(crate) certificates: Vec<PublicCertificate>,
}

#[derive(Debug, Serialize)]
pub(crate) struct PublicCertificate {
    pub(crate) certificate: CertificateName,
    #[serde(flatten)]
    pub(crate) standing: Standing,
}

/// What `status` is made from.
pub(crate) struct Facts<'a> {
    pub(crate) snapshot: &'a Snapshot,
    /// Decided with the daemon's memory, if it told it.
    pub(crate) plan: &'a Plan,
    /// What is remembered, by the daemon if it told it, and in the swarm.
    pub(crate) memory: &'a Memory,
    pub(crate) told: Result<&'a Told, String>,
    pub(crate) lease: LeaseStatus,
    pub(crate) now: Timestamp,
}

impl From<Result<Option<Lease>, StateError>> for LeaseStatus {
    fn from(read: Result<Option<Lease>, StateError>) -> Self {
        match read {
            Ok(Some(Lease {
                holder: Some(holder),
                epoch,
                ..
            })) => Self::Held { holder, epoch },
            Ok(_) => Self::Free,
            Err(error) => Self::Unknown {
                why: error.to_string(),
            },
        }
    }
}

impl Facts<'_> {
    /// All of it.
    pub(crate) fn status(&self) -> Status {
        let targets = self.snapshot.targets.iter();
        let in_step = |view| target_in_step(self.snapshot, view, self.now);
        Status {
            at: self.now,
            daemon: self.daemon(),
            lease: self.lease.clone(),
            certificates: self.certificates(),
            all_served: !self.snapshot.targets.is_empty() && targets.clone().all(in_step),
            targets: targets.map(|view| self.target(view)).collect(),
            problems: self.plan.problems.iter().map(ToString::to_string).collect(),
        }
    }

    fn daemon(&self) -> Daemon {
        match &self.told {
            Ok(told) => Daemon::Answered {
                since: told.since,
                looked_at: told.looked_at,
                looks_again_at: told.looks_again_at,
                standby: told.standby.clone(),
            },
            Err(why) => Daemon::Silent { why: why.clone() },
        }
    }

    fn certificates(&self) -> Vec<CertificateStatus> {
        let steps = self.plan.certificates.iter();
        steps
            .filter_map(|step| {
                let view = self.snapshot.certificates.get(&step.name)?;
                let memory = self.told.as_ref().ok().map(|told| &told.memory);
                let attempted = Attempted::Certificate(step.name.clone());
                let error = memory.and_then(|memory| memory.why(&attempted));
                Some(CertificateStatus {
                    name: step.name.clone(),
                    domains: step.domains.clone(),
                    published: self.published(&view.published),
                    next: self.next(&step.name, step.step.to_string()),
                    held_back: self.held_back(&step.name),
                    last_error: error.map(str::to_owned),
                })
            })
            .collect()
    }

    fn held_back(&self, name: &CertificateName) -> Option<HeldBackStatus> {
        let waiting = waiting(self.snapshot, name, self.memory, self.now)?;
        Some(HeldBackStatus {
            fingerprint: waiting.leaf.fingerprint.to_string(),
            not_after: waiting.leaf.not_after,
            since: waiting.since,
            failures: waiting.failures,
            why: waiting.why.to_owned(),
            tried_again_at: waiting.until,
        })
    }

    fn next(&self, name: &CertificateName, planned: String) -> String {
        let work = Work::Obtaining(name.clone());
        match &self.told {
            Ok(told) => match told.since_when(&work) {
                Some(since) => format!("being obtained since {}", text::whole(since)),
                None => planned,
            },
            // When the engine was asked last is the daemon's own knowledge.
            Err(_) => format!("{planned}, as far as is known without the daemon"),
        }
    }

    fn published(&self, published: &Published) -> PublishedStatus {
        match published {
            Published::Missing => PublishedStatus::Missing,
            Published::Broken(error) => PublishedStatus::Broken {
                why: error.to_string(),
            },
            Published::Pair(leaf) => PublishedStatus::Pair {
                placeholder: leaf.placeholder,
                fingerprint: leaf.fingerprint.to_string(),
                names: leaf.names.clone(),
                key: leaf.key,
                not_before: leaf.not_before,
                not_after: leaf.not_after,
                life_left: leaf.life_left(self.now),
            },
        }
    }

    fn target(&self, view: &TargetView) -> TargetStatus {
        let target = &view.target;
        TargetStatus {
            name: target.name.clone(),
            strategy: target.strategy.clone(),
            window: target.window.as_ref().map(ToString::to_string),
            rollout: self.rollout(view),
            replicas: self.replicas(view),
            public: self.public(view),
        }
    }

    fn rollout(&self, view: &TargetView) -> RolloutStatus {
        let name = &view.target.name;
        let work = Work::RollingOut(name.clone());
        let told = self.told.as_ref().ok();
        if let Some(since) = told.and_then(|told| told.since_when(&work)) {
            return RolloutStatus::RollingOut { since };
        }
        if self
            .plan
            .rollouts
            .iter()
            .any(|step| &step.target.name == name)
        {
            return RolloutStatus::Due;
        }
        if self.plan.deferred.iter().any(|it| &it.target == name) {
            return RolloutStatus::AfterUpdate;
        }
        let mut after_orders = self.plan.obtained_before.iter();
        if let Some(waits) = after_orders.find(|it| &it.target == name) {
            let certificate = waits.certificate.clone();
            return RolloutStatus::AfterOrder { certificate };
        }
        if let Some(held) = self.plan.held.iter().find(|held| &held.target == name) {
            let (until, because) = (held.until, held.because);
            return RolloutStatus::Waiting { until, because };
        }
        let failed = self.plan.problems.iter().find_map(|problem| match problem {
            Problem::RolloutHeld { target, until, why } if target == name => {
                Some(RolloutStatus::Failed {
                    retried_at: *until,
                    why: why.clone(),
                })
            }
            _ => None,
        });
        failed.unwrap_or_else(|| {
            if target_in_step(self.snapshot, view, self.now) {
                return RolloutStatus::InStep;
            }
            let why = self.without_rollout(view);
            RolloutStatus::NoRollout { why }
        })
    }

    /// Why nothing is rolled out, though not every replica is as it should be.
    fn without_rollout(&self, view: &TargetView) -> String {
        let (exist, wanted) = (view.replicas.len(), view.target.desired.unwrap_or(1).max(1));
        if (exist as u64) < wanted {
            return format!("{exist} of {wanted} replicas exist");
        }
        let mut standings = standings(self.snapshot, view, self.now).map(|(_, _, it)| it);
        if standings.any(|standing| matches!(standing, Standing::Stale { .. })) {
            return "a problem stands in the way".to_owned();
        }
        "no replica serves another version; see each".to_owned()
    }

    fn replicas(&self, view: &TargetView) -> Vec<ReplicaStatus> {
        let memory = self.told.as_ref().ok().map(|told| &told.memory);
        let looks = standings(self.snapshot, view, self.now);
        looks
            .map(|(view, name, standing)| ReplicaStatus {
                replica: view.replica.name(),
                node: view.replica.node.clone(),
                task: view.replica.task.clone(),
                certificate: name.clone(),
                seen_stale_since: memory.and_then(|memory| {
                    memory.behind_since(self.snapshot, &view.replica.task, name, &standing)
                }),
                standing,
            })
            .collect()
    }

    fn public(&self, view: &TargetView) -> Option<PublicStatus> {
        let public = view.public.as_ref()?;
        let looks = public.serving.iter();
        let certificates = looks.map(|(name, serving)| PublicCertificate {
            certificate: name.clone(),
            standing: standing(self.snapshot, name, Some(serving), self.now),
        });
        Some(PublicStatus {
            address: public.address.clone(),
            certificates: certificates.collect(),
        })
    }
}

#[cfg(test)]
mod tests;
