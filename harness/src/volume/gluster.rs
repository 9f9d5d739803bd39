//! GlusterFS: the real thing, with its daemon in every node.

use std::{fmt::Write as _, time::Duration};

use futures_util::future::try_join_all;

use super::MOUNT_POINT;
use crate::lab::{Container, LabError, Node, Output, wait};

const NAME: &str = "certificates";
/// On the node's own disk: bricks cannot lie on an overlay file system, which
/// has no room for their extended attributes.
const BRICK: &str = "/var/lib/docker/certificates-brick";
/// As many copies as quorum needs to outlive the loss of one.
const MOST_COPIES: usize = 3;
/// Changes to mend are found at once when a copy comes back, and take seconds.
const HEAL_DEADLINE: Duration = Duration::from_secs(60);
/// Who has lost a daemon or a copy tries again every few seconds.
const CONNECTION_DEADLINE: Duration = Duration::from_secs(30);

/// A GlusterFS volume, mounted by FUSE in every node; its copies (bricks) are on
/// the first three nodes, or on all where there are fewer.
///
/// Its options are GlusterFS's own defaults: with three copies two must be there
/// for anything to be written.
#[derive(Debug)]
pub struct Gluster {
    nodes: Vec<Container>,
}

impl Gluster {
    /// Starts the daemons, makes them one cluster, and mounts a new volume in
    /// every node.
    pub(super) async fn mount(nodes: &[Container]) -> Result<Self, LabError> {
        let gluster = Self {
            nodes: nodes.to_vec(),
        };
        // It is back once its daemon answers.
        try_join_all(nodes.iter().map(|node| run(node, &["glusterd"]))).await?;
        for other in &nodes[1..] {
            let probe = ["peer", "probe", &other.address.to_string()];
            gluster.gluster(&probe).await?;
        }
        gluster.peers_connected().await?;
        gluster.create().await?;
        gluster.gluster(&["volume", "start", NAME]).await?;
        try_join_all(nodes.iter().map(mount)).await?;
        Ok(gluster)
    }

    /// The volume of nodes that have it mounted already.
    pub(super) fn of(nodes: &[Node]) -> Self {
        let nodes = nodes.iter().map(|node| node.container().clone()).collect();
        Self { nodes }
    }

    /// A peer that was just taken in is no use until all know of each other.
    async fn peers_connected(&self) -> Result<(), LabError> {
        let others = self.nodes.len() - 1;
        let what = "every GlusterFS daemon know the others";
        let known = wait::until(what, CONNECTION_DEADLINE, async || {
            for node in &self.nodes {
                let status = gluster(node, &["peer", "status"]).await;
                let status = status.map_err(|error| error.to_string())?.stdout;
                let connected = status.matches("State: Peer in Cluster (Connected)");
                if connected.count() != others {
                    return Err(format!("{} says:\n{status}", node.name));
                }
            }
            Ok(())
        });
        Ok(known.await?)
    }

    async fn create(&self) -> Result<(), LabError> {
        let bricks: Vec<_> = self.with_bricks().iter().map(brick).collect();
        let copies = bricks.len().to_string();
        let mut command = vec!["volume", "create", NAME];
        if bricks.len() > 1 {
            command.extend(["replica", &copies]);
        }
        command.extend(bricks.iter().map(String::as_str));
        self.gluster(&command).await.map(drop)
    }

    /// The first node, on which certificates are written.
    pub(super) fn manager(&self) -> &Container {
        &self.nodes[0]
    }

    fn with_bricks(&self) -> &[Container] {
        &self.nodes[..self.nodes.len().min(MOST_COPIES)]
    }

    /// Kills the process that serves a node's copy, as a fault, and waits until
    /// every node's mount has lost it. The node itself goes on.
    ///
    /// # Errors
    /// When the node has no copy, or it is away already.
    pub async fn kill_brick(&self, node: &Node) -> Result<(), LabError> {
        let kill = format!("kill -KILL $(cat /run/gluster/vols/{NAME}/*.pid)");
        run(node.container(), &["sh", "-c", &kill]).await?;
        self.every_mount(node, Connection::Lost).await
    }

    /// Has a node's copy served again, and waits until every node's mount has it;
    /// [`healed`](Self::healed) waits until it has caught up.
    ///
    /// # Errors
    /// When it does not come back in time.
    pub async fn start_brick(&self, node: &Node) -> Result<(), LabError> {
        gluster(node.container(), &["volume", "start", NAME, "force"]).await?;
        self.every_mount(node, Connection::There).await
    }

    /// Waits until every node's mount has, or has not, a connection to a copy.
    async fn every_mount(&self, copy: &Node, expected: Connection) -> Result<(), LabError> {
        let number = copy.number() - 1;
        let client = format!("{MOUNT_POINT}/.meta/graphs/active/{NAME}-client-{number}/private");
        let what = format!("every mount's connection to {}: {expected:?}", copy.name());
        let all = wait::until(what, CONNECTION_DEADLINE, async || {
            for node in &self.nodes {
                let said = node.exec(&["cat", &client]).await;
                let said = said.map_err(|error| error.to_string())?;
                if Connection::read(&said) != expected {
                    return Err(format!("{} says {said:?}", node.name));
                }
            }
            Ok(())
        });
        Ok(all.await?)
    }

