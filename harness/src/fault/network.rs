//! A node is cut off from the others: packets vanish, and nobody is told.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpStream;

use super::members::{self, Members};
use super::{Active, Fault, Pending, mending};
use crate::lab::{Lab, LabError, Node, wait};

const DEADLINE: Duration = Duration::from_secs(20);
/// Longer than a connection on one machine takes.
const CONNECTION: Duration = Duration::from_millis(500);
/// Where the swarm's gossip listens on every node.
const GOSSIP: u16 = 7946;

/// Which packets vanish, as the node sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// All.
    Both,
    /// Those that would come in: the node speaks and hears nothing.
    Inbound,
    /// Those that would go out: the node hears and cannot speak.
    Outbound,
}

/// A node is cut off from the lab's network, with its containers: from
/// everybody, or from some addresses. Its daemon's socket is still there for
/// the lab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CutOff {
    /// The node's name: `node-3`.
    pub node: String,
    /// Which packets vanish.
    pub direction: Direction,
    /// From whom; empty for everybody, this machine too.
    pub from: Vec<Ipv4Addr>,
}

impl CutOff {
    /// Nothing comes in and nothing goes out.
    #[must_use]
    pub fn both_ways(node: impl Into<String>) -> Self {
        Self::new(node, Direction::Both)
    }

    /// Nothing comes in.
    #[must_use]
    pub fn inbound(node: impl Into<String>) -> Self {
        Self::new(node, Direction::Inbound)
    }

    /// Nothing goes out.
    #[must_use]
    pub fn outbound(node: impl Into<String>) -> Self {
        Self::new(node, Direction::Outbound)
    }

    /// Only to and from that address (one more, if it is called again).
    #[must_use]
    pub fn from(mut self, address: Ipv4Addr) -> Self {
        self.from.push(address);
        self
    }

    fn new(node: impl Into<String>, direction: Direction) -> Self {
        Self {
            node: node.into(),
            direction,
            from: Vec::new(),
        }
    }

    /// The rules that drop the packets, in the words of iptables(8) after
    /// `--append` and `--delete`. In the tables that come before Docker's own
    /// rules and that Docker leaves alone.
    fn rules(&self, interface: &str) -> Vec<String> {
        let mut rules = Vec::new();
        let mut add = |table: &str, chain: &str, side: &str, peer: &str| {
            let peers: Vec<String> = match self.from.as_slice() {
                [] => vec![String::new()],
                some => some.iter().map(|a| format!(" {peer} {a}")).collect(),
            };
            rules.extend(peers.iter().map(|peer| {
                format!("--table {table} CHANGE {chain} {side} {interface}{peer} --jump DROP")
            }));
        };
        if self.direction != Direction::Outbound {
            add("mangle", "PREROUTING", "--in-interface", "--source");
        }
        if self.direction != Direction::Inbound {
            add("mangle", "POSTROUTING", "--out-interface", "--destination");
        }
        rules
    }
}

impl Fault for CutOff {
    fn node(&self) -> Option<&str> {
        Some(&self.node)
    }

    fn inject<'a>(&'a self, lab: &'a Lab) -> Pending<'a, Active> {
        Box::pin(async move {
            let node = members::node(lab, &self.node)?;
            let members = Members::before(lab, node).await?;
            let rules = self.rules(&interface(node).await?);
            let (mended, undone) = (node.clone(), rules.clone());
            let from_here = self.from.is_empty();
            let mend = mending(move || async move {
                restore(&mended, &undone).await?;
                if from_here {
                    reachable(&mended, true).await?;
                }
                members.again().await
            });
            let active = Active::new(self, lab, Some(mend));
            for rule in &rules {
                iptables(node, "--append", rule).await?;
            }
            if from_here {
                reachable(node, false).await?;
            }
            Ok(active)
        })
    }
}

/// The interface that has the node's address.
pub(super) async fn interface(node: &Node) -> Result<String, LabError> {
    let address = node.address().to_string();
    let command = ["ip", "-oneline", "-4", "address", "show", "to", &address];
    let listed = node.exec(&command).await?.succeeded("ip address show")?;
    // `7: eth0    inet 172.28.0.11/24 brd …`
    let name = listed.stdout.split_whitespace().nth(1).map(str::to_owned);
    name.ok_or_else(|| LabError::Answer {
        doing: "look for the interface of",
        address,
        expected: "one line of ip address show",
        found: listed.stdout,
    })
}

async fn iptables(node: &Node, change: &str, rule: &str) -> Result<(), LabError> {
    let rule = rule.replace("CHANGE", change);
    let words: Vec<&str> = ["iptables", "--wait"]
        .into_iter()
        .chain(rule.split(' '))
        .collect();
    node.exec(&words).await?.succeeded(&words.join(" "))?;
    Ok(())
}

/// Takes those rules away that are there.
async fn restore(node: &Node, rules: &[String]) -> Result<(), LabError> {
    for rule in rules {
        if iptables(node, "--check", rule).await.is_ok() {
            iptables(node, "--delete", rule).await?;
        }
    }
    Ok(())
}

/// Waits until a connection from this machine comes about, or does not.
async fn reachable(node: &Node, expected: bool) -> Result<(), LabError> {
    let address = SocketAddr::from((node.address(), GOSSIP));
    let state = if expected { "reachable" } else { "unreachable" };
    let what = format!("{} {state} at {address}", node.name());
    Ok(wait::until(what, DEADLINE, async || {
        let connection = TcpStream::connect(address);
        let connected = tokio::time::timeout(CONNECTION, connection).await;
        match connected {
            Ok(Ok(_)) if expected => Ok(()),
            Ok(Err(_)) | Err(_) if !expected => Ok(()),
            other => Err(format!("connecting to it came to {other:?}")),
        }
    })
    .await?)
}

impl fmt::Display for CutOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let node = &self.node;
        match self.direction {
            Direction::Both => write!(f, "{node} is cut off")?,
            Direction::Inbound => write!(f, "{node} hears nothing")?,
            Direction::Outbound => write!(f, "{node} cannot speak")?,
        }
        for (number, address) in self.from.iter().enumerate() {
            let joint = if number == 0 { " (only" } else { "," };
            write!(f, "{joint} {address}")?;
        }
        if self.from.is_empty() {
            return Ok(());
        }
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_way_is_one_rule() {
        assert_eq!(
            CutOff::inbound("node-3").rules("eth0"),
            ["--table mangle CHANGE PREROUTING --in-interface eth0 --jump DROP"]
        );
        assert_eq!(
            CutOff::outbound("node-3")
                .from(Ipv4Addr::LOCALHOST)
                .rules("eth0"),
            [
                "--table mangle CHANGE POSTROUTING --out-interface eth0 --destination 127.0.0.1 --jump DROP"
            ]
        );
        assert_eq!(CutOff::both_ways("node-3").rules("eth0").len(), 2);
    }

    #[test]
    fn it_says_from_whom() {
        let address = Ipv4Addr::new(172, 28, 0, 11);
        let told = CutOff::both_ways("node-3").from(address).to_string();
        assert_eq!(told, "node-3 is cut off (only 172.28.0.11)");
    }
}
