//! Watching replicas until each serves what is published. What a signal or an
//! update reports proves nothing; only this does.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use tokio::time::Instant;
use tracing::info;

use crate::clock::now;
use crate::decide::RolloutStep;
use crate::docker::Manager;
use crate::model::{CertificateName, Fingerprint, Serving};
use crate::observe::own::Own;
use crate::observe::swarm::SwarmError;
use crate::observe::{ReplicaView, replicas_of};

/// How long to wait between two looks at all replicas.
pub(super) const INTERVAL: Duration = Duration::from_millis(150);

/// The proof that every replica was seen to serve what was expected. Only
/// [`Watch::verified`] makes one.
#[derive(Debug, Serialize)]
pub(crate) struct Verified {
    pub(crate) expected: BTreeMap<CertificateName, Fingerprint>,
    pub(crate) replicas: Vec<ReplicaOutcome>,
    /// From the start of the rollout to the last replica's proof, in seconds.
    pub(crate) seconds: f64,
    /// When the last replica's proof was seen.
    pub(crate) at: Timestamp,
}

/// What one replica was seen to serve before and after.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ReplicaOutcome {
    pub(crate) certificate: CertificateName,
    pub(crate) replica: String,
    pub(crate) node: String,
    pub(crate) task: String,
    /// Absent when the task is new, or could not be seen before.
    pub(crate) before: Option<Fingerprint>,
    pub(crate) after: Fingerprint,
    /// From the start of the rollout to the first probe that saw it.
    pub(crate) seconds: f64,
}

/// A look at every replica, again and again.
pub(super) struct Watch<'a> {
    manager: &'a Manager,
    own: Option<&'a Own>,
    step: &'a RolloutStep,
    start: Instant,
    seen: BTreeMap<(CertificateName, String), ReplicaOutcome>,
}

impl<'a> Watch<'a> {
    pub(super) fn new(manager: &'a Manager, own: Option<&'a Own>, step: &'a RolloutStep) -> Self {
        Self {
            manager,
            own,
            step,
            start: Instant::now(),
            seen: BTreeMap::new(),
        }
    }

    /// One look. `Ok(Ok)`: every replica that swarm wants runs and serves what
    /// is expected. `Ok(Err)`: which do not, and what they do instead.
    pub(super) async fn look(&mut self) -> Result<Result<Verified, String>, SwarmError> {
        let replicas = replicas_of(self.manager, &self.step.target, self.own).await?;
        let mut still = Vec::new();
        for replica in &replicas {
            for expected in &self.step.expected {
                let name = &expected.certificate;
                if let Some(why) = self.note(replica, name, expected.leaf.fingerprint) {
                    still.push(why);
                }
            }
        }
        // At least one: no replica at all proves nothing.
        let wanted = self.step.target.desired.unwrap_or(1).max(1);
        if (replicas.len() as u64) < wanted {
            still.push(format!("{} of {wanted} replicas exist", replicas.len()));
        }
        if !still.is_empty() {
            return Ok(Err(still.join("; ")));
        }
        Ok(Ok(self.verified(&replicas)))
    }

    /// The replicas that do not run or cannot be seen, and why.
    pub(super) async fn down(&self) -> Result<Vec<String>, SwarmError> {
        let replicas = replicas_of(self.manager, &self.step.target, self.own).await?;
        let unseen = |view: &ReplicaView| {
            view.serving.values().find_map(|serving| match serving {
                Serving::Unreachable(why) => Some(format!("{}: {why}", view.replica.name())),
                Serving::Leaf(_) => None,
            })
        };
        let mut down: Vec<String> = replicas.iter().filter_map(unseen).collect();
        let wanted = self.step.target.desired.unwrap_or(0);
        if (replicas.len() as u64) < wanted {
            down.push(format!("{} of {wanted} replicas exist", replicas.len()));
        }
        Ok(down)
    }

    /// Notes what `replica` serves; `Some(why)` when it is not what is expected.
    fn note(
        &mut self,
        view: &ReplicaView,
        name: &CertificateName,
        expected: Fingerprint,
    ) -> Option<String> {
        let replica = &view.replica;
        match view.serving.get(name) {
            Some(Serving::Leaf(leaf)) if leaf.fingerprint == expected => {
                self.note_served(view, name, expected);
                None
            }
            Some(Serving::Leaf(leaf)) => Some(format!(
                "{} serves {} for {name}, not {}",
                replica.name(),
                leaf.fingerprint.short(),
                expected.short()
            )),
            Some(Serving::Unreachable(why)) => Some(format!("{}: {why}", replica.name())),
            None => Some(format!("{} was not looked at for {name}", replica.name())),
        }
    }

    fn note_served(&mut self, view: &ReplicaView, name: &CertificateName, after: Fingerprint) {
        let replica = &view.replica;
        let key = (name.clone(), replica.task.clone());
        if self.seen.contains_key(&key) {
            return;
        }
        let seconds = self.start.elapsed().as_secs_f64();
        let stale = |task: &str| {
            let mut stale = self.step.stale.iter();
            stale
                .find(|stale| stale.task == task && &stale.certificate == name)
                .map(|stale| stale.serves)
        };
        let before = stale(&replica.task);
        info!(
            service = self.step.target.name,
            "{} serves {} for {name} after {seconds:.1} s",
            replica.name(),
            after.short()
        );
        self.seen.insert(
            key,
            ReplicaOutcome {
                certificate: name.clone(),
                replica: replica.name(),
                node: replica.node.clone(),
                task: replica.task.clone(),
                before,
                after,
                seconds,
            },
        );
    }

    fn verified(&self, replicas: &[ReplicaView]) -> Verified {
        let lives = |task: &str| replicas.iter().any(|view| view.replica.task == task);
        let outcomes: Vec<ReplicaOutcome> = self
            .seen
            .values()
            .filter(|outcome| lives(&outcome.task))
            .cloned()
            .collect();
        Verified {
            expected: self
                .step
                .expected
                .iter()
                .map(|expected| (expected.certificate.clone(), expected.leaf.fingerprint))
                .collect(),
            seconds: outcomes
                .iter()
                .map(|outcome| outcome.seconds)
                .fold(0.0, f64::max),
            replicas: outcomes,
            at: now(),
        }
    }
}
