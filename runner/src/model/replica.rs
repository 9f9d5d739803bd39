//! A replica of a target, and what it was seen to serve.

use std::net::IpAddr;

use serde::Serialize;

use super::Leaf;

/// A task of a target that swarm wants running.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Replica {
    /// Swarm's ID of the task.
    pub(crate) task: String,
    /// Its slot, or 0 in a global service.
    pub(crate) slot: i64,
    /// The host name of its node, or the node's ID when it is not known.
    pub(crate) node: String,
    /// The address at which the runner can reach it, on a network of both.
    pub(crate) address: Option<IpAddr>,
    /// Whether swarm says that it runs (its health check, if any, passes).
    pub(crate) running: bool,
    /// What swarm says of it: state, and error if any.
    pub(crate) state: String,
}

impl Replica {
    /// How people are told of it: `replica 2 on node-3`.
    pub(crate) fn name(&self) -> String {
        if self.slot == 0 {
            format!("replica on {}", self.node)
        } else {
            format!("replica {} on {}", self.slot, self.node)
        }
    }
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
