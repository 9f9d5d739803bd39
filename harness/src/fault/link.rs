//! A node's link becomes slow.

use std::fmt;
use std::time::Duration;

use super::members;
use super::network::interface;
use super::{Active, Fault, Pending, mending};
use crate::lab::{Lab, LabError, Node};

/// What a node sends, its containers too, becomes slow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlowLink {
    /// The node's name: `node-3`.
    pub node: String,
    /// In what way.
    pub slow: Slow,
}

/// In what way a link is slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slow {
    /// So many kilobits a second go through it.
    Narrow(u32),
    /// Every packet is late by that much. It takes a kernel with `netem`.
    Late(Duration),
}

impl SlowLink {
    /// So many kilobits a second, from 8 on.
    #[must_use]
    pub fn narrow(node: impl Into<String>, kilobits: u32) -> Self {
        Self {
            node: node.into(),
            slow: Slow::Narrow(kilobits.max(8)),
        }
    }

    /// Every packet late by `delay`.
    #[must_use]
    pub fn late(node: impl Into<String>, delay: Duration) -> Self {
        Self {
            node: node.into(),
            slow: Slow::Late(delay),
        }
    }

    /// The queue in the words of tc(8).
    fn queue(&self) -> String {
        match self.slow {
            // Room for a packet of the largest size, and for what waits.
            Slow::Narrow(kilobits) => {
                format!("tbf rate {kilobits}kbit burst 16kb latency 400ms")
            }
            Slow::Late(delay) => format!("netem delay {}us", delay.as_micros()),
        }
    }

    async fn make_slow(&self, node: &Node, interface: &str) -> Result<(), LabError> {
        let queue = self.queue();
        let tc = ["tc", "qdisc", "add", "dev", interface, "root"];
        let words: Vec<&str> = tc.into_iter().chain(queue.split(' ')).collect();
        let output = node.exec(&words).await?;
        if output.stderr.contains("qdisc kind is unknown") {
            let kind = words[tc.len()];
            return Err(LabError::Unsupported {
                what: self.to_string(),
                reason: format!(
                    "the kernel has no {kind} (CONFIG_NET_SCH_{})",
                    kind.to_uppercase()
                ),
            });
        }
        output.succeeded(&words.join(" "))?;
        Ok(())
    }
}

impl Fault for SlowLink {
    fn node(&self) -> Option<&str> {
        Some(&self.node)
    }

    fn inject<'a>(&'a self, lab: &'a Lab) -> Pending<'a, Active> {
        Box::pin(async move {
            let node = members::node(lab, &self.node)?;
            let interface = interface(node).await?;
            // The kernel has taken the queue when tc has ended: what it does to
            // packets is seen from then on.
            self.make_slow(node, &interface).await?;
            let node = node.clone();
            let mend = mending(move || async move {
                let words = ["tc", "qdisc", "del", "dev", &interface, "root"];
                node.exec(&words).await?.succeeded(&words.join(" "))?;
                Ok(())
            });
            Ok(Active::new(self, lab, Some(mend)))
        })
    }
}

impl fmt::Display for SlowLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.slow {
            Slow::Narrow(kilobits) => write!(f, "{} sends {kilobits} kbit/s", self.node),
            Slow::Late(delay) => write!(f, "{} sends {delay:?} late", self.node),
        }
    }
}
