//! The restart strategy: a forced update of the service, as
//! `docker service update --force --update-parallelism --update-delay` does,
//! but watched to its end.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use tracing::info;

use super::RolloutCause;
use super::verify::{INTERVAL, Verified, Watch};
use crate::decide::RolloutStep;
use crate::docker::Manager;
use crate::observe::own::Own;
use crate::observe::swarm;

/// How fast replicas are replaced.
pub(super) struct Pace {
    pub(super) parallelism: u64,
    pub(super) delay: Duration,
}

/// Room for a replica to stop, be pulled, start and become healthy.
const FOR_EACH_REPLICA: Duration = Duration::from_secs(180);
/// After swarm says that the update is complete, all replicas run already.
const TO_VERIFY: Duration = Duration::from_secs(30);

/// Forces an update and watches it: a paused or rolled-back one is a failure,
/// with what its tasks said.
///
/// Caveat: as with the command, the pace stays in the service's specification.
pub(super) async fn run(
    manager: &Manager,
    own: Option<&Own>,
    step: &RolloutStep,
    pace: &Pace,
) -> Result<Verified, RolloutCause> {
    let path = format!("/services/{}", step.target.id);
    let service = manager.raw.get(&path).await?;
    let mut watch = Watch::new(manager, own, step);
    match ready(&service, &watch.down().await?)? {
        Ready::Underway => info!(
            service = step.target.name,
            "an update is under way already; it is followed"
        ),
        Ready::Yes => {
            let version = &service["Version"]["Index"];
            // The version makes this a compare-and-swap: a change by somebody
            // else in between is refused, not written over.
            let update = format!("{path}/update?version={version}&registryAuthFrom=spec");
            let spec = forced(service["Spec"].clone(), pace);
            manager.raw.post(&update, &spec).await?;
            info!(service = step.target.name, "restarting every replica");
        }
    }
    follow(manager, &path, step, pace, &mut watch).await?;
    verify(&mut watch).await
}

/// Whether an update may be started.
#[derive(Debug, PartialEq, Eq)]
enum Ready {
    Yes,
    /// One runs: ours, from before a crash, or somebody else's. Its tasks read
    /// the new files too.
    Underway,
}

/// Looks before it restarts anything: a forced update wipes out that swarm has
/// paused an earlier one, and goes on to the next replica. With one replica
/// down already, each attempt would take another.
fn ready(service: &Value, down: &[String]) -> Result<Ready, RolloutCause> {
    match state(service) {
        "updating" => Ok(Ready::Underway),
        stuck @ ("paused" | "rollback_paused" | "rollback_started") => {
            Err(RolloutCause::UpdateStuck {
                state: stuck.to_owned(),
                message: message(service),
            })
        }
        _ if !down.is_empty() => Err(RolloutCause::Down(down.join("; "))),
        _ => Ok(Ready::Yes),
    }
}

fn message(service: &Value) -> String {
    let message = service["UpdateStatus"]["Message"].as_str();
    message.unwrap_or_default().to_owned()
}

/// The specification with its restart counter raised and the pace set; all
/// else, known to us or not, goes back as it came.
fn forced(mut spec: Value, pace: &Pace) -> Value {
    let counter = spec["TaskTemplate"]["ForceUpdate"].as_u64().unwrap_or(0);
    spec["TaskTemplate"]["ForceUpdate"] = json!(counter + 1);
    if !spec["UpdateConfig"].is_object() {
        spec["UpdateConfig"] = json!({"FailureAction": "pause", "Order": "stop-first"});
    }
    spec["UpdateConfig"]["Parallelism"] = json!(pace.parallelism);
    let nanoseconds = u64::try_from(pace.delay.as_nanos()).unwrap_or(u64::MAX);
    spec["UpdateConfig"]["Delay"] = json!(nanoseconds);
    spec
}

fn state(service: &Value) -> &str {
    service["UpdateStatus"]["State"].as_str().unwrap_or("")
}

