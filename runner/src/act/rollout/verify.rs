//! Watching replicas until each serves what is published. What a signal or an
//! update reports proves nothing; only this does.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use serde::Serialize;
use tokio::time::{Instant, sleep_until};
use tracing::info;

use crate::clock::now;
use crate::decide::{Expected, RolloutStep};
use crate::docker::Manager;
use crate::model::{CertificateName, Fingerprint, Serving, Strategy};
use crate::observe::own::Own;
use crate::observe::swarm::SwarmError;
use crate::observe::{Kinds, ReplicaView, replicas_of, swarm, view_of};
use crate::progress::{Heard, Lines, Progress, Shown};

/// How long to wait between two looks at all replicas.
pub(super) const INTERVAL: Duration = Duration::from_millis(150);

/// How often those are asked that wait for the replica that goes first: they have not
/// been told of anything.
const WAITING: Duration = Duration::from_secs(1);

/// How long a server that was told to reload may still answer by what it had
/// loaded before, although it was seen to have the new one: nginx tells its old
/// workers to stop 100 ms after the new ones have begun.
const TO_SETTLE: Duration = Duration::from_millis(250);

/// The proof that every replica was seen to serve what was expected. Only
/// [`Watch::verified`] makes one.
#[derive(Debug, Serialize)]
pub(crate) struct Verified {
    pub(crate) expected: BTreeMap<CertificateName, Fingerprint>,
    pub(crate) replicas: Vec<ReplicaOutcome>,
    /// How many replicas no job reaches, which were neither told nor waited for.
    pub(crate) left_out: usize,
    /// How many answer with some other certificate in the place of one, and were not
    /// waited for.
    #[serde(skip_serializing_if = "is_none")]
    pub(crate) not_mended: usize,
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
    /// Which of its certificates a server is to show that has several.
    kinds: Kinds,
    start: Instant,
    seen: BTreeMap<(CertificateName, String), ReplicaOutcome>,
    /// When all that were not proved yet were asked last, and what each task answered.
    asked: Option<(Instant, BTreeMap<String, Looks>)>,
    lines: Lines,
}

/// What one replica serves, by certificate.
type Looks = BTreeMap<CertificateName, Serving>;

impl<'a> Watch<'a> {
    pub(super) fn new(
        manager: &'a Manager,
        own: Option<&'a Own>,
        step: &'a RolloutStep,
        progress: &Progress,
    ) -> Self {
        Self {
            manager,
            own,
            step,
            kinds: step
                .expected
                .iter()
                .map(|expected| (expected.certificate.clone(), expected.leaf.key))
                .collect(),
            start: Instant::now(),
            seen: BTreeMap::new(),
            asked: None,
            lines: progress.rollout(&step.target.name),
        }
    }

    /// Whether somebody is looking on.
    pub(super) fn is_seen(&self) -> bool {
        self.lines.are_seen()
    }

    /// Where to tell what agents say.
    pub(super) fn heard(&self) -> Heard {
        self.lines.heard()
    }

    /// One look. `Ok(Ok)`: every replica that swarm wants runs and serves what
    /// is expected. `Ok(Err)`: what each of them does instead.
    ///
    /// A replica that was proved is not asked again before all are: then once more
    /// with all others, so that the proof is of one moment; a moment later, in which
    /// old workers that still answered have had the time to stop. Those that wait for
    /// the replica that goes first are asked now and then.
    pub(super) async fn look(&mut self) -> Result<Result<Verified, String>, SwarmError> {
        let unproved = self.unproved().await?;
        self.note_all_served(&unproved);
        let shown = unproved
            .iter()
            .map(|view| shown(view, self.step, &self.seen));
        self.lines.show(shown);
        if let Some(account) = account(&unproved, self.step) {
            return Ok(Err(account));
        }
        let last_proof = Duration::from_secs_f64(seconds_to_last(self.seen.values()));
        sleep_until(self.start + last_proof + TO_SETTLE).await;
        let replicas = self.replicas().await?;
        self.note_all_served(&replicas);
        Ok(match account(&replicas, self.step) {
            None => Ok(self.verified(&replicas)),
            Some(account) => Err(account),
        })
    }

    fn note_all_served(&mut self, replicas: &[ReplicaView]) {
        for replica in replicas {
            for expected in &self.step.expected {
                if found(replica, expected).is_ok() {
                    self.note_served(replica, expected);
                }
            }
        }
    }

