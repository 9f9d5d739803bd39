//! One container of a lab, started by testcontainers at an address of its own.

use std::{collections::HashMap, net::Ipv4Addr, sync::Arc};

use bollard::models::{
    EndpointIpamConfig, EndpointSettings, HostConfig, NetworkConnectRequest,
    NetworkDisconnectRequest, PortBinding,
};
use testcontainers::{
    ContainerRequest, GenericImage, ImageExt,
    core::{Host, Mount},
    runners::AsyncRunner,
};

use super::{Engine, LabError, Resources, error::Doing, exec, images, network::LabNetwork};

/// How many lines of a log go into an error.
const LOG_LINES: usize = 40;

type HostConfigChange = Arc<dyn Fn(&mut HostConfig) + Send + Sync>;

/// What to start.
pub(crate) struct Recipe {
    /// Its name within the lab, which is also its name for the others.
    name: String,
    image: String,
    address: Ipv4Addr,
    entrypoint: Option<String>,
    command: Vec<String>,
    environment: Vec<(String, String)>,
    hosts: Vec<(String, Ipv4Addr)>,
    mounts: Vec<Mount>,
    published: Option<u16>,
    change: Option<HostConfigChange>,
}

impl Recipe {
    /// A container of the lab's image `rollover-lab/IMAGE`.
    pub(crate) fn new(name: impl Into<String>, image: &str, address: Ipv4Addr) -> Self {
        Self {
            name: name.into(),
            image: image.to_owned(),
            address,
            entrypoint: None,
            command: Vec::new(),
            environment: Vec::new(),
            hosts: Vec::new(),
            mounts: Vec::new(),
            published: None,
            change: None,
        }
    }

    /// The program to run in place of the image's own.
    pub(crate) fn entrypoint(mut self, program: &str) -> Self {
        self.entrypoint = Some(program.to_owned());
        self
    }

    pub(crate) fn command<T: Into<String>>(mut self, words: impl IntoIterator<Item = T>) -> Self {
        self.command = words.into_iter().map(Into::into).collect();
        self
    }

    pub(crate) fn environment(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// A name that it resolves by itself, whatever becomes of the network's DNS.
    pub(crate) fn host(mut self, name: &str, address: Ipv4Addr) -> Self {
        self.hosts.push((name.to_owned(), address));
        self
    }

    pub(crate) fn mounts(mut self, mounts: impl IntoIterator<Item = Mount>) -> Self {
        self.mounts.extend(mounts);
        self
    }

    /// Publishes a TCP port on the host's loopback interface.
    pub(crate) fn publish(mut self, port: u16) -> Self {
        self.published = Some(port);
        self
    }

    pub(crate) fn host_config(
        mut self,
        change: impl Fn(&mut HostConfig) + Send + Sync + 'static,
    ) -> Self {
        self.change = Some(Arc::new(change));
        self
    }

    fn into_request(
        self,
        container_name: &str,
        network: &LabNetwork,
        labels: HashMap<String, String>,
    ) -> ContainerRequest<GenericImage> {
        let (published, change) = (self.published, self.change);
        let (name, tag) = images::parts(&self.image);
        let mut image = GenericImage::new(name, tag);
        if let Some(program) = &self.entrypoint {
            image = image.with_entrypoint(program);
        }
        let mut request = image
            .with_container_name(container_name)
            .with_hostname(self.name)
            .with_network(&network.name)
            .with_labels(labels)
            .with_cmd(self.command)
            .with_host_config_modifier(move |host_config| {
                // testcontainers would publish every exposed port, on all interfaces.
                host_config.publish_all_ports = Some(false);
                host_config.port_bindings = published.map(loopback_binding);
                if let Some(change) = &change {
                    change(host_config);
                }
            });
        for (name, value) in self.environment {
            request = request.with_env_var(name, value);
        }
        for (name, address) in self.hosts {
            request = request.with_host(name, Host::Addr(address.into()));
        }
        for mount in self.mounts {
            request = request.with_mount(mount);
        }
        request
    }
}

fn loopback_binding(port: u16) -> HashMap<String, Option<Vec<PortBinding>>> {
    let binding = PortBinding {
        host_ip: Some("127.0.0.1".to_owned()),
        host_port: Some(String::new()),
    };
    HashMap::from([(format!("{port}/tcp"), Some(vec![binding]))])
}

/// A running container of the lab.
#[derive(Debug, Clone)]
pub(crate) struct Container {
    engine: Engine,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) address: Ipv4Addr,
}

