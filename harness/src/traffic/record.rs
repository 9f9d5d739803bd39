//! What a run has seen.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::loss::{Loss, LossClass};
use super::machine::{self, MachineSeen};
use super::outcome::{Outcome, micros, optional_micros};
use super::plan::Plan;
use super::shared::Shared;
use super::summary::Summary;

/// One in a thousand requests may start later than this.
const TOLERATED_LATENESS: Duration = Duration::from_millis(100);
/// No request may start later than this.
const WORST_LATENESS: Duration = Duration::from_millis(500);

/// What a run has seen: one outcome for each request that was due.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// What was driven.
    pub plan: Plan,
    /// The wall-clock time from which all times count.
    pub started_at: Timestamp,
    /// When the last request had ended.
    #[serde(with = "micros")]
    pub duration: Duration,
    /// How the lanes' connections were warmed up, before the schedule began.
    pub warm_up: Vec<WarmUp>,
    /// What this machine's processors had to spare meanwhile, in order of time.
    #[serde(default)]
    pub machine: Vec<MachineSeen>,
    /// In the order in which they were due.
    pub outcomes: Vec<Outcome>,
}

/// How the connections of a lane were warmed up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WarmUp {
    /// The lane.
    pub lane: String,
    /// Connections that have answered one request.
    pub opened: usize,
    /// Connections that have not; they are opened when their turn comes.
    pub failed: usize,
    /// Why not, the first time.
    pub first_failure: Option<Loss>,
}

/// A certificate as one replica, or one target, served it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateSeen {
    /// The target's name.
    pub target: Arc<str>,
    /// What the answers called the replica.
    pub replica: Option<Arc<str>>,
    /// The leaf's SHA-256.
    pub fingerprint: Arc<str>,
    /// When it was first seen: the end of a handshake, or the first request on a
    /// connection opened before.
    #[serde(with = "micros")]
    pub first: Duration,
    /// When a handshake was last given it; `None` if it was only met on
    /// connections opened before.
    #[serde(with = "optional_micros")]
    pub last_handshake: Option<Duration>,
    /// Requests on connections that were given it.
    pub requests: u64,
}

/// Why a run does not count: the client has not done what it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Dishonest {
    /// Nothing was measured.
    #[error("count the run: expected requests, found none")]
    Nothing,
    /// Requests were left out.
    #[error(
        "count the run: expected every request to be sent, found {count} not sent by the client, the first because {first}"
    )]
    NotSent {
        /// How many.
        count: usize,
        /// The first one's detail.
        first: Box<str>,
    },
    /// The schedule was not kept.
    #[error(
        "count the run: expected 999 of 1,000 requests to start within {TOLERATED_LATENESS:?} and all within {WORST_LATENESS:?}, found {late} later than {TOLERATED_LATENESS:?}, the latest by {worst:?}"
    )]
    Late {
        /// Requests that started later than tolerated.
        late: usize,
        /// The latest start.
        worst: Duration,
    },
}

impl Record {
    pub(super) fn new(
        plan: Plan,
        shared: &Shared,
        warm_up: Vec<WarmUp>,
        machine: Vec<MachineSeen>,
    ) -> Self {
        let mut outcomes = shared.take_outcomes();
        outcomes.sort_by(|one, other| {
            (one.intended, &one.lane, one.sequence).cmp(&(
                other.intended,
                &other.lane,
                other.sequence,
            ))
        });
        Self {
            plan,
            started_at: shared.clock.started_at().unwrap_or(Timestamp::UNIX_EPOCH),
            duration: shared.clock.now(),
            warm_up,
            machine,
            outcomes,
        }
    }

    /// Whether the client did its part: it sent every request, 999 of 1,000
    /// within 100 ms of the intended start and all within 500 ms.
    ///
    /// A client that stands still sees no outage that comes and goes meanwhile,
    /// and the shortest of interest (a replica replaced on one node) lasts some
    /// hundred milliseconds. A few single starts over 100 ms on a busy machine
    /// hide none, because every target is asked by many others around them.
    ///
    /// # Errors
    /// With the reason for which the run does not count.
    pub fn honest(&self) -> Result<(), Dishonest> {
        let own = |loss: &&Loss| loss.class.is_clients_own();
        let mut not_sent = self
            .losses()
            .filter_map(|lost| lost.loss.as_ref())
            .filter(own);
        if let Some(first) = not_sent.next() {
            return Err(Dishonest::NotSent {
                count: 1 + not_sent.count(),
                first: first.detail.clone(),
            });
        }
        let lateness = self.outcomes.iter().map(Outcome::lateness);
        let worst = lateness.clone().max().ok_or(Dishonest::Nothing)?;
        let late = lateness.filter(|late| *late > TOLERATED_LATENESS).count();
        if late * 1000 > self.outcomes.len() || worst > WORST_LATENESS {
            return Err(Dishonest::Late { late, worst });
        }
        Ok(())
    }

