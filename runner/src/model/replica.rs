//! A replica of a target, and what it was seen to serve.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use serde::Serialize;

use super::Leaf;

/// A task of a target that swarm wants running.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Replica {
    /// Swarm's ID of the task.
    pub(crate) task: String,
    /// Its slot, or 0 in a global service.
    pub(crate) slot: i64,
    /// The host name of its node, or the node's ID when it is not known; empty while
    /// swarm has found it no node.
    pub(crate) node: String,
    /// How the runner can reach it, if it can.
    pub(crate) reach: Option<Reach>,
    /// Why no job can run on its node now; none if one can.
    pub(crate) no_jobs: Option<NoJobs>,
    /// Whether swarm says that it runs (its health check, if any, passes).
    pub(crate) running: bool,
    /// What swarm says of it: state, and error if any.
    pub(crate) state: String,
}

/// How the runner can reach one replica and no other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reach {
    /// At its own address, on an overlay network of both: the network by swarm's
    /// ID of it.
    Overlay { address: IpAddr, network: String },
    /// At its node's address, by the ports that it publishes in host mode: those
    /// inside the replica, and those of the node that lead there.
    Host {
        node: IpAddr,
        ports: BTreeMap<u16, u16>,
    },
}

impl Replica {
    /// Where the runner reaches the replica's own `port`.
    pub(crate) fn endpoint(&self, port: u16) -> Option<SocketAddr> {
        match self.reach.as_ref()? {
            Reach::Overlay { address, .. } => Some(SocketAddr::new(*address, port)),
            Reach::Host { node, ports } => Some(SocketAddr::new(*node, *ports.get(&port)?)),
        }
    }

    /// The network on which whoever asks must be, if it must be on one.
    pub(crate) fn network(&self) -> Option<&str> {
        match self.reach.as_ref()? {
            Reach::Overlay { network, .. } => Some(network),
            Reach::Host { .. } => None,
        }
    }

    /// How people are told of it: `replica 2 on node-3`.
    pub(crate) fn name(&self) -> String {
        let place = match self.node.as_str() {
            "" => "without a node".to_owned(),
            node => format!("on {node}"),
        };
        match self.slot {
            0 => format!("replica {place}"),
            slot => format!("replica {slot} {place}"),
        }
    }
}

/// What keeps swarm from placing a job's task on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum NoJobs {
    /// A person paused it: what runs there goes on.
    Paused,
    /// A person drains it: what runs there is being moved.
    Drained,
    /// Its manager does not hear of it.
    Away,
}

/// The result of one look at what a replica serves for a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Serving {
    /// A full handshake ended, and this was the leaf.
    Leaf(Leaf),
    /// No handshake came about; why.
    Unreachable(String),
}

impl Serving {
    /// The leaf, if one was served.
    pub(crate) fn leaf(&self) -> Option<&Leaf> {
        match self {
            Self::Leaf(leaf) => Some(leaf),
            Self::Unreachable(_) => None,
        }
    }
}