    /// The replicas, of which those that are proved are not asked again, and those that
    /// wait for their turn not yet.
    async fn unproved(&mut self) -> Result<Vec<ReplicaView>, SwarmError> {
        let step = self.step;
        let replicas = swarm::replicas(self.manager, &step.target.id, self.own).await?;
        let begun = Instant::now();
        let asked = self.asked.take();
        let asked = asked.filter(|(at, _)| begun.duration_since(*at) < WAITING);
        let answered = |task: &str| asked.as_ref()?.1.get(task).cloned();
        let views = replicas.into_iter().map(async |replica| {
            let task = &replica.task;
            let known = if !replica.running {
                None
            } else if self.is_proved(task) {
                let leaf = |it: &Expected| (it.certificate.clone(), Serving::Leaf(it.leaf.clone()));
                Some(step.expected.iter().map(leaf).collect())
            } else if self.waits(task) {
                answered(task)
            } else {
                None
            };
            match known {
                Some(serving) => ReplicaView { replica, serving },
                None => view_of(replica, &step.target, &self.kinds).await,
            }
        });
        let views = join_all(views).await;
        let answers = |view: &ReplicaView| (view.replica.task.clone(), view.serving.clone());
        let answers = || (Instant::now(), views.iter().map(answers).collect());
        self.asked = Some(asked.unwrap_or_else(answers));
        Ok(views)
    }

    /// Whether that task is told only when another one is proved, and that one is not.
    fn waits(&self, task: &str) -> bool {
        let first = self.step.canary.as_ref();
        first.is_some_and(|first| first.task != task && !self.is_proved(&first.task))
    }

    /// Whether that task was seen to serve all that is expected.
    pub(super) fn is_proved(&self, task: &str) -> bool {
        self.step.expected.iter().all(|expected| {
            let key = (expected.certificate.clone(), task.to_owned());
            self.seen.contains_key(&key)
        })
    }

    async fn replicas(&self) -> Result<Vec<ReplicaView>, SwarmError> {
        replicas_of(self.manager, &self.step.target, self.own, &self.kinds).await
    }

    /// The replicas that do not run or cannot be seen, and why.
    pub(super) async fn down(&self) -> Result<Vec<String>, SwarmError> {
        let replicas = self.replicas().await?;
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

    /// Notes when a replica was first seen to serve what is expected.
    fn note_served(&mut self, view: &ReplicaView, expected: &Expected) {
        let (replica, name) = (&view.replica, &expected.certificate);
        let after = expected.leaf.fingerprint;
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
            seconds: seconds_to_last(&outcomes),
            replicas: outcomes,
            left_out: self
                .step
                .out_of_reach
                .iter()
                .filter(|task| lives(task))
                .count(),
            not_mended: self
                .step
                .tasks_not_mended()
                .iter()
                .filter(|task| lives(task))
                .count(),
            at: now(),
        }
    }
}

impl Verified {
    /// Who was seen to serve what is published, in words.
    pub(crate) fn who(&self) -> String {
        let but = |count, one: &str, several: &str| match count {
            0 => None,
            1 => Some(format!("one that {one}")),
            count => Some(format!("{count} that {several}")),
        };
        let excepted = [
            but(self.left_out, "no job reaches", "no job reaches"),
            but(
                self.not_mended,
                "serves another certificate",
                "serve another certificate",
            ),
        ];
        let excepted: Vec<String> = excepted.into_iter().flatten().collect();
        if excepted.is_empty() {
            return "every replica".to_owned();
        }
        format!("every replica but {}", excepted.join(" and "))
    }
}

fn is_none(count: &usize) -> bool {
    *count == 0
}

/// From the start of the rollout to the proof that came last.
fn seconds_to_last<'a>(outcomes: impl IntoIterator<Item = &'a ReplicaOutcome>) -> f64 {
    let seconds = outcomes.into_iter().map(|outcome| outcome.seconds);
    seconds.fold(0.0, f64::max)
}

