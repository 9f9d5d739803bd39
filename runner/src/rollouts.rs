//! The rollouts that are under way. Each goes on by itself: one that takes long, or
//! fails slowly, holds nothing else up. Looks meanwhile leave its service and what
//! that serves alone, and do all the rest.

use std::collections::BTreeSet;
use std::future::pending;
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, timeout_at};

use crate::act::rollout::{RolloutError, RolloutOutcome};
use crate::clock::now;
use crate::decide::RolloutStep;

/// How long a look that begins something stays with it. Most orders, and rollouts by
/// signal, are over in seconds, and told by the look that began them.
pub(crate) const SHORTLY: Duration = Duration::from_secs(10);

/// How long who begins something stays with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stay {
    /// Until none is under way.
    ToTheEnd,
    /// Not long; what is under way then, goes on.
    Shortly,
}

/// A rollout that came to its end.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) step: RolloutStep,
    pub(crate) result: Result<RolloutOutcome, RolloutError>,
    pub(crate) at: Timestamp,
}

/// Those that are under way, and those whose end nobody has taken notice of yet.
#[derive(Debug, Default)]
pub(crate) struct Rollouts {
    running: JoinSet<Ended>,
    services: BTreeSet<String>,
    /// Those of them with which nobody has stayed yet.
    begun: BTreeSet<String>,
    ended: Vec<Ended>,
}

impl Rollouts {
    /// The services that are rolled out now.
    pub(crate) fn services(&self) -> &BTreeSet<String> {
        &self.services
    }

    /// Begins `step`, which is carried out by what `roll_out` makes of it.
    pub(crate) fn begin<F>(
        &mut self,
        step: RolloutStep,
        roll_out: impl FnOnce(RolloutStep) -> F + Send + 'static,
    ) where
        F: Future<Output = (RolloutStep, Result<RolloutOutcome, RolloutError>)> + Send,
    {
        self.services.insert(step.target.name.clone());
        self.begun.insert(step.target.name.clone());
        self.running.spawn(async move {
            let (step, result) = roll_out(step).await;
            Ended {
                step,
                result,
                at: now(),
            }
        });
    }

    /// Waits until one comes to its end; for ever if none is under way.
    pub(crate) async fn one_ended(&mut self) {
        match self.running.join_next().await {
            Some(ended) => self.take(ended),
            None => pending().await,
        }
    }

    /// Stays with them, or shortly with those that were begun since, and gives those
    /// that have ended, also those before.
    pub(crate) async fn ended(&mut self, stay: Stay) -> Vec<Ended> {
        let until = Instant::now() + SHORTLY;
        loop {
            let next = match stay {
                Stay::ToTheEnd => self.running.join_next().await,
                Stay::Shortly if self.begun.is_empty() => None,
                Stay::Shortly => {
                    let next = timeout_at(until, self.running.join_next());
                    next.await.unwrap_or(None)
                }
            };
            match next {
                Some(ended) => self.take(ended),
                None => break,
            }
        }
        self.begun.clear();
        self.ended_before()
    }

    /// Those that have ended, without waiting for any.
    pub(crate) fn ended_before(&mut self) -> Vec<Ended> {
        while let Some(ended) = self.running.try_join_next() {
            self.take(ended);
        }
        std::mem::take(&mut self.ended)
    }

    /// Drops all of it. What swarm was told goes on, and the next look finds it.
    pub(crate) async fn drop_all(&mut self) {
        self.running.shutdown().await;
        self.services.clear();
        self.begun.clear();
        self.ended.clear();
    }

    fn take(&mut self, ended: Result<Ended, JoinError>) {
        match ended {
            Ok(ended) => {
                self.services.remove(&ended.step.target.name);
                self.begun.remove(&ended.step.target.name);
                self.ended.push(ended);
            }
            // As if it had been carried out here.
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            // Only who drops all cancels one.
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::sleep;

    use super::*;
    use crate::decide::tests::{all, leaf, rollout, world};
    use crate::model::Published;
    use crate::preflight::{Finding, Severity};

    fn step(service: &str) -> RolloutStep {
        let mut step = rollout(&world(Published::Pair(leaf(2)), all(&leaf(1))));
        service.clone_into(&mut step.target.name);
        step
    }

    /// What takes as long, and fails.
    fn begin(rollouts: &mut Rollouts, service: &str, seconds: u64) {
        rollouts.begin(step(service), move |step| async move {
            sleep(Duration::from_secs(seconds)).await;
            let finding = Finding {
                code: "RO105",
                rule: "a-rule",
                severity: Severity::Error,
                service: step.target.name.clone(),
                found: "something".to_owned(),
                why: "it matters",
                fix: "mend it".to_owned(),
                at: String::new(),
                set_by: String::new(),
                place: None,
            };
            let error = RolloutError::held_back(&step, &finding);
            (step, Err(error))
        });
    }

    fn services(ended: &[Ended]) -> Vec<&str> {
        let names = ended.iter().map(|it| it.step.target.name.as_str());
        names.collect()
    }

    fn under_way(rollouts: &Rollouts) -> Vec<&str> {
        rollouts.services().iter().map(String::as_str).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_takes_long_is_not_waited_for() {
        let mut rollouts = Rollouts::default();
        begin(&mut rollouts, "short", 3);
        begin(&mut rollouts, "long", 3000);
        let start = Instant::now();
        let ended = rollouts.ended(Stay::Shortly).await;
        assert_eq!(services(&ended), ["short"]);
        assert_eq!(start.elapsed(), SHORTLY);
        assert_eq!(under_way(&rollouts), ["long"]);
        assert!(rollouts.ended_before().is_empty());
        // The next look has another one, and does not stay with that again.
        begin(&mut rollouts, "other", 3);
        let ended = rollouts.ended(Stay::Shortly).await;
        assert_eq!(services(&ended), ["other"]);
        assert_eq!(start.elapsed(), SHORTLY + Duration::from_secs(3));

        rollouts.one_ended().await;
        assert_eq!(start.elapsed().as_secs(), 3000);
        assert_eq!(services(&rollouts.ended_before()), ["long"]);
        assert!(rollouts.services().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn who_stays_to_the_end_sees_all() {
        let mut rollouts = Rollouts::default();
        begin(&mut rollouts, "long", 3000);
        begin(&mut rollouts, "short", 3);
        let ended = rollouts.ended(Stay::ToTheEnd).await;
        assert_eq!(services(&ended), ["short", "long"]);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_called_for_what_is_not_under_way() {
        let mut rollouts = Rollouts::default();
        assert!(rollouts.ended(Stay::Shortly).await.is_empty());
        begin(&mut rollouts, "long", 3000);
        rollouts.drop_all().await;
        assert!(rollouts.services().is_empty());
        let called = tokio::time::timeout(Duration::from_secs(9000), rollouts.one_ended()).await;
        assert!(called.is_err());
    }
}
