//! What swarm says of each task of a service, ended ones too.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::swarm::{SwarmError, nodes, unreadable};
use crate::docker::Manager;

/// A task, and what swarm says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TaskView {
    pub(crate) id: String,
    /// Such as `replica 2 on node-3`.
    pub(crate) replica: String,
    pub(crate) state: String,
    /// Swarm's message, and the task's error after it.
    pub(crate) said: String,
    /// Whether swarm wants it to run.
    pub(crate) wanted: bool,
    /// What it was made from: swarm compares it with what its service wants.
    made_from: Value,
}

impl TaskView {
    /// Whether it ended by itself, or never began, with an error.
    pub(crate) fn failed(&self) -> bool {
        matches!(self.state.as_str(), "failed" | "rejected")
    }

    /// Whether it is as a service of that specification wants it, so that no
    /// update has it replaced.
    pub(crate) fn is_made_from(&self, specification: &Value) -> bool {
        let (wanted, made_from) = (&specification["TaskTemplate"], &self.made_from);
        let fields = ["ContainerSpec", "ForceUpdate"];
        fields.iter().all(|field| wanted[field] == made_from[field])
    }
}

/// All tasks of a service that swarm remembers, the newest first.
pub(crate) async fn tasks(manager: &Manager, service: &str) -> Result<Vec<TaskView>, SwarmError> {
    // Percent-encoded {"service":{"ID":true}}; the ID is swarm's own, letters
    // and digits.
    let path = format!("/tasks?filters=%7B%22service%22%3A%7B%22{service}%22%3Atrue%7D%7D");
    let answer = manager.raw.get(&path).await;
    let answer = answer.map_err(|error| unreadable(&error))?;
    let mut tasks: Vec<WireTask> =
        serde_json::from_value(answer).map_err(|error| unreadable(&error))?;
    tasks.sort_by_key(|task| std::cmp::Reverse(task.created_at));
    let nodes = nodes(&manager.docker).await?;
    let node = |id: &str| {
        let name = nodes.get(id).and_then(|node| node.name.clone());
        name.unwrap_or_else(|| id.to_owned())
    };
    Ok(tasks.into_iter().map(|task| task.view(node)).collect())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireTask {
    #[serde(rename = "ID")]
    id: String,
    #[serde(default)]
    created_at: Option<Timestamp>,
    #[serde(default)]
    slot: i64,
    #[serde(default, rename = "NodeID")]
    node_id: String,
    status: WireStatus,
    #[serde(default)]
    desired_state: String,
    #[serde(default)]
    spec: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireStatus {
    state: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    err: String,
}

impl WireTask {
    fn view(self, node: impl Fn(&str) -> String) -> TaskView {
        let place = match self.node_id.as_str() {
            "" => "no node yet".to_owned(),
            id => format!("on {}", node(id)),
        };
        let replica = match self.slot {
            0 => format!("replica {place}"),
            slot => format!("replica {slot} {place}"),
        };
        let WireStatus {
            state,
            message,
            err,
        } = self.status;
        let said = [message, err];
        let said: Vec<_> = said.into_iter().filter(|text| !text.is_empty()).collect();
        TaskView {
            id: self.id,
            replica,
            state,
            said: said.join(": "),
            wanted: self.desired_state == "running",
            made_from: self.spec,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use super::*;

    /// A task of replica 1, made from a template with that counter.
    pub(crate) fn task(id: &str, state: &str, said: &str, force: u64) -> TaskView {
        TaskView {
            id: id.to_owned(),
            replica: "replica 1 on node-1".to_owned(),
            state: state.to_owned(),
            said: said.to_owned(),
            wanted: state != "failed",
            made_from: json!({"ContainerSpec": {"Image": "nginx"}, "ForceUpdate": force}),
        }
    }

    /// A service whose template has that counter.
    pub(crate) fn specification(force: u64) -> Value {
        json!({"TaskTemplate": {"ContainerSpec": {"Image": "nginx"}, "ForceUpdate": force}})
    }

    #[test]
    fn a_task_is_told_with_its_message_and_its_error() {
        let wire = json!({
            "ID": "t1", "Slot": 2, "NodeID": "n3", "DesiredState": "shutdown",
            "Status": {"State": "failed", "Message": "started", "Err": "task: non-zero exit (1)"},
        });
        let task: WireTask = serde_json::from_value(wire).unwrap();
        let view = task.view(|id| format!("node-{id}"));
        assert_eq!(view.replica, "replica 2 on node-n3");
        assert_eq!(view.said, "started: task: non-zero exit (1)");
        assert!(view.failed() && !view.wanted);
    }

    #[test]
    fn a_task_is_current_when_it_is_made_as_its_service_says() {
        let task = task("t1", "running", "started", 2);
        assert!(task.is_made_from(&specification(2)));
        assert!(!task.is_made_from(&specification(3)));
        assert!(!task.is_made_from(&json!({"TaskTemplate": {"ForceUpdate": 2}})));
    }
}