/// What a person is shown of a replica.
fn shown(
    view: &ReplicaView,
    step: &RolloutStep,
    seen: &BTreeMap<(CertificateName, String), ReplicaOutcome>,
) -> Shown {
    let task = &view.replica.task;
    // Of one that is told by force, that it serves it is no news.
    let proof = last_proof(view, step, seen).filter(|it| it.before != Some(it.after));
    let mut looks = view.serving.values();
    let unseen = looks.find_map(|serving| match serving {
        Serving::Unreachable(why) => Some(format!("cannot be seen: {why}")),
        Serving::Leaf(_) => None,
    });
    let by_signal = matches!(step.target.strategy, Strategy::Signal { .. });
    let state = match proof {
        Some(proof) => {
            let (after, seconds) = (proof.after.short(), proof.seconds);
            Some(format!("serves {after} after {seconds:.1} s"))
        }
        None if step.is_out_of_reach(task) => Some("no job reaches it".to_owned()),
        None if step.tasks_not_mended().contains(task.as_str()) => {
            Some("serves another certificate".to_owned())
        }
        None if unseen.is_some() || by_signal => unseen,
        None => Some("waits for its turn".to_owned()),
    };
    Shown {
        task: task.clone(),
        replica: view.replica.name(),
        done: proof.is_some(),
        state,
    }
}

/// The proof that came last, of a replica that serves all that is expected.
fn last_proof<'a>(
    view: &ReplicaView,
    step: &RolloutStep,
    seen: &'a BTreeMap<(CertificateName, String), ReplicaOutcome>,
) -> Option<&'a ReplicaOutcome> {
    let proofs = step.expected.iter().map(|expected| {
        let key = (expected.certificate.clone(), view.replica.task.clone());
        seen.get(&key).filter(|_| found(view, expected).is_ok())
    });
    let proofs: Option<Vec<&ReplicaOutcome>> = proofs.collect();
    let proofs = proofs?.into_iter();
    proofs.max_by(|one, other| one.seconds.total_cmp(&other.seconds))
}

/// Whether a replica serves what is expected, and what it was seen to do: both
/// ways in words.
fn found(view: &ReplicaView, expected: &Expected) -> Result<String, String> {
    let (replica, name) = (view.replica.name(), &expected.certificate);
    let wanted = expected.leaf.fingerprint;
    match view.serving.get(name) {
        Some(Serving::Leaf(leaf)) if leaf.fingerprint == wanted => {
            Ok(format!("{replica} serves {} for {name}", wanted.short()))
        }
        Some(Serving::Leaf(leaf)) => Err(format!(
            "{replica} serves {} for {name}, not {}",
            leaf.fingerprint.short(),
            wanted.short()
        )),
        Some(Serving::Unreachable(why)) => Err(format!("{replica} cannot be seen: {why}")),
        None => Err(format!("{replica} was not looked at for {name}")),
    }
}

