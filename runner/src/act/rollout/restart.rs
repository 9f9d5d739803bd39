//! The restart strategy: a forced update of the service, as
//! `docker service update --force --update-parallelism --update-delay` does,
//! but watched to its end.

use serde_json::{Value, json};
use tracing::info;

use super::RolloutCause;
use super::update::{Rolling, not_stuck};
use super::verify::Verified;
use crate::act::step::HoldAt;
use crate::model::Update;

/// Forces an update and watches it: a paused or rolled-back one is a failure,
/// with what its tasks said.
///
/// Caveat: as with the command, the pace stays in the service's specification,
/// and so does what counts as a failure.
pub(super) async fn run(
    mut rolling: Rolling<'_>,
    hold_at: HoldAt,
) -> Result<Verified, RolloutCause> {
    let service = rolling.service().await?;
    let name = &rolling.step.target.name;
    match ready(&Update::read(&service), &rolling.down().await?)? {
        Ready::Underway => info!(service = name, "a restart is under way; it is followed"),
        Ready::Yes => {
            let specification = forced(service["Spec"].clone());
            rolling.start(&service, specification).await?;
            info!(service = name, "restarting every replica");
        }
    }
    rolling.watched(hold_at).await
}

/// Whether an update may be started.
#[derive(Debug, PartialEq, Eq)]
enum Ready {
    Yes,
    /// A restart runs: ours, from before a crash, or one by hand, which does the
    /// same. Its tasks read the new files too.
    Underway,
}

/// Looks before it restarts anything. With one replica down already, each
/// attempt would take another.
fn ready(update: &Update, down: &[String]) -> Result<Ready, RolloutCause> {
    if update.is_running() {
        // What somebody else changes may be half done, with replicas that have
        // read the files of before, and it would be no rollout that failed.
        return if update.rollout {
            Ok(Ready::Underway)
        } else {
            Err(RolloutCause::Busy)
        };
    }
    not_stuck(update)?;
    if down.is_empty() {
        Ok(Ready::Yes)
    } else {
        Err(RolloutCause::Down(down.join("; ")))
    }
}

/// The specification with its restart counter raised; all else, known to us or
/// not, goes back as it came.
fn forced(mut specification: Value) -> Value {
    let counter = &mut specification["TaskTemplate"]["ForceUpdate"];
    *counter = json!(counter.as_u64().unwrap_or(0) + 1);
    specification
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update(state: &str, image: &str) -> Update {
        let specification =
            |image: &str| json!({"TaskTemplate": {"ContainerSpec": {"Image": image}}});
        Update::read(&json!({
            "UpdateStatus": {"State": state},
            "Spec": specification(image),
            "PreviousSpec": specification("nginx:1"),
        }))
    }

    #[test]
    fn nothing_is_restarted_while_a_replica_is_down() {
        let down = ["replica 2 on node-2: swarm says starting".to_owned()];
        let completed = update("completed", "nginx:1");
        let error = ready(&completed, &down).unwrap_err().to_string();
        assert!(error.contains("replica 2 on node-2"), "{error}");
        assert_eq!(ready(&completed, &[]).unwrap(), Ready::Yes);
        assert_eq!(ready(&update("", "nginx:1"), &[]).unwrap(), Ready::Yes);
    }

    #[test]
    fn a_restart_that_runs_is_followed_and_somebody_elses_update_is_not() {
        let down = ["replica 2 on node-2: being replaced".to_owned()];
        let restart = update("updating", "nginx:1");
        assert_eq!(ready(&restart, &down).unwrap(), Ready::Underway);
        let other = ready(&update("updating", "nginx:2"), &[]).unwrap_err();
        assert!(matches!(other, RolloutCause::Busy), "{other}");
    }

    #[test]
    fn a_restart_raises_the_counter_and_changes_nothing_else() {
        let specification = json!({
            "Name": "web",
            "TaskTemplate": {"ForceUpdate": 4, "FromANewerEngine": {"kept": true}},
            "UpdateConfig": {"Order": "start-first"},
        });
        let expected = json!({
            "Name": "web",
            "TaskTemplate": {"ForceUpdate": 5, "FromANewerEngine": {"kept": true}},
            "UpdateConfig": {"Order": "start-first"},
        });
        assert_eq!(forced(specification), expected);
        assert_eq!(forced(json!({}))["TaskTemplate"]["ForceUpdate"], json!(1));
    }
}
