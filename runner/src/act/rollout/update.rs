//! A rolling update of a service: how fast it goes, what counts as its failure,
//! and the watch over it until its end. `restart` and `secret` differ only in
//! what they change.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::RolloutCause;
use super::tasks::Tasks;
use super::verify::{INTERVAL, Verified, Watch};
use crate::act::step::{About, HoldAt, NamedStep};
use crate::decide::RolloutStep;
use crate::docker::Manager;
use crate::model::{Pace, Update, UpdateState};
use crate::observe::swarm::digest;
use crate::preflight::HealthCheck;

/// Room for a replica to stop, be pulled, start and become healthy.
const FOR_EACH_REPLICA: Duration = Duration::from_secs(180);
/// After swarm says that the update is complete, all replicas run already.
const TO_VERIFY: Duration = Duration::from_secs(30);

/// From the last failed check until swarm has heard of it.
const TO_BE_HEARD: Duration = Duration::from_secs(2);

/// An update of a target's service.
pub(super) struct Rolling<'a> {
    manager: &'a Manager,
    pub(super) step: &'a RolloutStep,
    pace: &'a Pace,
    health_check: HealthCheck,
    watch: Watch<'a>,
    tasks: Tasks,
}

impl<'a> Rolling<'a> {
    pub(super) fn new(
        manager: &'a Manager,
        step: &'a RolloutStep,
        pace: &'a Pace,
        health_check: HealthCheck,
        watch: Watch<'a>,
    ) -> Self {
        Self {
            manager,
            step,
            pace,
            health_check,
            watch,
            tasks: Tasks::default(),
        }
    }

    /// The service as it is now.
    pub(super) async fn service(&self) -> Result<Value, RolloutCause> {
        Ok(self.manager.raw.get(&self.path()).await?)
    }

    /// The replicas that do not run or cannot be seen, and why.
    pub(super) async fn down(&self) -> Result<Vec<String>, RolloutCause> {
        Ok(self.watch.down().await?)
    }

    /// Starts the update from `service` as it was read to `specification`. The
    /// version makes this a compare-and-swap: a change by somebody else in
    /// between is refused, not written over. So is one since it was decided, as of the
    /// label that asks for this strategy, or of what holds a restart back.
    pub(super) async fn start(
        &mut self,
        service: &Value,
        mut specification: Value,
    ) -> Result<(), RolloutCause> {
        as_decided(self.step, service)?;
        self.tasks
            .note_those_before(self.manager, &self.step.target.id)
            .await?;
        set_pace(&mut specification, self.pace, self.health_check);
        let (path, version) = (self.path(), &service["Version"]["Index"]);
        let update = format!("{path}/update?version={version}&registryAuthFrom=spec");
        self.manager.fence.pass().await;
        self.manager.raw.post(&update, &specification).await?;
        Ok(())
    }

    /// Watches the update until swarm says that it is complete, and then until
    /// every replica was seen to serve what is published.
    ///
    /// # Errors
    /// When swarm pauses it or rolls it back, with what its tasks said.
    pub(super) async fn watched(mut self, hold_at: HoldAt) -> Result<Verified, RolloutCause> {
        let target = &self.step.target.name;
        let about = About::Service(target);
        hold_at.passed(NamedStep::UpdateStarted, about).await;
        self.follow().await?;
        hold_at.passed(NamedStep::UpdateCompleted, about).await;
        self.verified(hold_at).await
    }

    /// Watches until every replica was seen to serve what is published, if it
    /// needs no update for that.
    pub(super) async fn verified(mut self, hold_at: HoldAt) -> Result<Verified, RolloutCause> {
        let verified = verify(&mut self.watch).await?;
        let about = About::Service(&self.step.target.name);
        hold_at.passed(NamedStep::Verified, about).await;
        Ok(verified)
    }

    fn path(&self) -> String {
        format!("/services/{}", self.step.target.id)
    }

