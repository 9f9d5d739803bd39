//! A node is told to take no more tasks, or to give up those that it has.

use std::fmt;

use super::members;
use super::{Active, Fault, Pending, mending};
use crate::lab::managers::Managers;
use crate::lab::{Lab, LabError, Node};

/// A node's availability is changed, as by a person who maintains it. It is
/// active again when the fault ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unavailable {
    /// The node's name: `node-2`.
    pub node: String,
    /// What is asked of it.
    pub how: Availability,
}

/// What swarm may do with a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Availability {
    /// It gets no new tasks, those of jobs among them; what it has goes on.
    Pause,
    /// What it has is moved to other nodes.
    Drain,
}

impl Unavailable {
    /// It is paused.
    #[must_use]
    pub fn paused(node: impl Into<String>) -> Self {
        Self {
            node: node.into(),
            how: Availability::Pause,
        }
    }

    /// It is drained; what it has takes its own drain to be gone.
    #[must_use]
    pub fn drained(node: impl Into<String>) -> Self {
        Self {
            node: node.into(),
            how: Availability::Drain,
        }
    }
}

impl Fault for Unavailable {
    fn node(&self) -> Option<&str> {
        Some(&self.node)
    }

    fn inject<'a>(&'a self, lab: &'a Lab) -> Pending<'a, Active> {
        Box::pin(async move {
            let node = members::node(lab, &self.node)?.name().to_owned();
            let managers = lab.managers().to_vec();
            let mend = mending(move || async move { be(&managers, "active", &node).await });
            let active = Active::new(self, lab, Some(mend));
            be(lab.managers(), &self.how.to_string(), &self.node).await?;
            Ok(active)
        })
    }
}

async fn be(managers: &[Node], availability: &str, node: &str) -> Result<(), LabError> {
    let command = [
        "docker",
        "node",
        "update",
        "--availability",
        availability,
        node,
    ];
    let updated = Managers(managers).ask(async |manager| {
        let output = manager.exec(&command).await?;
        output.succeeded(&command.join(" "))
    });
    updated.await.map(drop)
}

impl fmt::Display for Availability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pause => "pause",
            Self::Drain => "drain",
        })
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = match self.how {
            Availability::Pause => "takes no more tasks",
            Availability::Drain => "is drained",
        };
        write!(f, "{} {how}", self.node)
    }
}
