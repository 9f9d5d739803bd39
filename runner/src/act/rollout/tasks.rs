//! The tasks of an update, one by one: each change is logged, and what those
//! that failed said is kept for the error.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tracing::info;

use crate::docker::Manager;
use crate::model::Target;
use crate::observe::swarm::SwarmError;
use crate::observe::tasks::{TaskView, tasks};

/// How many are told in an error; a replica that cannot start is tried often.
const TOLD: usize = 5;

/// What is known of a service's tasks.
#[derive(Default)]
pub(super) struct Tasks {
    /// Those that were there before the update: how they end is its doing.
    before: BTreeSet<String>,
    /// The state in which each was last seen.
    states: BTreeMap<String, String>,
    last: Vec<TaskView>,
}

impl Tasks {
    /// Notes the tasks that are there before anything is changed.
    pub(super) async fn note_those_before(
        &mut self,
        manager: &Manager,
        service: &str,
    ) -> Result<(), SwarmError> {
        let now = tasks(manager, service).await?;
        self.before = now.into_iter().map(|task| task.id).collect();
        Ok(())
    }

    /// One look; what has changed since the last is logged. That the swarm
    /// cannot be read for a moment changes nothing.
    pub(super) async fn look(&mut self, manager: &Manager, target: &Target) {
        let Ok(now) = tasks(manager, &target.id).await else {
            return;
        };
        for line in self.changes(now) {
            info!(service = target.name, "{line}");
        }
    }

    fn changes(&mut self, now: Vec<TaskView>) -> Vec<String> {
        let mut changes = Vec::new();
        for task in now.iter().filter(|task| !self.before.contains(&task.id)) {
            let before = self.states.insert(task.id.clone(), task.state.clone());
            if before.as_ref() != Some(&task.state) {
                changes.push(told(task));
            }
        }
        self.last = now;
        changes
    }

    /// How many swarm wants to run.
    pub(super) fn wanted(&self) -> usize {
        self.last.iter().filter(|task| task.wanted).count()
    }

    /// Whether each that swarm wants to run does, and is made as the service says:
    /// then there is nothing to update.
    pub(super) fn all_current(&self, service: &Value) -> bool {
        let current =
            |task: &TaskView| task.state == "running" && task.is_made_from(&service["Spec"]);
        let mut wanted = self.last.iter().filter(|task| task.wanted).peekable();
        wanted.peek().is_some() && wanted.all(current)
    }

    /// What the tasks say that the update has made: those that failed, or else
    /// those that do not run as they should.
    pub(super) fn said(&self) -> String {
        let new: Vec<_> = self
            .last
            .iter()
            .filter(|task| !self.before.contains(&task.id))
            .collect();
        let of = |filter: fn(&TaskView) -> bool| -> Vec<String> {
            let tasks = new.iter().filter(|task| filter(task));
            tasks.take(TOLD).map(|task| told(task)).collect()
        };
        let failed = of(TaskView::failed);
        let told = if failed.is_empty() {
            of(|task| task.wanted)
        } else {
            failed
        };
        if told.is_empty() {
            return "it has made no task".to_owned();
        }
        told.join("; ")
    }
}

fn told(task: &TaskView) -> String {
    let id: String = task.id.chars().take(12).collect();
    let TaskView {
        replica,
        state,
        said,
        ..
    } = task;
    format!("{replica} (task {id}) is {state}: {said}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::observe::tasks::tests::{specification, task as made};

    fn task(id: &str, state: &str, said: &str) -> TaskView {
        made(id, state, said, 1)
    }

    #[test]
    fn each_change_is_told_once_and_the_tasks_of_before_are_not() {
        let mut tasks = Tasks {
            before: BTreeSet::from(["old".to_owned()]),
            ..Tasks::default()
        };
        let starting = || {
            vec![
                task("new", "starting", "starting"),
                task("old", "shutdown", ""),
            ]
        };
        let told = tasks.changes(starting());
        assert_eq!(
            told,
            ["replica 1 on node-1 (task new) is starting: starting"]
        );
        assert!(tasks.changes(starting()).is_empty());
        assert_eq!(
            tasks.changes(vec![task("new", "running", "started")]).len(),
            1
        );
    }

    #[test]
    fn what_failed_tasks_said_is_told_before_all_else() {
        let mut tasks = Tasks {
            before: BTreeSet::from(["old".to_owned()]),
            ..Tasks::default()
        };
        assert_eq!(tasks.said(), "it has made no task");
        tasks.changes(vec![
            task("again", "preparing", "preparing"),
            task("new", "failed", "started: task: non-zero exit (1)"),
            task("old", "failed", "somebody killed it yesterday"),
        ]);
        insta::assert_snapshot!(tasks.said(), @"replica 1 on node-1 (task new) is failed: started: task: non-zero exit (1)");
        tasks.changes(vec![task("again", "pending", "no suitable node")]);
        insta::assert_snapshot!(tasks.said(), @"replica 1 on node-1 (task again) is pending: no suitable node");
    }

    #[test]
    fn there_is_nothing_to_update_when_all_run_as_the_service_says() {
        let mut tasks = Tasks::default();
        let service = json!({"Spec": specification(1)});
        assert!(!tasks.all_current(&service), "none was seen yet");
        tasks.last = vec![task("new", "running", ""), made("old", "failed", "", 0)];
        assert!(tasks.all_current(&service));
        tasks.last.push(made("behind", "running", "", 0));
        assert!(!tasks.all_current(&service));
        tasks.last = vec![task("new", "starting", "")];
        assert!(!tasks.all_current(&service));
    }
}
