//! A node loses the volume, or the volume stands still.

use std::fmt;

use super::members;
use super::{Active, Fault, Pending, mending, shell};
use crate::lab::{Lab, LabError, Node};
use crate::volume::MOUNT_POINT;

/// It is kept elsewhere, so that it can be mounted again whatever it was.
const UNMOUNT: &str = r#"
kept=/run/rollover-lab-volume
mkdir "$kept"
mount --bind "$1" "$kept"
umount -l "$1"
if mountpoint -q "$1"; then echo "$1 is still mounted" >&2; exit 1; fi
"#;
const MOUNT_AGAIN: &str = r#"
kept=/run/rollover-lab-volume
if mountpoint -q "$kept"; then
    if ! mountpoint -q "$1"; then mount --bind "$kept" "$1"; fi
    umount -l "$kept"
fi
if [ -d "$kept" ]; then rmdir "$kept"; fi
"#;
/// The process that serves a volume that has one.
const SERVER: &str = r#"
kind=$(awk -v at="$1" '$2 == at { kind = $3 } END { print kind }' /proc/mounts)
case $kind in
fuse.glusterfs) pgrep -f "^[^ ]*glusterfs .*$1" ;;
*) echo "$kind" ;;
esac
"#;
/// Reading takes for ever.
const STANDS_STILL: &str = r#"
status=0
timeout --signal=KILL 1 ls "$1" >/dev/null 2>&1 || status=$?
if [ "$status" = 0 ]; then echo "$1 can be listed" >&2; exit 1; fi
"#;

/// The volume is not mounted on a node (any more).
///
/// # Caveats
/// A container that runs already keeps it, as it does where a person unmounts a
/// volume lazily; one that is started meanwhile sees an empty directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeUnmounted {
    /// The node's name: `node-2`.
    pub node: String,
}

impl VolumeUnmounted {
    /// On that node.
    #[must_use]
    pub fn on(node: impl Into<String>) -> Self {
        Self { node: node.into() }
    }
}

impl Fault for VolumeUnmounted {
    fn node(&self) -> Option<&str> {
        Some(&self.node)
    }

    fn inject<'a>(&'a self, lab: &'a Lab) -> Pending<'a, Active> {
        Box::pin(async move {
            let node = members::node(lab, &self.node)?;
            let mended = node.clone();
            let mend = mending(move || async move {
                shell::run(&mended, MOUNT_AGAIN, &[MOUNT_POINT]).await?;
                Ok(())
            });
            let active = Active::new(self, lab, Some(mend));
            shell::run(node, UNMOUNT, &[MOUNT_POINT]).await?;
            Ok(active)
        })
    }
}

impl fmt::Display for VolumeUnmounted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the volume is not mounted on {}", self.node)
    }
}

/// The volume stands still on a node: who reads or writes waits, containers that
/// run already too.
///
/// Only where a process of the node serves the volume (GlusterFS), which is
/// stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeFrozen {
    /// The node's name: `node-2`.
    pub node: String,
}

impl VolumeFrozen {
    /// On that node.
    #[must_use]
    pub fn on(node: impl Into<String>) -> Self {
        Self { node: node.into() }
    }

    /// The processes that serve the volume on the node.
    async fn servers(&self, node: &Node) -> Result<Vec<String>, LabError> {
        let found = shell::run(node, SERVER, &[MOUNT_POINT]).await?.stdout;
        let words: Vec<String> = found.split_whitespace().map(str::to_owned).collect();
        if words.iter().all(|word| word.parse::<u32>().is_ok()) {
            return Ok(words);
        }
        Err(LabError::Unsupported {
            what: self.to_string(),
            reason: format!(
                "{MOUNT_POINT} is a directory of this machine ({}): no process serves it that \
                 could be stopped; take a lab with the volume gluster",
                found.trim()
            ),
        })
    }
}

impl Fault for VolumeFrozen {
    fn node(&self) -> Option<&str> {
        Some(&self.node)
    }

    fn inject<'a>(&'a self, lab: &'a Lab) -> Pending<'a, Active> {
        Box::pin(async move {
            let node = members::node(lab, &self.node)?;
            let servers = self.servers(node).await?;
            let (mended, stopped) = (node.clone(), servers.clone());
            let mend = mending(move || async move { signal(&mended, "-CONT", &stopped).await });
            let active = Active::new(self, lab, Some(mend));
            signal(node, "-STOP", &servers).await?;
            shell::run(node, STANDS_STILL, &[MOUNT_POINT]).await?;
            Ok(active)
        })
    }
}

async fn signal(node: &Node, signal: &str, processes: &[String]) -> Result<(), LabError> {
    let mut words = vec!["kill", signal];
    words.extend(processes.iter().map(String::as_str));
    node.exec(&words).await?.succeeded(&words.join(" "))?;
    Ok(())
}

impl fmt::Display for VolumeFrozen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the volume stands still on {}", self.node)
    }
}
