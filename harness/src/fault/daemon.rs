//! A node's daemon is taken away, and the node itself stays.

use std::fmt;
use std::time::Duration;

use super::members::{self, Members};
use super::{Active, Fault, How, Pending, mending};
use crate::lab::{Lab, LabError, Node, wait};

/// Stopping in order takes as long as the grace of the containers.
const DEADLINE: Duration = Duration::from_secs(45);
/// Longer than an answer takes on a busy machine.
const ANSWER: Duration = Duration::from_secs(2);
/// dockerd, and containerd, which is its child.
const FREEZE: &str = "kill -STOP $(cat /run/daemon.pid) && pkill -STOP -x containerd";
const THAW: &str = "pkill -CONT -x containerd; kill -CONT $(cat /run/daemon.pid)";

/// A node's daemon is killed, stopped or paused. Its containers end with it but
/// where it is killed or paused; when the fault ends it runs again, and the node
/// is ready in the swarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DaemonFault {
    /// The node's name: `node-2`.
    pub node: String,
    /// How its daemon is taken away.
    pub how: How,
}

impl DaemonFault {
    /// It is killed: its containers run on until it starts again, which ends them.
    #[must_use]
    pub fn killed(node: impl Into<String>) -> Self {
        Self {
            node: node.into(),
            how: How::Killed,
        }
    }

    /// It is stopped in order, and its containers with it.
    #[must_use]
    pub fn stopped(node: impl Into<String>) -> Self {
        Self {
            node: node.into(),
            how: How::Stopped,
        }
    }

    /// It is frozen: its API takes connections and answers nothing.
    #[must_use]
    pub fn paused(node: impl Into<String>) -> Self {
        Self {
            node: node.into(),
            how: How::Paused,
        }
    }

    async fn take(&self, node: &Node) -> Result<(), LabError> {
        let command: &[&str] = match self.how {
            How::Killed => &["daemon", "kill"],
            How::Stopped => &["daemon", "stop"],
            How::Paused => &["sh", "-c", FREEZE],
        };
        node.exec(command).await?.succeeded(&command.join(" "))?;
        Ok(())
    }
}

async fn give_back(node: &Node, how: How) -> Result<(), LabError> {
    let command: &[&str] = match how {
        How::Killed | How::Stopped => &["daemon", "start"],
        How::Paused => &["sh", "-c", THAW],
    };
    node.exec(command).await?.succeeded(&command.join(" "))?;
    Ok(())
}

async fn seen_away(node: &Node) -> Result<(), LabError> {
    let what = format!("the daemon of {} answer no more", node.name());
    Ok(wait::until(what, DEADLINE, async || {
        match tokio::time::timeout(ANSWER, node.docker().ping()).await {
            Ok(Ok(_)) => Err("it answers"),
            Ok(Err(_)) | Err(_) => Ok(()),
        }
    })
    .await?)
}

impl Fault for DaemonFault {
    fn node(&self) -> Option<&str> {
        Some(&self.node)
    }

    fn inject<'a>(&'a self, lab: &'a Lab) -> Pending<'a, Active> {
        Box::pin(async move {
            let node = members::node(lab, &self.node)?;
            let members = Members::before(lab, node).await?;
            let (mended, how) = (node.clone(), self.how);
            let mend = mending(move || async move {
                give_back(&mended, how).await?;
                members.again().await
            });
            let active = Active::new(self, lab, Some(mend));
            self.take(node).await?;
            seen_away(node).await?;
            Ok(active)
        })
    }
}

impl fmt::Display for DaemonFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the daemon of {} is {}", self.node, self.how)
    }
}
