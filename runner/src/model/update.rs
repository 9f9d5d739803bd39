//! How the last update of a service stands, and whose it is.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::Digest;

/// The last update of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Update {
    pub(crate) state: UpdateState,
    /// What swarm says of it.
    pub(crate) message: String,
    pub(crate) started_at: Option<Timestamp>,
    /// Whether it changes what a rollout changes and nothing else.
    pub(crate) rollout: bool,
}

/// Where an update has come to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum UpdateState {
    /// Swarm has not taken it up yet, or there was none.
    None,
    Running,
    Completed,
    /// Swarm has given it up: it is paused or rolled back. In swarm's word.
    GivenUp(String),
}

impl Update {
    /// Reads a service as the engine tells it.
    pub(crate) fn read(service: &Value) -> Self {
        let status = &service["UpdateStatus"];
        let text = |field: &str| status[field].as_str().unwrap_or_default();
        Self {
            state: match text("State") {
                "" => UpdateState::None,
                "updating" => UpdateState::Running,
                "completed" => UpdateState::Completed,
                other => UpdateState::GivenUp(other.to_owned()),
            },
            message: text("Message").to_owned(),
            started_at: text("StartedAt").parse().ok(),
            rollout: is_rollout(&service["Spec"], &service["PreviousSpec"]),
        }
    }

    pub(crate) fn is_running(&self) -> bool {
        self.state == UpdateState::Running
    }

    /// Swarm's word for it, if it has given the update up, and a new one would
    /// begin where that has left off.
    pub(crate) fn stopped(&self) -> Option<&str> {
        match &self.state {
            UpdateState::GivenUp(state) if state != "rollback_completed" => Some(state),
            _ => None,
        }
    }
}

/// Whether the specifications differ in what a rollout changes and in nothing
/// else: the restart counter, the secrets and the pace. A forced update by hand
/// is one too: it does the same.
fn is_rollout(now: &Value, before: &Value) -> bool {
    before.is_object() && without_rollouts(now) == without_rollouts(before)
}

/// What people ask of a service: all of its specification but what a rollout changes, and
/// how many replicas there are. A rollout that failed is another attempt once something
/// else is asked.
pub(crate) fn asked(specification: &Value) -> Digest {
    let mut asked = without_rollouts(specification);
    // A rollout leaves it as it is, and by it a restart may never end.
    asked["Order"] = specification["UpdateConfig"]["Order"].clone();
    if let Some(fields) = asked.as_object_mut() {
        fields.remove("Mode");
    }
    Digest::of(&[&asked.to_string()])
}

fn without_rollouts(specification: &Value) -> Value {
    let mut rest = specification.clone();
    let remove = |object: &mut Value, field: &str| {
        if let Some(fields) = object.as_object_mut() {
            fields.remove(field);
        }
    };
    remove(&mut rest, "UpdateConfig");
    remove(&mut rest["TaskTemplate"], "ForceUpdate");
    remove(&mut rest["TaskTemplate"]["ContainerSpec"], "Secrets");
    rest
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn service(state: &str, now: &Value, before: &Value) -> Update {
        Update::read(&json!({
            "Spec": now,
            "PreviousSpec": before,
            "UpdateStatus": {
                "State": state, "Message": "why", "StartedAt": "2026-11-25T10:00:00.5Z",
            },
        }))
    }

    fn specification(image: &str, force: u64, secret: &str) -> Value {
        json!({
            "Name": "web",
            "TaskTemplate": {
                "ContainerSpec": {"Image": image, "Secrets": [{"SecretID": secret}]},
                "ForceUpdate": force,
            },
            "UpdateConfig": {"Delay": force},
        })
    }

    #[test]
    fn a_rollout_is_told_from_what_somebody_else_changes() {
        let before = specification("nginx:1", 1, "a");
        for (now, rollout) in [
            (specification("nginx:1", 2, "a"), true),
            (specification("nginx:1", 1, "b"), true),
            (specification("nginx:2", 2, "a"), false),
            (specification("nginx:2", 1, "a"), false),
        ] {
            assert_eq!(service("updating", &now, &before).rollout, rollout, "{now}");
        }
        let first = specification("nginx:1", 0, "a");
        assert!(!service("updating", &first, &Value::Null).rollout);
    }

    #[test]
    fn a_service_is_asked_for_the_same_until_people_change_it() {
        let asked = |change: &dyn Fn(&mut Value)| {
            let mut specification = specification("nginx:1", 1, "a");
            change(&mut specification);
            super::asked(&specification)
        };
        let before = asked(&|_| ());
        for same in [
            asked(&|it| it["TaskTemplate"]["ForceUpdate"] = json!(2)),
            asked(&|it| it["TaskTemplate"]["ContainerSpec"]["Secrets"] = json!([])),
            asked(&|it| it["UpdateConfig"]["Delay"] = json!(5)),
            asked(&|it| it["Mode"] = json!({"Replicated": {"Replicas": 5}})),
        ] {
            assert_eq!(same, before);
        }
        for other in [
            asked(&|it| it["Labels"]["rollover.strategy"] = json!("signal")),
            asked(&|it| it["TaskTemplate"]["ContainerSpec"]["Image"] = json!("nginx:2")),
            asked(&|it| it["UpdateConfig"]["Order"] = json!("stop-first")),
        ] {
            assert_ne!(other, before);
        }
        // It is kept, so that the next version of this program must find the same.
        insta::assert_snapshot!(before, @"29b0543463f8cf88");
    }

    #[test]
    fn states_are_read_as_swarm_writes_them() {
        let spec = specification("nginx:1", 1, "a");
        let state = |word: &str| service(word, &spec, &spec).state;
        assert_eq!(state("updating"), UpdateState::Running);
        assert_eq!(state("completed"), UpdateState::Completed);
        for word in [
            "paused",
            "rollback_started",
            "rollback_paused",
            "rollback_completed",
        ] {
            assert_eq!(state(word), UpdateState::GivenUp(word.to_owned()));
        }
        assert_eq!(Update::read(&json!({})).state, UpdateState::None);
        let started = service("updating", &spec, &spec).started_at.unwrap();
        assert_eq!(started.to_string(), "2026-11-25T10:00:00.5Z");
    }
}