impl Container {
    /// Starts a container and puts it at its address.
    ///
    /// # Caveats
    /// testcontainers knows no fixed addresses, so the container starts at one
    /// of the network's choosing and is moved right after. It keeps the fixed
    /// one when it is stopped and started again.
    pub(crate) async fn start(
        resources: &Resources,
        network: &LabNetwork,
        recipe: Recipe,
    ) -> Result<Self, LabError> {
        let (name, address) = (recipe.name.clone(), recipe.address);
        let request = recipe.into_request(
            &resources.container_name(&name),
            network,
            resources.owner().labels(),
        );
        let started = request
            .start()
            .await
            .map_err(|source| LabError::Container {
                name: name.clone(),
                source: Box::new(source),
            })?;
        let id = started.id().to_owned();
        resources.hold(started);
        let container = Self {
            engine: resources.engine().clone(),
            id,
            name,
            address,
        };
        container.place(network).await?;
        Ok(container)
    }

    /// A container of a lab that stands.
    pub(crate) fn of(engine: &Engine, id: String, name: &str, address: Ipv4Addr) -> Self {
        Self {
            engine: engine.clone(),
            id,
            name: name.to_owned(),
            address,
        }
    }

    async fn place(&self, network: &LabNetwork) -> Result<(), LabError> {
        self.leave(network).await?;
        self.join(network).await
    }

    async fn leave(&self, network: &LabNetwork) -> Result<(), LabError> {
        let leave = NetworkDisconnectRequest {
            container: self.id.clone(),
            force: Some(true),
        };
        let docker = self.engine.docker();
        docker
            .disconnect_network(&network.name, leave)
            .await
            .doing(|| format!("take {} off the lab's network", self.name))
    }

    async fn join(&self, network: &LabNetwork) -> Result<(), LabError> {
        let join = NetworkConnectRequest {
            container: self.id.clone(),
            endpoint_config: Some(EndpointSettings {
                aliases: Some(vec![self.name.clone()]),
                ipam_config: Some(EndpointIpamConfig {
                    ipv4_address: Some(self.address.to_string()),
                    ..Default::default()
                }),
                ..Default::default()
            }),
        };
        let docker = self.engine.docker();
        docker
            .connect_network(&network.name, join)
            .await
            .doing(|| format!("put {} at {}", self.name, self.address))
    }

    /// The port on the host's loopback interface that leads to `port`.
    pub(crate) async fn published(&self, port: u16) -> Result<Option<u16>, LabError> {
        let container = self.inspect().await?;
        let ports = container
            .network_settings
            .and_then(|settings| settings.ports);
        let binding = ports.and_then(|mut ports| ports.remove(&format!("{port}/tcp"))?);
        Ok(binding.and_then(|binding| binding.first()?.host_port.as_ref()?.parse().ok()))
    }

    /// Why the container is of no use any more, if it has ended.
    pub(crate) async fn ended(&self) -> Result<Option<String>, LabError> {
        let state = self.inspect().await?.state.unwrap_or_default();
        if state.running == Some(true) {
            return Ok(None);
        }
        let code = state.exit_code.unwrap_or_default();
        Ok(Some(format!("it ended with exit code {code}")))
    }

    async fn inspect(&self) -> Result<bollard::models::ContainerInspectResponse, LabError> {
        self.engine
            .docker()
            .inspect_container(&self.id, None)
            .await
            .doing(|| format!("inspect the container {}", self.name))
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The engine that it is on.
    pub(crate) fn docker(&self) -> &bollard::Docker {
        self.engine.docker()
    }

    pub(crate) async fn exec(&self, command: &[&str]) -> Result<exec::Output, LabError> {
        exec::run(self.engine.docker(), &self.id, command).await
    }

    /// As [`exec`](Self::exec), with something to read, and byte by byte.
    pub(crate) async fn exec_raw(
        &self,
        command: &[&str],
        input: &[u8],
    ) -> Result<exec::Raw, LabError> {
        exec::run_raw(self.engine.docker(), &self.id, command, input).await
    }

    pub(crate) async fn log(&self, lines: Option<usize>) -> Result<String, LabError> {
        exec::log(self.engine.docker(), &self.id, lines).await
    }

    pub(crate) async fn lines_since(
        &self,
        since: jiff::Timestamp,
        source: &str,
    ) -> Result<Vec<crate::event::LogLine>, LabError> {
        exec::lines_since(self.engine.docker(), &self.id, since, source).await
    }

    /// An error that shows what the container wrote last.
    pub(crate) async fn not_ready(&self, reason: impl ToString) -> LabError {
        let log = match self.log(Some(LOG_LINES)).await {
            Ok(log) => log,
            Err(error) => format!("({error})"),
        };
        LabError::NotReady {
            name: self.name.clone(),
            reason: reason.to_string(),
            log,
        }
    }
}
