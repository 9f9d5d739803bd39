//! A node is taken away: the container that it is, on the host's engine.

use std::fmt;

use super::container::Place;
use super::members::{self, Members};
use super::{Active, Fault, How, Pending, mending};
use crate::lab::Lab;
use crate::volume;

/// A node is killed, stopped or paused, with all that runs on it. It comes back
/// when the fault ends, and is ready in the swarm again then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeFault {
    /// The node's name: `node-2`.
    pub node: String,
    /// How it is taken away.
    pub how: How,
}

impl NodeFault {
    /// It is killed, as by a power cut, and is started again.
    #[must_use]
    pub fn killed(node: impl Into<String>) -> Self {
        Self {
            node: node.into(),
            how: How::Killed,
        }
    }

    /// It is shut down in order, and is started again.
    #[must_use]
    pub fn stopped(node: impl Into<String>) -> Self {
        Self {
            node: node.into(),
            how: How::Stopped,
        }
    }

    /// It is frozen, and goes on.
    #[must_use]
    pub fn paused(node: impl Into<String>) -> Self {
        Self {
            node: node.into(),
            how: How::Paused,
        }
    }
}

impl Fault for NodeFault {
    fn node(&self) -> Option<&str> {
        Some(&self.node)
    }

    fn inject<'a>(&'a self, lab: &'a Lab) -> Pending<'a, Active> {
        Box::pin(async move {
            let node = members::node(lab, &self.node)?;
            let members = Members::before(lab, node).await?;
            let place = Place::new(node.host(), node.container_id());
            let (mended, how, container) = (place.clone(), self.how, node.container().clone());
            let on_gluster = lab.volume().gluster().is_some();
            let mend = mending(move || async move {
                match how {
                    How::Paused => mended.unpause().await?,
                    How::Killed | How::Stopped => mended.start().await?,
                }
                // The engine mounts again what it has mounted; this, the lab has.
                if on_gluster && how != How::Paused {
                    volume::mount_again(&container).await?;
                }
                members.again().await
            });
            let active = Active::new(self, lab, Some(mend));
            place.take(how).await?;
            Ok(active)
        })
    }
}

impl fmt::Display for NodeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}", self.node, self.how)
    }
}
