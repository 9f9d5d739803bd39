//! A volume, from before the nodes start until they are gone.

use std::path::PathBuf;

use testcontainers::core::Mount;

use super::{Files, Gluster, MOUNT_POINT, Volume, lagging::Views};
use crate::lab::{Container, LabError, Node, Resources};

/// What a volume needs before any node starts.
#[derive(Debug)]
pub(crate) enum Prepared {
    Bind(PathBuf),
    Gluster,
    Lagging(Views),
}

impl Prepared {
    /// For so many nodes.
    pub(crate) fn new(volume: &Volume, resources: &Resources, nodes: u8) -> Result<Self, LabError> {
        Ok(match volume {
            Volume::Bind => Self::Bind(resources.make_directory("certificates")?),
            Volume::Gluster => Self::Gluster,
            Volume::Lagging(lagging) => Self::Lagging(Views::make(lagging, resources, nodes)?),
        })
    }

    /// What the node of that number, from one on, mounts when it starts.
    pub(crate) fn mounts(&self, number: u8) -> Vec<Mount> {
        match self {
            Self::Bind(directory) => vec![Mount::bind_mount(
                directory.display().to_string(),
                MOUNT_POINT,
            )],
            Self::Gluster => Vec::new(),
            Self::Lagging(views) => views.mounts(number),
        }
    }

    /// Has it mounted in every node, as soon as their containers run: their
    /// daemons may not answer yet.
    pub(crate) async fn mount(self, nodes: &[Container]) -> Result<Mounted, LabError> {
        Ok(Mounted(match self {
            Self::Bind(directory) => Kind::Bind(directory),
            Self::Gluster => Kind::Gluster(Gluster::mount(nodes).await?),
            Self::Lagging(views) => Kind::Lagging(views.start()?),
        }))
    }
}

/// The volume of a lab that is up.
#[derive(Debug)]
pub struct Mounted(Kind);

#[derive(Debug)]
enum Kind {
    Bind(PathBuf),
    Gluster(Gluster),
    Lagging(Views),
}

impl Mounted {
    /// The volume of a lab that stands, and that another process may have up.
    pub(crate) fn again(volume: &Volume, resources: &Resources, nodes: &[Node]) -> Self {
        Self(match volume {
            Volume::Bind => Kind::Bind(resources.directory().join("certificates")),
            Volume::Gluster => Kind::Gluster(Gluster::of(nodes)),
            Volume::Lagging(lagging) => Kind::Lagging(Views::of(lagging, resources, nodes.len())),
        })
    }

    /// Ends what carries changes from node to node, where something does.
    pub(crate) fn end(&mut self) {
        if let Kind::Lagging(views) = &mut self.0 {
            views.end();
        }
    }

    /// Whether it goes on without the process that made it.
    pub(crate) fn can_stand_alone(&self) -> bool {
        // What lags is carried from node to node by threads of that process.
        !matches!(self.0, Kind::Lagging(_))
    }

    /// The files on it as the manager sees them; what is written there, every
    /// other node sees too, sooner or later.
    #[must_use]
    pub fn certificates(&self) -> Files {
        match &self.0 {
            Kind::Bind(directory) => Files::here(directory.clone()),
            Kind::Gluster(gluster) => Files::within(gluster.manager().clone()),
            Kind::Lagging(views) => views.files(1),
        }
    }

    /// The files on it as a node sees them now.
    #[must_use]
    pub fn seen_by(&self, node: &Node) -> Files {
        match &self.0 {
            Kind::Bind(_) => self.certificates(),
            Kind::Gluster(_) => Files::within(node.container().clone()),
            Kind::Lagging(views) => views.files(node.number()),
        }
    }

    /// What can be done to it, if it is a GlusterFS.
    #[must_use]
    pub fn gluster(&self) -> Option<&Gluster> {
        match &self.0 {
            Kind::Gluster(gluster) => Some(gluster),
            Kind::Bind(_) | Kind::Lagging(_) => None,
        }
    }
}