    async fn follow(&mut self) -> Result<(), RolloutCause> {
        let begin = Instant::now();
        let mut begun_with = None;
        loop {
            // That the swarm cannot be read for a moment ends nothing.
            if begun_with.is_none() {
                let service = self.service().await.ok();
                begun_with = service.map(|mut service| service["Spec"].take());
            }
            // Each look notes when a replica was first seen with the new one.
            let look = self.watch.look().await;
            self.tasks.look(self.manager, &self.step.target).await;
            if let (Ok(service), Some(begun_with)) = (self.service().await, &begun_with)
                && has_ended(&service, begun_with, &self.tasks)?
            {
                return Ok(());
            }
            let monitor = begun_with.as_ref().map_or(Duration::ZERO, monitored);
            let limit = self.limit().saturating_add(monitor);
            if begin.elapsed() >= limit {
                return Err(RolloutCause::NotServed {
                    seconds: limit.as_secs(),
                    told: false,
                    still: match look {
                        Ok(Err(still)) => still,
                        Ok(Ok(_)) => "the update goes on".to_owned(),
                        Err(error) => error.to_string(),
                    },
                });
            }
            sleep(INTERVAL).await;
        }
    }

    /// All replicas are replaced, not only those that are stale.
    fn limit(&self) -> Duration {
        // A global service says no number.
        let tasks = self.tasks.wanted() as u64;
        let replicas = self.step.target.desired.unwrap_or(tasks).max(1);
        let replicas = u32::try_from(replicas).unwrap_or(u32::MAX);
        (FOR_EACH_REPLICA + self.pace.delay).saturating_mul(replicas)
    }
}

/// What is in the way of an update of somebody's own, whoever that was: one that
/// swarm has given up. A new update would wipe that out, and go on to the next
/// replica.
pub(super) fn not_stuck(update: &Update) -> Result<(), RolloutCause> {
    match update.stopped() {
        Some(state) => Err(RolloutCause::UpdateStuck {
            state: state.to_owned(),
            message: update.message.clone(),
        }),
        None => Ok(()),
    }
}

/// Whether the service still is what the rollout was decided for.
fn as_decided(step: &RolloutStep, service: &Value) -> Result<(), RolloutCause> {
    if digest(&service["Spec"]) == step.target.specification {
        Ok(())
    } else {
        Err(RolloutCause::Superseded)
    }
}

/// Whether the update has come to its good end.
fn has_ended(service: &Value, begun_with: &Value, tasks: &Tasks) -> Result<bool, RolloutCause> {
    let update = Update::read(service);
    match update.state {
        // Before all else, for a rollback changes the specification too.
        UpdateState::GivenUp(state) => Err(RolloutCause::UpdateFailed {
            state,
            message: update.message,
            tasks: tasks.said(),
        }),
        _ if service["Spec"] != *begun_with => Err(RolloutCause::Superseded),
        UpdateState::Completed => Ok(true),
        UpdateState::Running => Ok(false),
        // Not taken up yet; or never, because swarm finds all as it should be.
        UpdateState::None => Ok(tasks.all_current(service)),
    }
}

async fn verify(watch: &mut Watch<'_>) -> Result<Verified, RolloutCause> {
    let end = Instant::now() + TO_VERIFY;
    loop {
        // That the swarm cannot be read for a moment ends nothing here either.
        let still = match watch.look().await {
            Ok(Ok(verified)) => return Ok(verified),
            Ok(Err(still)) => still,
            Err(error) => error.to_string(),
        };
        if Instant::now() >= end {
            return Err(RolloutCause::NotServed {
                seconds: TO_VERIFY.as_secs(),
                still,
                told: false,
            });
        }
        sleep(INTERVAL).await;
    }
}

/// Sets how fast the update goes, and that the first replica that fails stops
/// it: swarm counts a failure only while it monitors a replica, which by its
/// default ends before most health checks can have failed.
fn set_pace(specification: &mut Value, pace: &Pace, health_check: HealthCheck) {
    let needed = match health_check {
        HealthCheck::Absent => Duration::ZERO,
        HealthCheck::Present { .. } => health_check.time_to_fail() + TO_BE_HEARD,
    };
    let monitor = monitored(specification).max(needed);
    let update = &mut specification["UpdateConfig"];
    if !update.is_object() {
        *update = json!({"Order": "stop-first"});
    }
    update["Parallelism"] = json!(pace.parallelism);
    update["Delay"] = json!(nanoseconds(pace.delay));
    update["Monitor"] = json!(nanoseconds(monitor));
    update["FailureAction"] = json!("pause");
    update["MaxFailureRatio"] = json!(0);
}

/// For how long swarm watches a replica for a failure after it was replaced.
fn monitored(specification: &Value) -> Duration {
    /// Swarm's own, where a specification says nothing.
    const DEFAULT: Duration = Duration::from_secs(5);
    duration(&specification["UpdateConfig"]["Monitor"]).unwrap_or(DEFAULT)
}