    /// Waits until every copy is there and there is nothing left to mend on any.
    ///
    /// # Errors
    /// With what each copy still had to mend when the time was over.
    pub async fn healed(&self) -> Result<(), LabError> {
        if self.with_bricks().len() == 1 {
            return Ok(());
        }
        let what = "every copy be whole";
        let whole = wait::until(what, HEAL_DEADLINE, async || {
            let copies = self.copies().await?;
            let whole = copies.iter().filter(|copy| copy.to_mend == Some(0));
            if whole.count() == self.with_bricks().len() {
                return Ok(());
            }
            Err(describe(&copies))
        });
        Ok(whole.await?)
    }

    /// What `heal info` says of each copy.
    async fn copies(&self) -> Result<Vec<Copy>, String> {
        let said = self.gluster(&["volume", "heal", NAME, "info"]).await;
        Ok(parse(&said.map_err(|error| error.to_string())?.stdout))
    }

    /// `gluster COMMAND` on the first node.
    async fn gluster(&self, command: &[&str]) -> Result<Output, LabError> {
        gluster(self.manager(), command).await
    }
}

/// What a mount says of its connection to a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Connection {
    There,
    Lost,
}

impl Connection {
    /// A mount that has lost too many copies does not even say that.
    fn read(said: &Output) -> Self {
        if said.success() && said.stdout.lines().any(|line| line == "connected = 1") {
            Self::There
        } else {
            Self::Lost
        }
    }
}

/// One copy of a volume.
#[derive(Debug, PartialEq, Eq)]
struct Copy {
    /// `ADDRESS:PATH`.
    brick: String,
    connected: bool,
    /// Entries that another copy lacks or has otherwise; none when it is away.
    to_mend: Option<u64>,
}

/// Reads what `gluster volume heal NAME info` writes.
fn parse(info: &str) -> Vec<Copy> {
    let mut copies: Vec<Copy> = Vec::new();
    for line in info.lines() {
        if let Some(brick) = line.strip_prefix("Brick ") {
            copies.push(Copy {
                brick: brick.to_owned(),
                connected: false,
                to_mend: None,
            });
        } else if let Some(copy) = copies.last_mut() {
            if let Some(status) = line.strip_prefix("Status: ") {
                copy.connected = status == "Connected";
            } else if let Some(count) = line.strip_prefix("Number of entries: ") {
                copy.to_mend = count.parse().ok();
            }
        }
    }
    copies
}

fn describe(copies: &[Copy]) -> String {
    let mut text = String::new();
    for copy in copies {
        let separator = if text.is_empty() { "" } else { ", " };
        let state = match (copy.connected, copy.to_mend) {
            (true, Some(count)) => format!("has {count} to mend"),
            (true, None) => "is there".to_owned(),
            (false, _) => "is away".to_owned(),
        };
        // Writing to a string does not fail.
        let _ = write!(text, "{separator}{} {state}", copy.brick);
    }
    text
}

fn brick(node: &Container) -> String {
    format!("{}:{BRICK}", node.address)
}

async fn mount(node: &Container) -> Result<Output, LabError> {
    run(node, &["mkdir", "-p", MOUNT_POINT]).await?;
    // Each from its own daemon: none depends on another node's being up.
    let volume = format!("localhost:/{NAME}");
    run(node, &["mount", "-t", "glusterfs", &volume, MOUNT_POINT]).await
}

/// Starts the daemon of a node that was away with all its processes, and mounts
/// the volume there again.
pub(crate) async fn mount_again(node: &Container) -> Result<(), LabError> {
    run(node, &["glusterd"]).await?;
    let what = format!("the volume be mounted on {} again", node.name);
    // The daemon takes a moment until it knows its volumes.
    let mounted = wait::until(what, CONNECTION_DEADLINE, async || mount(node).await);
    mounted.await?;
    Ok(())
}

async fn gluster(node: &Container, command: &[&str]) -> Result<Output, LabError> {
    run(node, &[&["gluster", "--mode=script"], command].concat()).await
}

async fn run(node: &Container, command: &[&str]) -> Result<Output, LabError> {
    let named = format!("{} on {}", command.join(" "), node.name);
    node.exec(command).await?.succeeded(&named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_that_is_away_is_not_whole() {
        let info = "Brick 172.28.1.11:/b\n/ \n/live \nStatus: Connected\nNumber of entries: 2\n\n\
                    Brick 172.28.1.12:/b\nStatus: Transport endpoint is not connected\n\
                    Number of entries: -\n";
        let copies = parse(info);
        assert_eq!(
            describe(&copies),
            "172.28.1.11:/b has 2 to mend, 172.28.1.12:/b is away"
        );
        assert_eq!(copies[1].to_mend, None);
    }
}
