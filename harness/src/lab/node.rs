//! A node of the swarm: a container that runs dockerd.

use std::{
    net::Ipv4Addr,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use bollard::{
    API_DEFAULT_VERSION, Docker,
    models::{DeviceMapping, HostConfig, HostConfigCgroupnsModeEnum},
};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use testcontainers::core::Mount;

use super::{
    Container, LabError, Output, Recipe, Resources,
    error::{At, Doing},
    http::{get_from_socket, percent_encoded},
    network::LabNetwork,
    wait,
};
use crate::{event::LogLine, volume};

/// A daemon is up in about three seconds where it has a core to itself.
const DAEMON_DEADLINE: Duration = Duration::from_secs(60);
/// Seconds that a request to a node's daemon may take to be answered.
const REQUEST_SECONDS: u64 = 120;
/// Where a node finds the directory that it shares its API's socket in.
const SHARED_IN_NODE: &str = "/run/rollover-lab";
const SOCKET: &str = "docker.sock";

/// A node of the lab's swarm.
#[derive(Debug, Clone)]
pub struct Node {
    number: u8,
    container: Container,
    socket: PathBuf,
    docker: Docker,
}

/// A node whose container runs; its daemon may not answer yet.
#[derive(Debug)]
pub(crate) struct Starting {
    number: u8,
    pub(crate) container: Container,
    socket: PathBuf,
}

impl Starting {
    /// Starts a node's container.
    pub(crate) async fn begin(
        resources: &Resources,
        network: &LabNetwork,
        volume: &volume::Prepared,
        number: u8,
    ) -> Result<Self, LabError> {
        let name = format!("node-{number}");
        let shared = resources.make_directory(&format!("n{number}"))?;
        let group = std::fs::metadata(&shared).at("look at", &shared)?.gid();
        let privileged = resources.engine().privileged();
        let recipe = Recipe::new(&name, "node", network.node(number))
            // Who runs the lab can use the node's API without being root.
            .command([format!("--group={group}")])
            .environment("NODE_SOCKET", format!("{SHARED_IN_NODE}/{SOCKET}"))
            .host("registry", network.registry())
            .mounts([Mount::bind_mount(
                shared.display().to_string(),
                SHARED_IN_NODE,
            )])
            .mounts(volume.mounts(number))
            .host_config(move |config| be_a_docker_host(config, privileged));
        let container = Container::start(resources, network, recipe).await?;
        let socket = shared.join(SOCKET);
        Ok(Self {
            number,
            container,
            socket,
        })
    }

    /// The node of that number of a lab that stands.
    pub(crate) fn again(resources: &Resources, container: Container, number: u8) -> Self {
        let shared = resources.directory().join(format!("n{number}"));
        Self {
            number,
            container,
            socket: shared.join(SOCKET),
        }
    }

    /// Waits until its daemon answers.
    pub(crate) async fn ready(self) -> Result<Node, LabError> {
        let Self {
            number,
            container,
            socket,
        } = self;
        let docker = daemon(&container, &socket).await?;
        Ok(Node {
            number,
            container,
            socket,
            docker,
        })
    }
}

impl Node {
    /// `node-1`, `node-2`, …: its host name, and its name in the swarm.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.container.name
    }

    /// Its number, from one on.
    #[must_use]
    pub fn number(&self) -> u8 {
        self.number
    }

    /// Its address on the lab's network; this machine can reach it.
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        self.container.address
    }

    /// Its daemon.
    #[must_use]
    pub fn docker(&self) -> &Docker {
        &self.docker
    }

    /// The socket of its daemon, for `docker -H unix://…`.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The ID of the container that it is, on the host's engine.
    #[must_use]
    pub fn container_id(&self) -> &str {
        &self.container.id
    }

    /// The host's engine, on which the node is a container.
    pub(crate) fn host(&self) -> &Docker {
        self.container.docker()
    }

    /// Runs a command in the node itself, beside its daemon.
    ///
    /// # Errors
    /// When it could not be run; its failure is in the [`Output`].
    ///
    /// ```no_run
    /// # async fn example(lab: &rollover_lab::lab::Lab) -> Result<(), rollover_lab::lab::LabError> {
    /// let output = lab.manager().exec(&["docker", "service", "ls"]).await?;
    /// assert!(output.success(), "{output}");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn exec(&self, command: &[&str]) -> Result<Output, LabError> {
        self.container.exec(command).await
    }

    pub(crate) fn container(&self) -> &Container {
        &self.container
    }

    /// Makes an address unreachable from here and from the containers of this
    /// node, as a fault: who connects is told so at once ("no route to host").
    ///
    /// # Errors
    /// When the route cannot be set.
    pub async fn cut_off_from(&self, address: Ipv4Addr) -> Result<(), LabError> {
        self.route("add", address).await
    }

    /// Makes it reachable again.
    ///
    /// # Errors
    /// When the route cannot be removed.
    pub async fn reconnect_to(&self, address: Ipv4Addr) -> Result<(), LabError> {
        self.route("del", address).await
    }

    async fn route(&self, change: &str, address: Ipv4Addr) -> Result<(), LabError> {
        let address = address.to_string();
        let command = ["ip", "route", change, "unreachable", &address];
        let output = self.exec(&command).await?;
        if output.success() {
            return Ok(());
        }
        Err(LabError::Command {
            command: command.join(" "),
            status: format!("exit code {} on {}", output.code, self.name()),
            output: output.stderr,
        })
    }

    /// Asks its daemon for a list, where bollard's types lack something.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        filters: &serde_json::Value,
    ) -> Result<T, LabError> {
        let failed = |found: String| LabError::Answer {
            doing: "ask the daemon for a list",
            address: self.name().to_owned(),
            expected: "a list of what was asked for",
            found,
        };
        let path = format!("{path}?filters={}", percent_encoded(&filters.to_string()));
        let answer = get_from_socket(&self.socket, &path).await;
        let answer = answer.map_err(|error| failed(error.to_string()))?;
        serde_json::from_str(&answer.body)
            .map_err(|error| failed(format!("{error} in {}", answer.body)))
    }

    /// What its daemon wrote.
    ///
    /// # Errors
    /// When the host's engine does not give it.
    pub async fn log(&self) -> Result<String, LabError> {
        self.container.log(None).await
    }

    /// What its daemon wrote since then.
    ///
    /// # Errors
    /// As [`log`](Self::log).
    pub async fn lines_since(&self, since: Timestamp) -> Result<Vec<LogLine>, LabError> {
        let source = format!("dockerd on {}", self.name());
        self.container.lines_since(since, &source).await
    }
}