    /// How many requests were lost, those that the client did not send included.
    pub fn lost(&self) -> usize {
        self.losses().count()
    }

    /// How many requests timed out while this machine had no processor to spare: they,
    /// or what was to answer them, waited for one.
    pub fn starved(&self) -> usize {
        let timed_out = |lost: &&Outcome| {
            let class = lost.loss.as_ref().map(|loss| loss.class);
            class == Some(LossClass::TimedOut)
        };
        let losses = self.losses().filter(timed_out);
        let starved = losses.filter(|it| machine::is_busy(&self.machine, it.started, it.ended));
        starved.count()
    }

    /// How many requests the server said it never began; neither lost nor answered.
    pub fn retryable(&self) -> usize {
        let outcomes = self.outcomes.iter();
        outcomes
            .filter(|outcome| outcome.retryable.is_some())
            .count()
    }

    /// The requests that were lost.
    pub fn losses(&self) -> impl Iterator<Item = &Outcome> {
        self.outcomes.iter().filter(|outcome| outcome.is_lost())
    }

    /// How many requests were lost, by class.
    pub fn lost_by_class(&self) -> BTreeMap<LossClass, usize> {
        count_by_class(&self.outcomes)
    }

    /// Whether an outcome is complete, but later than the plan's limit. What the
    /// lane's requests last by nature comes on top.
    pub fn is_late(&self, outcome: &Outcome) -> bool {
        let mut lanes = self.plan.lanes.iter();
        let lane = lanes.find(|lane| *lane.name == *outcome.lane);
        let lasting = lane.map_or(Duration::ZERO, |lane| lane.lasting);
        outcome.is_answered() && outcome.latency() > self.plan.late_after + lasting
    }

    /// When something happened, on the wall.
    pub fn at(&self, offset: Duration) -> Timestamp {
        SignedDuration::try_from(offset)
            .ok()
            .and_then(|offset| self.started_at.checked_add(offset).ok())
            .unwrap_or(Timestamp::MAX)
    }

    /// Which certificates were served, by whom and when; the earliest first.
    /// Resumed sessions do not count: no certificate is served to them.
    pub fn certificates(&self) -> Vec<CertificateSeen> {
        let mut seen: BTreeMap<_, CertificateSeen> = BTreeMap::new();
        for outcome in &self.outcomes {
            let Some(now) = CertificateSeen::by(outcome) else {
                continue;
            };
            let key = (
                now.target.clone(),
                now.replica.clone(),
                now.fingerprint.clone(),
            );
            match seen.get_mut(&key) {
                Some(known) => known.merge(&now),
                None => drop(seen.insert(key, now)),
            }
        }
        let mut seen: Vec<_> = seen.into_values().collect();
        seen.sort_by_key(|seen| seen.first);
        seen
    }

    /// The figures of each lane, small and readable.
    pub fn summary(&self) -> Summary {
        Summary::of(self)
    }
}

pub(super) fn count_by_class<'a>(
    outcomes: impl IntoIterator<Item = &'a Outcome>,
) -> BTreeMap<LossClass, usize> {
    let mut counts = BTreeMap::new();
    for loss in outcomes
        .into_iter()
        .filter_map(|outcome| outcome.loss.as_ref())
    {
        *counts.entry(loss.class).or_default() += 1;
    }
    counts
}

impl CertificateSeen {
    fn by(outcome: &Outcome) -> Option<Self> {
        if outcome.resumed == Some(true) {
            return None;
        }
        Some(Self {
            target: Arc::clone(&outcome.target),
            replica: outcome.replica.clone(),
            fingerprint: outcome.fingerprint.clone()?,
            first: outcome.handshaken.unwrap_or(outcome.started),
            last_handshake: outcome.handshaken,
            requests: 1,
        })
    }

    fn merge(&mut self, other: &Self) {
        self.first = self.first.min(other.first);
        self.last_handshake = self.last_handshake.max(other.last_handshake);
        self.requests += other.requests;
    }
}

#[cfg(test)]
mod tests {
    use super::super::loss::Phase;
    use super::super::plan::{Lane, Target};
    use super::*;
    use crate::machine::Spent;

