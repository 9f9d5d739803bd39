//! A task's container is taken away, behind the swarm's back.

use std::fmt;
use std::time::Duration;

use super::container::Place;
use super::{Active, Fault, How, Pending, mending};
use crate::lab::{Lab, LabError, Node, Task, wait};

/// A task that an earlier fault took is there again after this at the latest.
const TO_RUN: Duration = Duration::from_secs(60);

/// The container of a running task is killed, stopped or paused.
///
/// Paused, it goes on when the fault ends. Killed or stopped, it is the swarm's
/// to replace, and there is nothing to mend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskFault {
    /// Which task.
    pub replica: Replica,
    /// How it is taken away.
    pub how: How,
}

/// A task of a service by what stays the same when the swarm replaces it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replica {
    /// The service's full name: `patch_loadbalancer`.
    pub service: String,
    /// Which of its tasks.
    pub which: Which,
}

/// Which of a service's tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// The one in that slot, from 1.
    Slot(i64),
    /// The first on the node of that name.
    On(String),
}

impl Replica {
    /// The task of `service` in a slot, from 1.
    #[must_use]
    pub fn in_slot(service: impl Into<String>, slot: i64) -> Self {
        Self {
            service: service.into(),
            which: Which::Slot(slot),
        }
    }

    /// The first task of `service` on a node.
    #[must_use]
    pub fn on(service: impl Into<String>, node: impl Into<String>) -> Self {
        Self {
            service: service.into(),
            which: Which::On(node.into()),
        }
    }

    /// The task that it is now, once it runs.
    ///
    /// # Errors
    /// When none runs within a minute.
    pub async fn task(&self, lab: &Lab) -> Result<Task, LabError> {
        let what = format!("{self} run");
        Ok(wait::until(what, TO_RUN, async || {
            let tasks = lab.service(&self.service).running().await?;
            let mut tasks = tasks.into_iter();
            tasks
                .find(|task| self.is(task) && task.container.is_some())
                .ok_or_else(|| LabError::NoTask {
                    service: self.service.clone(),
                    sought: self.which.to_string(),
                })
        })
        .await?)
    }

    fn is(&self, task: &Task) -> bool {
        match &self.which {
            Which::Slot(slot) => task.slot == Some(*slot),
            Which::On(node) => task.node == *node,
        }
    }
}

impl TaskFault {
    /// It is killed.
    #[must_use]
    pub fn killed(replica: Replica) -> Self {
        let how = How::Killed;
        Self { replica, how }
    }

    /// It is stopped, with its own signal and grace.
    #[must_use]
    pub fn stopped(replica: Replica) -> Self {
        let how = How::Stopped;
        Self { replica, how }
    }

    /// It is paused.
    #[must_use]
    pub fn paused(replica: Replica) -> Self {
        let how = How::Paused;
        Self { replica, how }
    }
}

impl Fault for TaskFault {
    fn node(&self) -> Option<&str> {
        match &self.replica.which {
            Which::On(node) => Some(node),
            Which::Slot(_) => None,
        }
    }

    fn inject<'a>(&'a self, lab: &'a Lab) -> Pending<'a, Active> {
        Box::pin(async move {
            let task = self.replica.task(lab).await?;
            let place = Place::of(&task)?;
            let mended = place.clone();
            let mend = (self.how == How::Paused)
                .then(|| mending(move || async move { mended.unpause().await }));
            let node = task.place().map(Node::name);
            let active = Active::on(node, self, lab, mend);
            place.take(self.how).await?;
            Ok(active)
        })
    }
}

impl fmt::Display for TaskFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}", self.replica, self.how)
    }
}

impl fmt::Display for Replica {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.service, self.which)
    }
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slot(slot) => write!(f, "in slot {slot}"),
            Self::On(node) => write!(f, "on {node}"),
        }
    }
}
