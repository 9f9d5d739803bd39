//! Which nodes the swarm had before a fault, to wait for after it.

use std::time::Duration;

use bollard::models::LocalNodeState;

use crate::lab::{Doing, Lab, LabError, Node, swarm, wait};

/// A daemon that starts again also starts its containers again.
const DAEMON_DEADLINE: Duration = Duration::from_secs(60);

/// The node of that name.
pub(super) fn node<'lab>(lab: &'lab Lab, name: &str) -> Result<&'lab Node, LabError> {
    lab.node(name).ok_or_else(|| LabError::NoNode {
        name: name.to_owned(),
        known: lab.nodes().iter().map(|n| n.name().to_owned()).collect(),
    })
}

/// The nodes that a fault at one node takes from the swarm.
#[derive(Clone)]
pub(super) struct Members {
    manager: Node,
    node: Node,
    ready: Vec<String>,
}

impl Members {
    /// Those that are ready now and would not be: the node, and where it is the
    /// only manager, all others too, which lose their sessions with it.
    pub(super) async fn before(lab: &Lab, node: &Node) -> Result<Self, LabError> {
        let mut others = lab.managers().iter().filter(|m| m.name() != node.name());
        let other = others.next();
        let manager = other.unwrap_or(node);
        let ready = if other.is_none() {
            swarm::ready_names(manager).await?.into_iter().collect()
        } else {
            vec![node.name().to_owned()]
        };
        Ok(Self {
            manager: manager.clone(),
            node: node.clone(),
            ready,
        })
    }

    /// Waits until they are all there again.
    pub(super) async fn again(&self) -> Result<(), LabError> {
        // The manager takes some time to see that a node is away; so one that it
        // sees ready may not be back yet.
        self.active().await?;
        swarm::wait_ready(&self.manager, &self.ready).await
    }

    /// Waits until the node's own daemon says that it is in the swarm.
    async fn active(&self) -> Result<(), LabError> {
        let name = self.node.name();
        let what = format!("the daemon of {name} be in the swarm again");
        Ok(wait::until(what, DAEMON_DEADLINE, async || {
            let info = self.node.docker().info().await;
            let info = info.doing(|| format!("ask the daemon of {name}"));
            let swarm = info.map_err(|e| e.to_string())?.swarm.unwrap_or_default();
            match swarm.local_node_state {
                Some(LocalNodeState::ACTIVE) => Ok(()),
                state => Err(format!("its state is {state:?}: {:?}", swarm.error)),
            }
        })
        .await?)
    }
}