async fn follow(
    manager: &Manager,
    path: &str,
    step: &RolloutStep,
    pace: &Pace,
    watch: &mut Watch<'_>,
) -> Result<(), RolloutCause> {
    // All of them are restarted, not only those that are stale.
    let replicas = step
        .target
        .desired
        .unwrap_or(0)
        .max(step.stale.len() as u64);
    let replicas = u32::try_from(replicas).unwrap_or(u32::MAX);
    let limit = (FOR_EACH_REPLICA + pace.delay).saturating_mul(replicas);
    let end = Instant::now() + limit;
    loop {
        // Each look notes when a replica was first seen with the new one.
        // That the swarm cannot be read for a moment ends nothing.
        let look = watch.look().await;
        let service = manager.raw.get(path).await.unwrap_or_default();
        match state(&service) {
            "completed" => return Ok(()),
            // A new update has no state until swarm takes it up.
            "updating" | "" => {}
            other => {
                return Err(RolloutCause::UpdateFailed {
                    state: other.to_owned(),
                    message: message(&service),
                    tasks: states(manager, step).await?,
                });
            }
        }
        if Instant::now() >= end {
            return Err(RolloutCause::NotServed {
                seconds: limit.as_secs(),
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

async fn states(manager: &Manager, step: &RolloutStep) -> Result<String, RolloutCause> {
    let replicas = swarm::replicas(manager, &step.target.id, None).await?;
    let states: Vec<String> = replicas
        .iter()
        .map(|replica| format!("{} is {}", replica.name(), replica.state))
        .collect();
    Ok(states.join("; "))
}

async fn verify(watch: &mut Watch<'_>) -> Result<Verified, RolloutCause> {
    let end = Instant::now() + TO_VERIFY;
    loop {
        match watch.look().await? {
            Ok(verified) => return Ok(verified),
            Err(still) if Instant::now() >= end => {
                return Err(RolloutCause::NotServed {
                    seconds: TO_VERIFY.as_secs(),
                    still,
                });
            }
            Err(_) => sleep(INTERVAL).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_restarted_over_an_update_that_swarm_gave_up() {
        for state in ["paused", "rollback_paused", "rollback_started"] {
            let service = json!({"UpdateStatus": {"State": state, "Message": "why"}});
            let error = ready(&service, &[]).unwrap_err().to_string();
            assert!(error.contains(state) && error.contains("why"), "{error}");
        }
    }

    #[test]
    fn nothing_is_restarted_while_a_replica_is_down() {
        let service = json!({"UpdateStatus": {"State": "completed"}});
        let down = ["replica 2 on node-2: swarm says starting".to_owned()];
        let error = ready(&service, &down).unwrap_err().to_string();
        assert!(error.contains("replica 2 on node-2"), "{error}");
        assert_eq!(ready(&service, &[]).unwrap(), Ready::Yes);
        assert_eq!(ready(&json!({}), &[]).unwrap(), Ready::Yes);
    }

    #[test]
    fn an_update_that_runs_is_followed() {
        let service = json!({"UpdateStatus": {"State": "updating"}});
        let down = ["replica 2 on node-2: being replaced".to_owned()];
        assert_eq!(ready(&service, &down).unwrap(), Ready::Underway);
    }

    #[test]
    fn a_forced_update_changes_the_counter_and_the_pace_and_nothing_else() {
        let spec = json!({
            "Name": "web",
            "TaskTemplate": {"ForceUpdate": 4, "FromANewerEngine": {"kept": true}},
            "UpdateConfig": {"Order": "start-first", "Monitor": 5},
        });
        let pace = Pace {
            parallelism: 2,
            delay: Duration::from_secs(30),
        };
        let expected = json!({
            "Name": "web",
            "TaskTemplate": {"ForceUpdate": 5, "FromANewerEngine": {"kept": true}},
            "UpdateConfig": {
                "Order": "start-first", "Monitor": 5,
                "Parallelism": 2, "Delay": 30_000_000_000_u64,
            },
        });
        assert_eq!(forced(spec, &pace), expected);
    }
}
