//! The directories that the nodes of a lab see.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use testcontainers::core::Mount;

use super::{Lagging, replication::Replication, side::Side};
use crate::{
    lab::{At, LabError, Resources},
    volume::{Files, MOUNT_POINT},
};

/// A directory for each node, and those that all see at once.
#[derive(Debug)]
pub(crate) struct Views {
    lagging: Lagging,
    run: String,
    /// Each node's own, by its number less one.
    own: Vec<PathBuf>,
    /// What all nodes see at once: its path below the root, and where it is.
    shared: Vec<(PathBuf, PathBuf)>,
    staging: PathBuf,
    replication: Option<Replication>,
}

impl Views {
    pub(crate) fn make(
        lagging: &Lagging,
        resources: &Resources,
        nodes: u8,
    ) -> Result<Self, LabError> {
        let names: Vec<PathBuf> = lagging.directories_at_once().map(PathBuf::from).collect();
        let shared = (1..).zip(&names).map(|(number, name)| {
            let directory = resources.make_directory(&at_once(number))?;
            Ok((name.clone(), directory))
        });
        let own = (1..=usize::from(nodes)).map(|number| {
            let directory = resources.make_directory(&seen_by(number))?;
            for name in &names {
                let over = directory.join(name);
                fs::create_dir_all(&over).at("make the directory", over)?;
            }
            Ok(directory)
        });
        let views = Self {
            lagging: lagging.clone(),
            run: resources.owner().run.clone(),
            shared: shared.collect::<Result<_, LabError>>()?,
            own: own.collect::<Result<_, LabError>>()?,
            staging: resources.make_directory(STAGING)?,
            replication: None,
        };
        is_owned_by_root(&views.staging)?;
        Ok(views)
    }

    /// Those of a lab that stands. Who made them carries what changes.
    pub(crate) fn of(lagging: &Lagging, resources: &Resources, nodes: usize) -> Self {
        let within = |name: String| resources.directory().join(name);
        let names = lagging.directories_at_once().map(PathBuf::from);
        Self {
            shared: (1..)
                .zip(names)
                .map(|(number, name)| (name, within(at_once(number))))
                .collect(),
            own: (1..=nodes).map(|number| within(seen_by(number))).collect(),
            staging: within(STAGING.to_owned()),
            lagging: lagging.clone(),
            run: resources.owner().run.clone(),
            replication: None,
        }
    }

    pub(crate) fn mounts(&self, number: u8) -> Vec<Mount> {
        let own = Mount::bind_mount(self.own(number).display().to_string(), MOUNT_POINT);
        let shared = self.shared.iter().map(|(name, directory)| {
            let over = Path::new(MOUNT_POINT).join(name);
            Mount::bind_mount(directory.display().to_string(), over.display().to_string())
        });
        [own].into_iter().chain(shared).collect()
    }

    /// Begins to carry changes from each to the others, until it is dropped.
    pub(crate) fn start(mut self) -> Result<Self, LabError> {
        let hidden: Vec<PathBuf> = self.shared.iter().map(|(name, _)| name.clone()).collect();
        let side = |(number, own): (u8, &PathBuf)| {
            Side::new(
                own.clone(),
                self.lagging.delay_of(number),
                hidden.clone(),
                self.staging.clone(),
            )
        };
        let sides = (1..).zip(&self.own).map(side).collect();
        self.replication = Some(Replication::start(&self.run, sides)?);
        Ok(self)
    }

    /// Carries no more.
    pub(crate) fn end(&mut self) {
        self.replication = None;
    }

    pub(crate) fn files(&self, number: u8) -> Files {
        Files::here_under(self.own(number).to_owned(), self.shared.clone())
    }

    fn own(&self, number: u8) -> &Path {
        // Every node of the lab has a number from one on, and a directory.
        &self.own[usize::from(number) - 1]
    }
}

const STAGING: &str = "staging";

fn at_once(number: usize) -> String {
    format!("at-once-{number}")
}

fn seen_by(number: usize) -> String {
    format!("seen-by-{number}")
}

/// What nodes write belongs to root and is for nobody else to read.
fn is_owned_by_root(made: &Path) -> Result<(), LabError> {
    let user = fs::metadata(made).at("look at", made)?.uid();
    if user == 0 {
        return Ok(());
    }
    let why = format!("it takes root, and this is user {user}");
    Err(io::Error::new(io::ErrorKind::PermissionDenied, why))
        .at("carry what nodes write from one to the other in", made)
}
