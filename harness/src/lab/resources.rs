//! What a lab holds and must give back, however it ends.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use testcontainers::{ContainerAsync, GenericImage};

use super::{Engine, LabError, engine::this_process, error::At, owner::Owner, reap, watchdog};

/// How the directories of labs begin; a run's ID is the rest of the name.
pub(crate) const DIRECTORY_PREFIX: &str = "rollover-lab-";
/// Not the system's temporary directory: a unix socket's path has room for some
/// hundred characters only, and that directory's can be long.
pub(crate) const DIRECTORY_PARENT: &str = "/tmp";
/// Says whose a directory is, as labels say it of a container.
pub(crate) const OWNER_FILE: &str = "owner.json";
const OWNER_FILE_NEW: &str = "owner.json.new";

/// Where a run has its directory.
pub(crate) fn directory_of(run: &str) -> PathBuf {
    Path::new(DIRECTORY_PARENT).join(format!("{DIRECTORY_PREFIX}{run}"))
}

/// Everything of one lab outside this process; removed when dropped, unless it
/// was released or was found as it stands.
#[derive(Debug)]
pub(crate) struct Resources {
    engine: Engine,
    owner: Owner,
    directory: PathBuf,
    containers: Mutex<Vec<ContainerAsync<GenericImage>>>,
    removed_on_drop: bool,
}

impl Resources {
    /// Begins a run: its directory, its ID and its labels.
    pub(crate) fn new(engine: Engine) -> Result<Self, LabError> {
        let directory = tempfile::Builder::new()
            .prefix(DIRECTORY_PREFIX)
            .tempdir_in(DIRECTORY_PARENT)
            .at("make a directory in", DIRECTORY_PARENT)?
            .keep();
        let name = directory.file_name().unwrap_or_default().to_string_lossy();
        let run = name.trim_start_matches(DIRECTORY_PREFIX).to_owned();
        let process = this_process()?;
        let resources = Self {
            engine,
            owner: Owner {
                run,
                process,
                keep: false,
            },
            directory,
            containers: Mutex::default(),
            removed_on_drop: true,
        };
        resources.write_owner()?;
        watchdog::watch(&resources.engine, &resources.owner);
        Ok(resources)
    }

    /// Those of a run that stands, which is left standing.
    pub(crate) fn of(engine: Engine, owner: Owner) -> Self {
        Self {
            engine,
            directory: directory_of(&owner.run),
            owner,
            containers: Mutex::default(),
            removed_on_drop: false,
        }
    }

    /// Whole or not at all: others read it at any time.
    fn write_owner(&self) -> Result<(), LabError> {
        let owner = serde_json::to_vec(&self.owner).unwrap_or_default();
        let new = self.write(OWNER_FILE_NEW, &owner)?;
        fs::rename(new, self.directory.join(OWNER_FILE)).at("write", OWNER_FILE)
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(crate) fn owner(&self) -> &Owner {
        &self.owner
    }

    /// The run's directory on this machine.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(crate) fn container_name(&self, name: &str) -> String {
        format!("{DIRECTORY_PREFIX}{}-{name}", self.owner.run)
    }

    /// Makes a directory within the run's.
    pub(crate) fn make_directory(&self, name: &str) -> Result<PathBuf, LabError> {
        let path = self.directory.join(name);
        fs::create_dir_all(&path).at("make the directory", &path)?;
        Ok(path)
    }

    /// Writes a file within the run's directory.
    pub(crate) fn write(&self, name: &str, content: &[u8]) -> Result<PathBuf, LabError> {
        let path = self.directory.join(name);
        fs::write(&path, content).at("write", &path)?;
        Ok(path)
    }

    /// Keeps a container until the lab ends.
    pub(crate) fn hold(&self, container: ContainerAsync<GenericImage>) {
        self.containers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(container);
    }

    pub(crate) fn are_removed_on_drop(&self) -> bool {
        self.removed_on_drop
    }

    /// Leaves everything where it is, beyond the end of this process.
    pub(crate) fn release(&mut self) -> Result<(), LabError> {
        self.owner.keep = true;
        self.write_owner()?;
        self.removed_on_drop = false;
        watchdog::forget(&self.owner);
        std::mem::forget(self.take_containers());
        Ok(())
    }

    fn take_containers(&mut self) -> Vec<ContainerAsync<GenericImage>> {
        std::mem::take(
            self.containers
                .get_mut()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// Removes everything, and waits until it is gone.
    ///
    /// It has a thread and a runtime of its own, so that it works the same from
    /// a `drop`, from any kind of runtime and from none. The engine's client
    /// keeps no idle connection that another runtime would have to drive.
    pub(crate) fn remove(&mut self) -> Result<(), LabError> {
        self.removed_on_drop = false;
        let containers = self.take_containers();
        let (engine, owner) = (self.engine.clone(), self.owner.clone());
        let work = move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .at("start a runtime to clean up", "")?;
            runtime.block_on(async {
                let removed = reap::remove_run(&engine, &owner).await;
                // They are gone, and a drop finds that out at once; without a
                // runtime it would panic.
                drop(containers);
                removed.map(drop)
            })
        };
        let removed = std::thread::scope(|scope| scope.spawn(work).join());
        watchdog::forget(&self.owner);
        removed.unwrap_or(Ok(()))
    }
}

impl Drop for Resources {
    fn drop(&mut self) {
        if !self.removed_on_drop {
            return;
        }
        if let Err(error) = self.remove() {
            tracing::warn!(run = self.owner.run, %error, "the lab was not removed whole");
        }
    }
}
