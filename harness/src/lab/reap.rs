//! Removing what runs left behind: those killed, and those whose machine was.

use std::{
    cell::Cell,
    collections::{BTreeMap, HashMap},
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use bollard::{
    models::HostConfig,
    query_parameters::{
        ListContainersOptionsBuilder, ListNetworksOptionsBuilder, ListVolumesOptionsBuilder,
        RemoveContainerOptionsBuilder, RemoveVolumeOptions,
    },
};
use futures_util::future::join_all;
use serde::Serialize;
use tokio::time::Instant;
use tracing::warn;

use super::{
    Engine, LabError,
    engine::this_process,
    error::{Doing, not_found},
    exec,
    once::run_once,
    owner::{ANY_LAB, Life, Owner, start_of},
    resources::{DIRECTORY_PARENT, DIRECTORY_PREFIX, OWNER_FILE, directory_of},
    wait,
};
use crate::with_causes;

/// A node's volume holds some gigabyte at most; this is for a busy disk.
const GONE_DEADLINE: Duration = Duration::from_secs(60);
/// The same for what is left after the last container.
const BARE_DEADLINE: Duration = Duration::from_secs(5);

const THAW_DEADLINE: Duration = Duration::from_secs(5);
/// The groups below the container's own, in version 1 and 2 of cgroups.
const THAW: &str = r#"
find /sys/fs/cgroup/freezer -mindepth 2 -name freezer.state 2>/dev/null |
    while read -r state; do echo THAWED >"$state"; done
find /sys/fs/cgroup -mindepth 2 -name cgroup.freeze 2>/dev/null |
    while read -r frozen; do echo 0 >"$frozen"; done
"#;

/// What a sweep came to.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
pub struct Reaped {
    /// The runs that were removed.
    pub removed: Vec<String>,
    /// The runs that live, or are meant to be kept.
    pub alive: Vec<String>,
    /// The runs of other machines or PID namespaces, of which nothing is known.
    pub elsewhere: Vec<String>,
    /// The networks of removed runs that the engine keeps until it is started again,
    /// though nothing is on them.
    pub stuck: Vec<String>,
}

/// Removes what runs left whose process has ended: containers with their
/// volumes, networks, directories.
///
/// # Guarantees
/// Only what carries a lab's labels is touched, each by its own ID; a run whose
/// process lives is left alone, as is one of which that cannot be told.
///
/// # Errors
/// When no engine answers, or it refuses.
pub async fn reap() -> Result<Reaped, LabError> {
    reap_dead(&Engine::connect().await?).await
}

/// Removes one run, whether it lives or not: one that is kept
/// ([`Lab::detach`](super::Lab::detach)) ends so. Whether there was one.
///
/// # Errors
/// As [`reap`].
pub async fn remove(run: &str) -> Result<bool, LabError> {
    let engine = Engine::connect().await?;
    let Some(owner) = runs(&engine).await?.remove(run) else {
        return Ok(false);
    };
    remove_run(&engine, &owner).await?;
    Ok(true)
}

/// Removes the runs that have ended.
pub(crate) async fn reap_dead(engine: &Engine) -> Result<Reaped, LabError> {
    let observer = this_process()?;
    let mut reaped = Reaped::default();
    let mut refused = Ok(());
    for (run, owner) in runs(engine).await? {
        match owner.life(&observer, start_of) {
            // It may have been given up to be kept since the look, before its
            // process ended.
            Life::Dead if !kept_by_now(&run) => {
                match remove_run(engine, &owner).await {
                    Ok(stuck) if stuck.is_empty() => reaped.removed.push(run),
                    Ok(stuck) => reaped.stuck.extend(stuck),
                    // The others are removed nevertheless.
                    Err(error) => refused = refused.and(Err(error)),
                }
            }
            Life::Elsewhere => reaped.elsewhere.push(run),
            Life::Alive | Life::Kept | Life::Dead => reaped.alive.push(run),
        }
    }
    refused.map(|()| reaped)
}

fn kept_by_now(run: &str) -> bool {
    owner_of(&directory_of(run)).is_some_and(|owner| owner.keep)
}

/// Every run that left something; what its directory says of it counts more than
/// its labels, which cannot be changed.
pub(super) async fn runs(engine: &Engine) -> Result<BTreeMap<String, Owner>, LabError> {
    let found = Found::with_label(engine, ANY_LAB).await?;
    let labelled = found.labels.iter().filter_map(Owner::from_labels);
    let owners = labelled.chain(directories().into_iter().map(|(owner, _)| owner));
    Ok(owners.map(|owner| (owner.run.clone(), owner)).collect())
}

/// Removes everything of one run, and waits until it is gone.
///
/// It looks again until nothing is left: a container that somebody else is just
/// removing (another lab that reaps, a watchdog) still holds its network. But an
/// engine can keep a network for good for a container that it has lost, until it is
/// started again: that is no reason to wait for long, and none at all where there was
/// no container to begin with. Those networks are what is returned.
pub(crate) async fn remove_run(engine: &Engine, owner: &Owner) -> Result<Vec<String>, LabError> {
    let what = format!("the lab {} gone", owner.run);
    let last_container = Cell::new(None);
    let stuck = wait::until(what, GONE_DEADLINE, async || {
        let found = Found::with_label(engine, &owner.filter()).await?;
        let (nothing_left, containers) = (found.is_empty(), !found.containers.is_empty());
        if containers {
            last_container.set(Some(Instant::now()));
        }
        match found.remove(engine).await {
            Ok(()) if nothing_left => Ok(Ok(Vec::new())),
            Ok(()) => Err(StillThere::Objects),
            Err(error) => match last_container.get() {
                Some(last) if containers || last.elapsed() <= BARE_DEADLINE => {
                    Err(StillThere::Refused(error))
                }
                _ if found.nothing_is_on_what_is_left(engine).await => {
                    warn!(run = owner.run, "nothing is on it: {}", with_causes(&error));
                    Ok(Ok(found.networks))
                }
                _ => Ok(Err(error)),
            },
        }
    })
    .await??;
    for (_, path) in directories()
        .into_iter()
        .filter(|(found, _)| found.run == owner.run)
    {
        remove_directory(engine, owner, &path).await?;
    }
    Ok(stuck)
}

/// Why a run is not gone yet.
#[derive(Debug, thiserror::Error)]
enum StillThere {
    #[error("its objects are being removed")]
    Objects,
    #[error("failed to {0}: {cause}", cause = cause(.0))]
    Refused(#[from] LabError),
}

fn cause(error: &LabError) -> String {
    std::error::Error::source(error)
        .map(ToString::to_string)
        .unwrap_or_default()
}

/// Does all of it, and then says what of it failed first.
async fn all(
    work: impl Iterator<Item = impl Future<Output = Result<(), LabError>>>,
) -> Result<(), LabError> {
    join_all(work).await.into_iter().collect()
}

/// Objects of the engine that carry a label.
#[derive(Default)]
struct Found {
    containers: Vec<String>,
    networks: Vec<String>,
    volumes: Vec<String>,
    labels: Vec<HashMap<String, String>>,
}

impl Found {
    async fn with_label(engine: &Engine, label: &str) -> Result<Self, LabError> {
        let docker = engine.docker();
        let filters = HashMap::from([("label", vec![label])]);
        let mut found = Self::default();

        let options = ListContainersOptionsBuilder::new()
            .all(true)
            .filters(&filters)
            .build();
        let containers = docker.list_containers(Some(options)).await;
        for container in containers.doing(|| "list the containers of labs".to_owned())? {
            found.containers.extend(container.id);
            found.labels.extend(container.labels);
        }
        let options = ListNetworksOptionsBuilder::new().filters(&filters).build();
        let networks = docker.list_networks(Some(options)).await;
        for network in networks.doing(|| "list the networks of labs".to_owned())? {
            found.networks.extend(network.id);
            found.labels.extend(network.labels);
        }
        let options = ListVolumesOptionsBuilder::new().filters(&filters).build();
        let volumes = docker.list_volumes(Some(options)).await;
        let volumes = volumes
            .doing(|| "list the volumes of labs".to_owned())?
            .volumes;
        for volume in volumes.unwrap_or_default() {
            // Without a run it belongs to all: the registry's.
            if Owner::from_labels(&volume.labels).is_some() {
                found.volumes.push(volume.name);
                found.labels.push(volume.labels);
            }
        }
        Ok(found)
    }

    fn is_empty(&self) -> bool {
        self.containers.is_empty() && self.networks.is_empty() && self.volumes.is_empty()
    }

    async fn remove(&self, engine: &Engine) -> Result<(), LabError> {
        join_all(self.containers.iter().map(|id| thaw(engine, id))).await;
        all(self
            .containers
            .iter()
            .map(|id| remove_container(engine, id)))
        .await?;
        all(self.volumes.iter().map(|name| remove_volume(engine, name))).await?;
        all(self.networks.iter().map(|id| remove_network(engine, id))).await
    }

    /// Whether there are networks only, and the engine names nothing that is on them.
    async fn nothing_is_on_what_is_left(&self, engine: &Engine) -> bool {
        let looks = self.networks.iter().map(async |id| {
            let network = engine.docker().inspect_network(id, None).await;
            network.is_ok_and(|it| it.containers.unwrap_or_default().is_empty())
        });
        let empty = join_all(looks).await;
        self.containers.is_empty() && self.volumes.is_empty() && !empty.contains(&false)
    }
}

/// Lets everything within a container go on: what a fault has paused in a node,
/// and nobody lives to let go on, cannot be killed, and then neither can the node.
async fn thaw(engine: &Engine, id: &str) {
    let script = ["sh", "-c", THAW];
    let thawed = exec::run(engine.docker(), id, &script);
    // One that does not run has nothing to let go on.
    let _ = tokio::time::timeout(THAW_DEADLINE, thawed).await;
}

async fn remove_container(engine: &Engine, id: &str) -> Result<(), LabError> {
    // With its anonymous volumes: a node's images and containers are in one.
    let options = RemoveContainerOptionsBuilder::new()
        .force(true)
        .v(true)
        .build();
    let removed = engine.docker().remove_container(id, Some(options)).await;
    gone(removed, || format!("remove the container {id}"))
}

async fn remove_network(engine: &Engine, id: &str) -> Result<(), LabError> {
    gone(engine.docker().remove_network(id).await, || {
        format!("remove the network {id}")
    })
}

async fn remove_volume(engine: &Engine, name: &str) -> Result<(), LabError> {
    let removed = engine
        .docker()
        .remove_volume(name, None::<RemoveVolumeOptions>)
        .await;
    gone(removed, || format!("remove the volume {name}"))
}

/// Somebody else may have removed it at the same time (testcontainers' watchdog
/// does on a signal): what counts is that it is gone, or going.
fn gone(
    removed: Result<(), bollard::errors::Error>,
    doing: impl FnOnce() -> String,
) -> Result<(), LabError> {
    match removed {
        Err(error) if not_found(&error) || is_going(&error) => Ok(()),
        other => other.doing(doing),
    }
}

fn is_going(error: &bollard::errors::Error) -> bool {
    matches!(
        error,
        bollard::errors::Error::DockerResponseServerError { status_code: 409, message }
            if message.contains("already in progress")
    )
}

/// The directories of labs, and whose they are.
fn directories() -> Vec<(Owner, PathBuf)> {
    let Ok(entries) = fs::read_dir(DIRECTORY_PARENT) else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let run = path
                .file_name()?
                .to_str()?
                .strip_prefix(DIRECTORY_PREFIX)?
                .to_owned();
            let owner = owner_of(&path)?;
            // A copy of the file somewhere else gives no right to that place.
            (owner.run == run).then_some((owner, path))
        })
        .collect()
}

fn owner_of(directory: &Path) -> Option<Owner> {
    serde_json::from_slice(&fs::read(directory.join(OWNER_FILE)).ok()?).ok()
}

/// Containers write as root into the directories they share with the host, and
/// the user who runs the lab need not be root: then a container removes them.
async fn remove_directory(engine: &Engine, owner: &Owner, path: &Path) -> Result<(), LabError> {
    let failed = |source| LabError::File {
        doing: "remove the directory",
        path: path.into(),
        source,
    };
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            empty_as_root(engine, owner, path).await?;
            fs::remove_dir_all(path).map_err(failed)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(failed),
    }
}

async fn empty_as_root(engine: &Engine, owner: &Owner, path: &Path) -> Result<(), LabError> {
    let command = ["find", "/lab", "-mindepth", "1", "-delete"];
    let mount = HostConfig {
        binds: Some(vec![format!("{}:/lab", path.display())]),
        ..Default::default()
    };
    // What it could not remove is in the way of the next step, which says so.
    run_once(engine, owner, &command, mount).await.map(|_| ())
}
