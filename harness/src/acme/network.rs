//! ACME servers and clients without a swarm.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::atomic::{AtomicU8, Ordering},
};

use super::{
    Pebble, PebbleOptions,
    mock::{Mock, Settings},
};
use crate::lab::{
    Container, Engine, LabError, LabNetwork, Output, Recipe, Resources, create_network,
    ensure_images,
};

/// A network for ACME servers and their clients: what a lab has of it, without
/// nodes. Dropping it takes everything on it away.
#[derive(Debug)]
pub struct Network {
    clients: AtomicU8,
    network: LabNetwork,
    /// Last: what the others use is removed after them.
    resources: Resources,
}

impl Network {
    /// Makes it.
    ///
    /// # Errors
    /// When there is no engine, or no image, or no subnet that is free.
    pub async fn create() -> Result<Self, LabError> {
        let engine = Engine::connect().await?;
        ensure_images().await?;
        let resources = Resources::new(engine)?;
        let network = create_network(resources.engine(), resources.owner(), None).await?;
        Ok(Self {
            clients: AtomicU8::new(0),
            network,
            resources,
        })
    }

    /// The address that this machine has in it.
    #[must_use]
    pub fn gateway(&self) -> Ipv4Addr {
        self.network.gateway()
    }

    /// Starts Pebble; there is room for one.
    ///
    /// # Errors
    /// When it does not get ready.
    pub async fn pebble(&self, options: &PebbleOptions) -> Result<Pebble, LabError> {
        Pebble::launch(&self.resources, &self.network, options).await
    }

    /// Starts a mock where containers on the network reach it.
    ///
    /// # Errors
    /// When it cannot listen: the engine may be on another machine.
    pub async fn mock(&self, settings: Settings) -> Result<Mock, LabError> {
        Mock::launch(SocketAddr::from((self.gateway(), 0)), settings).await
    }

    /// Starts a container of the lab's image `rollover-lab/IMAGE` that does
    /// nothing by itself.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn client(&self, image: &str) -> Result<Client, LabError> {
        let number = self.clients.fetch_add(1, Ordering::Relaxed) + 1;
        Client::start(&self.resources, &self.network, number, image).await
    }

    /// Takes everything on it away, and waits until it is gone.
    ///
    /// # Errors
    /// When something could not be removed.
    pub async fn stop(mut self) -> Result<(), LabError> {
        self.resources.remove()
    }
}

/// A container in which clients are run.
#[derive(Debug)]
pub struct Client(Container);

impl Client {
    /// Starts the client of that number.
    pub(crate) async fn start(
        resources: &Resources,
        network: &LabNetwork,
        number: u8,
        image: &str,
    ) -> Result<Self, LabError> {
        let name = format!("client-{number}");
        let recipe = Recipe::new(name, image, network.client(number))
            .entrypoint("sleep")
            .command(["infinity"]);
        let container = Container::start(resources, network, recipe).await?;
        Ok(Self(container))
    }

    /// Where it is on its network.
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        self.0.address
    }

    /// Runs `command` in it and waits for its end, whatever that is.
    ///
    /// # Errors
    /// When it could not be run.
    pub async fn exec(&self, command: &[&str]) -> Result<Output, LabError> {
        self.0.exec(command).await
    }
}
