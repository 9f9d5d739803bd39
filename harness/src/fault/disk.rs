//! A file system is full.

use std::fmt;

use super::members;
use super::{Active, Fault, Pending, mending, shell};
use crate::lab::{Lab, LabError, Node};
use crate::volume::MOUNT_POINT;

/// The most that is filled. It is memory.
const MOST: u64 = 64 << 20;
const DEFAULT: u64 = 4 << 20;
/// Where a daemon puts what it pulls until it has all of a layer.
const PULLED: &str = "/var/lib/docker/tmp";

/// `$1` is copied into a small file system of its own, which is filled and laid
/// over it. Nothing else is ever filled.
const FILL: &str = r#"
room="/run/rollover-lab-full-$(basename "$1")"
mkdir "$room"
mount -t tmpfs -o "size=$2" rollover-lab-full "$room"
cp -a "$1/." "$room/"
dd if=/dev/zero of="$room/.full" bs=4k 2>/dev/null || :
mount --bind "$room" "$1"
"#;
const MEND: &str = r#"
room="/run/rollover-lab-full-$(basename "$1")"
for place in "$1" "$room"; do
    if grep -q "^rollover-lab-full $place " /proc/mounts; then umount -l "$place"; fi
done
if [ -d "$room" ]; then rmdir "$room"; fi
"#;
/// Succeeds where not one byte can be written.
const IS_FULL: &str = r#"
if echo x > "$1/.room"; then echo "there is room in $1" >&2; exit 1; fi 2>/dev/null
rm -f "$1/.room"
"#;

/// A directory of a node, the volume's or its daemon's, is on a full file system:
/// what is written there fails with "no space left on device".
///
/// # Caveats
/// A container that runs already keeps what it has mounted; one that is started
/// meanwhile, such as certbot's, sees the full one. What is removed or renamed
/// meanwhile is there again at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskFull {
    /// The node's name: `node-1`.
    pub node: String,
    /// The directory.
    pub path: String,
    /// The size of the file system that is filled, in bytes; what the directory
    /// holds must fit. At most 64 MiB.
    pub size: u64,
}

impl DiskFull {
    /// The volume is full, as the node sees it.
    #[must_use]
    pub fn volume(node: impl Into<String>) -> Self {
        Self {
            node: node.into(),
            path: MOUNT_POINT.to_owned(),
            size: DEFAULT,
        }
    }

    /// The node's daemon has no room for what it pulls, as on a disk that is full: an
    /// image that the node does not have cannot be had. What it has already runs on.
    #[must_use]
    pub fn docker(node: impl Into<String>) -> Self {
        Self {
            path: PULLED.to_owned(),
            ..Self::volume(node)
        }
    }
}

impl Fault for DiskFull {
    fn node(&self) -> Option<&str> {
        Some(&self.node)
    }

    fn inject<'a>(&'a self, lab: &'a Lab) -> Pending<'a, Active> {
        Box::pin(async move {
            let node = members::node(lab, &self.node)?;
            let (mended, path) = (node.clone(), self.path.clone());
            let mend = mending(move || async move { restore(&mended, &path).await });
            let active = Active::new(self, lab, Some(mend));
            let size = self.size.min(MOST).to_string();
            shell::run(node, FILL, &[&self.path, &size]).await?;
            shell::run(node, IS_FULL, &[&self.path]).await?;
            Ok(active)
        })
    }
}

async fn restore(node: &Node, path: &str) -> Result<(), LabError> {
    shell::run(node, MEND, &[path]).await?;
    Ok(())
}

impl fmt::Display for DiskFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {} is full", self.path, self.node)
    }
}
