//! The volume that every node of a lab mounts: where certificates live.

use std::path::{Path, PathBuf};

use testcontainers::core::Mount;

use crate::lab::{LabError, Resources};

/// Where every node mounts the volume.
pub const MOUNT_POINT: &str = "/mnt/certificates";

/// A kind of replicated volume.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Volume {
    /// One directory of this machine in every node: no replication, no lag.
    #[default]
    Bind,
}

/// A volume ready to be mounted.
#[derive(Debug, Clone)]
pub(crate) struct Prepared {
    directory: PathBuf,
}

impl Volume {
    /// Makes what the volume needs before any node starts.
    pub(crate) fn prepare(self, resources: &Resources) -> Result<Prepared, LabError> {
        match self {
            Self::Bind => Ok(Prepared {
                directory: resources.make_directory("certificates")?,
            }),
        }
    }
}

impl Prepared {
    /// What a node mounts.
    pub(crate) fn mounts(&self) -> Vec<Mount> {
        vec![Mount::bind_mount(
            self.directory.display().to_string(),
            MOUNT_POINT,
        )]
    }

    /// Where this machine sees the volume.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }
}
