//! What is mounted into replicas, and where its content is.

use std::path::{Path, PathBuf};

/// Something that is mounted into the replicas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Where.
    pub target: PathBuf,
    /// What it is, in words: `the volume certs`.
    pub what: String,
    /// Where its content is.
    pub kept: Kept,
}

/// Where the content of a mount is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// The same on every node.
    Everywhere,
    /// On each node its own.
    OnTheNode,
    /// A directory of the host, which may or may not be the same everywhere.
    Unclear,
}

const VOLUME: &str = "the volume ";

impl Mount {
    /// A directory of the host.
    #[must_use]
    pub fn bind(source: &str, target: &str) -> Self {
        Self::new(
            format!("the host's directory {source}"),
            target,
            Kept::Unclear,
        )
    }

    /// A volume. One without a name is made anew on each node.
    #[must_use]
    pub fn volume(name: Option<&str>, target: &str, kept: Kept) -> Self {
        match name {
            Some(name) => Self::new(format!("{VOLUME}{name}"), target, kept),
            None => Self::new(
                "a volume without a name".to_owned(),
                target,
                Kept::OnTheNode,
            ),
        }
    }

    /// A file system in memory.
    #[must_use]
    pub fn tmpfs(target: &str) -> Self {
        Self::new("a tmpfs".to_owned(), target, Kept::OnTheNode)
    }

    /// Something of a kind that no rule knows.
    #[must_use]
    pub fn other(source: &str, target: &str) -> Self {
        Self::new(format!("the mount {source}"), target, Kept::Unclear)
    }

    /// A secret of the swarm, as that file.
    #[must_use]
    pub fn secret(name: &str, file: &str) -> Self {
        Self::from_raft("secret", name, "/run/secrets", file)
    }

    /// A config of the swarm, as that file.
    #[must_use]
    pub fn config(name: &str, file: &str) -> Self {
        Self::from_raft("config", name, "/", file)
    }

    /// The volume's name, if it is one with a name.
    pub(crate) fn volume_name(&self) -> Option<&str> {
        self.what.strip_prefix(VOLUME)
    }

    fn from_raft(kind: &str, name: &str, directory: &str, file: &str) -> Self {
        Self {
            target: Path::new(directory).join(file),
            what: format!("the {kind} {name}"),
            kept: Kept::Everywhere,
        }
    }

    fn new(what: String, target: &str, kept: Kept) -> Self {
        Self {
            target: PathBuf::from(target),
            what,
            kept,
        }
    }
}

impl Kept {
    /// Where a volume of that driver, with that option `type`, keeps its content.
    /// A driver other than `local` is taken for one that shares.
    #[must_use]
    pub fn by_driver(driver: &str, kind: Option<&str>) -> Self {
        if !matches!(driver, "local" | "") {
            return Self::Everywhere;
        }
        match kind {
            // An option `device` may name any directory of the host.
            Some("none") => Self::Unclear,
            Some("tmpfs" | "ext4" | "xfs" | "btrfs") | None => Self::OnTheNode,
            // nfs, cifs, glusterfs and their kin.
            Some(_) => Self::Everywhere,
        }
    }
}