/// A duration as the API has it; nothing or 0 stands for the default.
fn duration(nanoseconds: &Value) -> Option<Duration> {
    let nanoseconds = nanoseconds.as_u64().filter(|&given| given > 0)?;
    Some(Duration::from_nanos(nanoseconds))
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::tests::{all, leaf, rollout, world};
    use crate::model::Published;

    const SECOND: u64 = 1_000_000_000;

    fn paced(specification: Value) -> Value {
        paced_with(specification, HealthCheck::Absent)
    }

    fn paced_with(mut specification: Value, health_check: HealthCheck) -> Value {
        let pace = Pace {
            parallelism: 2,
            delay: Duration::from_secs(30),
        };
        set_pace(&mut specification, &pace, health_check);
        specification["UpdateConfig"].take()
    }

    #[test]
    fn one_failure_pauses_whatever_the_service_said_and_its_order_stays() {
        let given = json!({"UpdateConfig": {
            "Order": "start-first", "FailureAction": "continue", "MaxFailureRatio": 0.5,
            "Monitor": 90 * SECOND,
        }});
        let expected = json!({
            "Order": "start-first", "FailureAction": "pause", "MaxFailureRatio": 0,
            "Monitor": 90 * SECOND, "Parallelism": 2, "Delay": 30 * SECOND,
        });
        assert_eq!(paced(given), expected);
        let expected = json!({
            "Order": "stop-first", "FailureAction": "pause", "MaxFailureRatio": 0,
            "Monitor": 5 * SECOND, "Parallelism": 2, "Delay": 30 * SECOND,
        });
        assert_eq!(paced(json!({})), expected);
    }

    #[test]
    fn a_replica_is_monitored_until_its_health_check_can_have_failed() {
        let seconds = Duration::from_secs;
        let check = HealthCheck::with(
            Some(seconds(2)),
            Some(seconds(3)),
            Some(4),
            Some(seconds(10)),
        );
        let monitored = |check| paced_with(json!({}), check)["Monitor"].as_u64().unwrap() / SECOND;
        assert_eq!(monitored(check), 10 + 4 * (2 + 3) + 2);
        assert_eq!(monitored(HealthCheck::Absent), 5);
    }

    #[test]
    fn nothing_is_begun_on_a_service_that_was_changed_since() {
        let seen = json!({"Spec": {"Labels": {"rollover.strategy": "restart"}}});
        let mut step = rollout(&world(Published::Pair(leaf(2)), all(&leaf(1))));
        step.target.specification = digest(&seen["Spec"]);
        // Swarm's own account of it may go on.
        let mut now = seen.clone();
        now["UpdateStatus"] = json!({"State": "completed"});
        assert!(as_decided(&step, &now).is_ok());
        now["Spec"]["Labels"]["rollover.strategy"] = json!("signal");
        let refused = as_decided(&step, &now).unwrap_err();
        assert!(matches!(refused, RolloutCause::Superseded), "{refused}");
    }

    #[test]
    fn nothing_is_begun_over_an_update_that_swarm_gave_up() {
        let update = |state: &str| {
            Update::read(&json!({"UpdateStatus": {"State": state, "Message": "why"}}))
        };
        for state in ["paused", "rollback_paused", "rollback_started"] {
            let error = not_stuck(&update(state)).unwrap_err().to_string();
            assert!(error.contains(state) && error.contains("why"), "{error}");
        }
        for state in ["", "completed", "rollback_completed", "updating"] {
            assert!(not_stuck(&update(state)).is_ok(), "{state}");
        }
    }

    #[test]
    fn an_update_ends_well_or_by_somebody_elses_change_or_with_what_its_tasks_said() {
        let (ours, theirs) = (
            json!({"Name": "web"}),
            json!({"Name": "web", "Labels": {"a": "b"}}),
        );
        let ended = |state: &str, now: &Value| {
            let service = json!({"Spec": now, "UpdateStatus": {"State": state, "Message": "why"}});
            has_ended(&service, &ours, &Tasks::default())
        };
        assert!(ended("completed", &ours).unwrap());
        assert!(!ended("updating", &ours).unwrap());
        assert!(!ended("", &ours).unwrap(), "swarm has not taken it up");
        for state in ["", "updating", "completed"] {
            let other = ended(state, &theirs).unwrap_err();
            assert!(matches!(other, RolloutCause::Superseded), "{state}");
        }
        let error = ended("rollback_completed", &theirs)
            .unwrap_err()
            .to_string();
        insta::assert_snapshot!(error, @"the update ended as rollback_completed: why; it has made no task");
    }
}