/// What every replica does, also those that do what they should, unless all of
/// them do: who reads of a failure wants to know how far it got. Those that no
/// job reaches are told, and not waited for.
fn account(replicas: &[ReplicaView], step: &RolloutStep) -> Option<String> {
    let mut complete = true;
    let mut each = Vec::new();
    for replica in replicas {
        let task = &replica.replica.task;
        for expected in &step.expected {
            let found = found(replica, expected);
            let note = if step.is_out_of_reach(task) {
                " (no job reaches it)"
            } else if step.is_not_mended(&expected.certificate, task) {
                " (no signal would mend that)"
            } else {
                complete &= found.is_ok();
                ""
            };
            each.push(found.unwrap_or_else(|why| why) + note);
        }
    }
    // A replica that cannot be seen says so once, not for every certificate.
    each.dedup();
    // At least one: no replica at all proves nothing.
    let wanted = step.target.desired.unwrap_or(1).max(1);
    if (replicas.len() as u64) < wanted {
        complete = false;
        each.push(format!("{} of {wanted} replicas exist", replicas.len()));
    }
    (!complete).then(|| each.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::NotMended;
    use crate::decide::tests::{all, leaf, name, rollout, world};
    use crate::model::Published;

    /// The rollout of `leaf(2)` to three replicas that serve `leaf(1)`, and they
    /// as they are then seen.
    fn rolling_out(serving: [Serving; 3]) -> (RolloutStep, Vec<ReplicaView>) {
        let step = rollout(&world(Published::Pair(leaf(2)), all(&leaf(1))));
        let mut seen = world(Published::Pair(leaf(2)), serving);
        (step, seen.targets.remove(0).replicas)
    }

    fn told(account: &str) -> String {
        account
            .replace(&leaf(2).fingerprint.short(), "NEW")
            .replace(&leaf(1).fingerprint.short(), "OLD")
            .replace("; ", "\n")
    }

    #[test]
    fn a_mixed_look_tells_every_replica_and_its_reason() {
        let (mut step, replicas) = rolling_out([
            Serving::Leaf(leaf(2)),
            Serving::Leaf(leaf(1)),
            Serving::Unreachable("connect to 10.0.1.13:443: Connection refused".into()),
        ]);
        step.target.desired = Some(4);
        let account = account(&replicas, &step).unwrap();
        insta::assert_snapshot!(told(&account), @r"
        replica 1 on node-1 serves NEW for example.org
        replica 2 on node-2 serves OLD for example.org, not NEW
        replica 3 on node-3 cannot be seen: connect to 10.0.1.13:443: Connection refused
        3 of 4 replicas exist
        ");
    }

    #[test]
    fn a_person_is_shown_what_each_replica_does_or_what_its_agent_says() {
        let (mut step, replicas) = rolling_out([
            Serving::Leaf(leaf(2)),
            Serving::Leaf(leaf(1)),
            Serving::Unreachable("Connection refused".into()),
        ]);
        let proof = ReplicaOutcome {
            certificate: name(),
            replica: replicas[0].replica.name(),
            node: replicas[0].replica.node.clone(),
            task: "task1".into(),
            before: Some(leaf(1).fingerprint),
            after: leaf(2).fingerprint,
            seconds: 1.25,
        };
        let mut seen = BTreeMap::from([((name(), "task1".to_owned()), proof.clone())]);
        let states = |step: &RolloutStep, seen: &BTreeMap<_, _>| {
            let shown = replicas.iter().map(|view| shown(view, step, seen));
            shown.map(|it| it.state).collect::<Vec<_>>()
        };
        let serves = format!("serves {} after 1.2 s", leaf(2).fingerprint.short());
        let unseen = Some("cannot be seen: Connection refused".to_owned());
        assert_eq!(states(&step, &seen), [Some(serves), None, unseen.clone()]);
        // By force: its agent has the word.
        let same = ReplicaOutcome {
            before: Some(proof.after),
            ..proof
        };
        seen.insert((name(), "task1".to_owned()), same);
        step.out_of_reach = vec!["task2".into()];
        let out_of_reach = Some("no job reaches it".to_owned());
        assert_eq!(states(&step, &seen), [None, out_of_reach, unseen]);
    }

    #[test]
    fn one_that_no_job_reaches_is_told_and_not_waited_for() {
        let one_behind = || {
            rolling_out([
                Serving::Leaf(leaf(2)),
                Serving::Leaf(leaf(2)),
                Serving::Leaf(leaf(1)),
            ])
        };
        let (mut step, replicas) = one_behind();
        step.out_of_reach = vec!["task3".into()];
        assert_eq!(account(&replicas, &step), None);
        step.target.desired = Some(4);
        let account = account(&replicas, &step).unwrap();
        let note = "serves OLD for example.org, not NEW (no job reaches it)";
        assert!(told(&account).contains(note), "{account}");
    }

    #[test]
    fn one_that_serves_another_certificate_is_told_and_not_waited_for() {
        let (mut step, replicas) = rolling_out([
            Serving::Leaf(leaf(2)),
            Serving::Leaf(leaf(2)),
            Serving::Leaf(leaf(1)),
        ]);
        step.not_mended = vec![NotMended {
            certificate: name(),
            task: "task3".to_owned(),
        }];
        assert_eq!(account(&replicas, &step), None);
        step.not_mended[0].task = "task2".to_owned();
        let account = account(&replicas, &step).unwrap();
        assert!(account.contains("replica 3 on node-3 serves"), "{account}");
    }

    #[test]
    fn who_was_seen_to_serve_it_is_told_without_those_who_were_not() {
        let who = |left_out, not_mended| {
            Verified {
                expected: BTreeMap::new(),
                replicas: Vec::new(),
                left_out,
                not_mended,
                seconds: 0.0,
                at: now(),
            }
            .who()
        };
        assert_eq!(who(0, 0), "every replica");
        assert_eq!(who(1, 0), "every replica but one that no job reaches");
        assert_eq!(
            who(2, 1),
            "every replica but 2 that no job reaches and one that serves another certificate"
        );
        assert_eq!(
            who(0, 3),
            "every replica but 3 that serve another certificate"
        );
    }

    #[test]
    fn only_all_that_are_wanted_are_a_proof() {
        let (mut step, replicas) = rolling_out(all(&leaf(2)));
        assert_eq!(account(&replicas, &step), None);
        assert!(account(&replicas[..2], &step).is_some());
        step.target.desired = None;
        assert_eq!(account(&replicas[..2], &step), None);
        assert!(account(&[], &step).is_some(), "none proves nothing");
        step.target.desired = Some(0);
        assert!(account(&[], &step).is_some());
    }
}
