//! The first process of a container stands still.

use std::fmt;

use super::{Active, Fault, Pending, Replica, mending};
use crate::lab::{Lab, Node};

/// The first process of a task's container is stopped (SIGSTOP), and goes on when
/// the fault ends. Its children go on meanwhile: an nginx then serves as ever, by
/// its workers, and loads nothing anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstProcessStopped {
    /// Which task.
    pub replica: Replica,
}

impl FirstProcessStopped {
    /// That of this task.
    #[must_use]
    pub fn of(replica: Replica) -> Self {
        Self { replica }
    }
}

impl Fault for FirstProcessStopped {
    fn inject<'a>(&'a self, lab: &'a Lab) -> Pending<'a, Active> {
        Box::pin(async move {
            let task = self.replica.task(lab).await?;
            let stopped = task.clone();
            let mend = mending(move || async move { stopped.kill("CONT").await });
            let active = Active::on(task.place().map(Node::name), self, lab, Some(mend));
            task.kill("STOP").await?;
            Ok(active)
        })
    }
}

impl fmt::Display for FirstProcessStopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the first process of {} is stopped", self.replica)
    }
}