    /// A run of 2,000 requests of which these were started so many milliseconds late.
    fn honest(late: &[u64]) -> Result<(), Dishonest> {
        let mut outcomes: Vec<_> = (0..2000)
            .map(|n| Outcome::planned("new".into(), "node-1".into(), n, Duration::ZERO))
            .collect();
        for (outcome, late) in outcomes.iter_mut().zip(late) {
            outcome.started = Duration::from_millis(*late);
        }
        record(outcomes).honest()
    }

    fn record(outcomes: Vec<Outcome>) -> Record {
        let targets = vec![Target::new("node-1", "127.0.0.1:1".parse().unwrap())];
        Record {
            plan: Plan::new(targets, "example.test").lane(Lane::new_connections("new", 1)),
            started_at: Timestamp::UNIX_EPOCH,
            duration: Duration::ZERO,
            warm_up: Vec::new(),
            machine: Vec::new(),
            outcomes,
        }
    }

    #[test]
    fn a_client_that_kept_its_schedule_is_honest() {
        assert_eq!(honest(&[100; 2000]), Ok(()));
        assert_eq!(honest(&[101, 500]), Ok(()));
    }

    #[test]
    fn a_client_that_did_not_says_how_far_it_was_off() {
        let late = |late, worst| Dishonest::Late {
            late,
            worst: Duration::from_millis(worst),
        };
        assert_eq!(honest(&[101, 101, 102]), Err(late(3, 102)));
        assert_eq!(honest(&[501]), Err(late(1, 501)));
    }

    #[test]
    fn what_was_not_sent_does_not_count_as_a_run() {
        assert_eq!(record(Vec::new()).honest(), Err(Dishonest::Nothing));
        let mut outcome = Outcome::planned("new".into(), "node-1".into(), 0, Duration::ZERO);
        outcome.loss = Some(Loss::no_room(7));
        let reason = record(vec![outcome]).honest().unwrap_err().to_string();
        assert!(reason.contains("found 1 not sent"), "{reason}");
        assert!(reason.contains("7 requests were unfinished"), "{reason}");
    }

    #[test]
    fn what_timed_out_while_the_machine_was_busy_leaves_a_doubt() {
        let lost = |class, started| {
            let at = Duration::from_secs(started);
            let mut outcome = Outcome::planned("new".into(), "node-1".into(), 0, at);
            outcome.ended = at + Duration::from_secs(5);
            outcome.loss = Some(Loss {
                class,
                ..Loss::timed_out(Phase::Request)
            });
            outcome
        };
        let machine = |idle| MachineSeen {
            from: Duration::ZERO,
            until: Duration::from_secs(6),
            spent: Spent { idle, stolen: 0.0 },
        };
        let mut record = record(vec![
            lost(LossClass::TimedOut, 0),
            lost(LossClass::Reset, 0),
            lost(LossClass::TimedOut, 10),
        ]);
        assert_eq!(record.summary().doubt(), None, "nobody looked");
        record.machine = vec![machine(0.3)];
        assert_eq!(record.summary().doubt(), None);
        record.machine = vec![machine(0.01)];
        let doubt = record.summary().doubt().unwrap();
        assert!(doubt.contains("for 6.0 s, and 1 of the lost"), "{doubt}");
        assert_eq!(record.lost(), 3, "lost they are");
    }

    #[test]
    fn a_certificate_is_dated_by_its_handshakes() {
        let outcome = |at, handshaken: Option<u64>, fingerprint: &str| {
            let at = Duration::from_millis(at);
            let mut outcome = Outcome::planned("new".into(), "node-1".into(), 0, at);
            outcome.handshaken = handshaken.map(Duration::from_millis);
            outcome.fingerprint = Some(fingerprint.into());
            outcome
        };
        let resumed = |outcome| Outcome {
            resumed: Some(true),
            ..outcome
        };
        let seen = record(vec![
            outcome(10, None, "old"),
            outcome(20, Some(21), "old"),
            outcome(30, Some(31), "new"),
            outcome(40, None, "old"),
            resumed(outcome(50, Some(51), "old")),
        ])
        .certificates();
        let millis = Duration::from_millis;
        let dated = |seen: &CertificateSeen| (seen.first, seen.last_handshake, seen.requests);
        assert_eq!(dated(&seen[0]), (millis(10), Some(millis(21)), 3));
        assert_eq!(dated(&seen[1]), (millis(31), Some(millis(31)), 1));
    }
}