/// What a daemon needs to run containers of its own.
pub(super) fn be_a_docker_host(config: &mut HostConfig, privileged: bool) {
    config.cgroupns_mode = Some(HostConfigCgroupnsModeEnum::PRIVATE);
    if privileged {
        config.privileged = Some(true);
        return;
    }
    // Where --privileged is refused: the same, without the one capability that
    // the machine does not have.
    let list = |items: &[&str]| Some(items.iter().map(|&item| item.to_owned()).collect());
    config.cap_add = list(&["ALL"]);
    config.cap_drop = list(&["SYS_RESOURCE"]);
    config.security_opt = list(&["seccomp=unconfined", "apparmor=unconfined"]);
    config.masked_paths = Some(Vec::new());
    config.readonly_paths = Some(Vec::new());
    config.device_cgroup_rules = list(&["a *:* rwm"]);
    if Path::new("/dev/fuse").exists() {
        config.devices = Some(vec![DeviceMapping {
            path_on_host: Some("/dev/fuse".to_owned()),
            path_in_container: Some("/dev/fuse".to_owned()),
            cgroup_permissions: Some("rwm".to_owned()),
        }]);
    }
}

async fn daemon(container: &Container, socket: &Path) -> Result<Docker, LabError> {
    let name = &container.name;
    let answer = wait::until(
        format!("the daemon of {name} answer"),
        DAEMON_DEADLINE,
        async || {
            match connect(socket).await {
                Ok(docker) => Ok(Ok(docker)),
                // No use to wait for one that has ended.
                Err(error) => match container.ended().await {
                    Ok(Some(reason)) => Ok(Err(reason)),
                    _ => Err(error),
                },
            }
        },
    );
    match answer.await {
        Ok(Ok(docker)) => Ok(docker),
        Ok(Err(reason)) => Err(container.not_ready(reason).await),
        Err(timed_out) => Err(container.not_ready(timed_out).await),
    }
}

async fn connect(socket: &Path) -> Result<Docker, LabError> {
    let path = socket.display().to_string();
    let doing = || format!("reach the daemon at {path}");
    let docker =
        Docker::connect_with_unix(&path, REQUEST_SECONDS, API_DEFAULT_VERSION).doing(doing)?;
    docker.negotiate_version().await.doing(doing)
}
