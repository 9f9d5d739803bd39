//! Bringing a lab up.

use std::{fs, time::Duration};

use futures_util::future::join_all;
use tokio::time::Instant;

use super::{
    Engine, Lab, LabError, Node, Resources, error::At, images, network, network::LabNetwork, reap,
    registry::Registry, swarm, timeline::Recorder,
};
use crate::{
    acme::{Acme, Pebble},
    volume::{self, Volume},
};

/// What the origin's stack needs.
const IMAGES: [&str; 5] = ["loadbalancer", "web", "php", "certbot", "runner"];
/// More would not fit the addresses of a lab, nor any machine it is made for.
const MOST_NODES: u8 = 100;

/// What a lab shall be.
#[derive(Debug, Clone)]
#[must_use]
pub struct LabBuilder {
    nodes: u8,
    volume: Volume,
    acme: Acme,
    images: Vec<String>,
    keep: bool,
}

impl Default for LabBuilder {
    fn default() -> Self {
        Self {
            nodes: 3,
            volume: Volume::default(),
            acme: Acme::default(),
            images: IMAGES.map(str::to_owned).into(),
            keep: false,
        }
    }
}

impl LabBuilder {
    /// How many nodes, at least one; the first is the manager, the others are
    /// workers. The default is three.
    pub fn nodes(mut self, nodes: u8) -> Self {
        self.nodes = nodes.clamp(1, MOST_NODES);
        self
    }

    /// The volume that all nodes mount.
    pub fn volume(mut self, volume: Volume) -> Self {
        self.volume = volume;
        self
    }

    /// The ACME server.
    pub fn acme(mut self, acme: Acme) -> Self {
        self.acme = acme;
        self
    }

    /// The images that the registry shall have: `NAME` stands for the host's
    /// `rollover-lab/NAME:latest`, which is `registry:5000/NAME:latest` in the lab.
    pub fn images<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.images = names.into_iter().map(Into::into).collect();
        self
    }

    /// Whether the lab is meant to outlive this process (see [`Lab::detach`]):
    /// then [`reap`](super::reap) leaves it alone.
    pub fn keep(mut self, keep: bool) -> Self {
        self.keep = keep;
        self
    }

    /// Brings the lab up, ready for a deploy. First the images are built and what
    /// dead runs left is removed.
    ///
    /// # Errors
    /// Says which part failed and why; nothing of the lab is left then.
    pub async fn start(self) -> Result<Lab, LabError> {
        let begin = Instant::now();
        let engine = Engine::connect().await?;
        timed("images", images::ensure()).await?;
        reap_dead(&engine).await;
        let resources = Resources::new(engine, self.keep)?;
        let network = network::create(resources.engine(), resources.owner()).await?;
        let volume = self.volume.prepare(&resources)?;

        // All are let come to their end, also when one has failed: what is
        // dropped half way could make something after the clean-up has looked.
        let (nodes, registry, pebble) = tokio::join!(
            timed(
                "nodes and swarm",
                start_nodes(&resources, &network, &volume, self.nodes)
            ),
            timed(
                "registry and images",
                start_registry(&resources, &network, &self.images)
            ),
            timed("acme", start_acme(self.acme, &resources, &network, &volume)),
        );
        let (nodes, pebble) = (nodes?, pebble?);
        registry?;
        tracing::info!(run = resources.owner().run, took = ?begin.elapsed(), "the lab is up");
        Ok(Lab {
            recorder: Recorder::listen(&nodes),
            nodes,
            pebble,
            volume,
            network,
            resources,
        })
    }
}

async fn timed<T>(
    stage: &'static str,
    work: impl Future<Output = Result<T, LabError>>,
) -> Result<T, LabError> {
    let begin = Instant::now();
    let result = work.await;
    let took: Duration = begin.elapsed();
    match &result {
        Ok(_) => tracing::info!(stage, ?took, "done"),
        Err(error) => tracing::info!(stage, ?took, %error, "failed"),
    }
    result
}

/// What others left behind is no reason not to start.
async fn reap_dead(engine: &Engine) {
    match reap::reap_dead(engine).await {
        Ok(reaped) if reaped.removed.is_empty() => {}
        Ok(reaped) => tracing::info!(runs = ?reaped.removed, "removed what dead runs had left"),
        Err(error) => tracing::warn!(%error, "what a dead run had left could not be removed"),
    }
}

async fn start_nodes(
    resources: &Resources,
    network: &LabNetwork,
    volume: &volume::Prepared,
    count: u8,
) -> Result<Vec<Node>, LabError> {
    let starting = (1..=count).map(|number| Node::start(resources, network, volume, number));
    let nodes = timed("nodes", async {
        join_all(starting)
            .await
            .into_iter()
            .collect::<Result<Vec<_>, _>>()
    })
    .await?;
    timed("swarm", swarm::form(&nodes)).await?;
    Ok(nodes)
}

async fn start_registry(
    resources: &Resources,
    network: &LabNetwork,
    images: &[String],
) -> Result<(), LabError> {
    let registry = timed("registry", Registry::start(resources, network)).await?;
    timed("push", registry.push_all(images)).await
}

async fn start_acme(
    acme: Acme,
    resources: &Resources,
    network: &LabNetwork,
    volume: &volume::Prepared,
) -> Result<Option<Pebble>, LabError> {
    if acme == Acme::None {
        return Ok(None);
    }
    let pebble = Pebble::launch(resources, network).await?;
    let path = volume.directory().join("acme-ca.pem");
    fs::write(&path, pebble.ca_pem()).at("write", path)?;
    Ok(Some(pebble))
}
