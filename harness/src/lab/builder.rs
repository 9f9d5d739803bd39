//! Bringing a lab up.

use futures_util::future::join_all;
use tokio::sync::Mutex;

use super::{
    Engine, Lab, LabError, Node, Resources, Subnet, images,
    manifest::Manifest,
    network::{self, LabNetwork},
    node::Starting,
    reap,
    registry::{Registry, in_lab},
    stages::Stages,
    swarm,
    timeline::Recorder,
};
use crate::{
    acme::{
        Acme, AcmeServer, Pebble, PebbleOptions,
        mock::{Mock, Settings, Validation},
    },
    clock,
    event::Journal,
    volume::{self, Mounted, Volume},
};

/// What the origin's stack needs.
pub(super) const IMAGES: [&str; 5] = ["loadbalancer", "web", "php", "certbot", "runner"];
/// More would not fit the addresses of a lab, nor any machine it is made for.
const MOST_NODES: u8 = 100;

/// A lab that comes up takes all the cores there are, so two at a time would both be
/// late, and so would the traffic in a third.
static COMING_UP: Mutex<()> = Mutex::const_new(());

/// What a lab shall be.
#[derive(Debug, Clone)]
#[must_use]
pub struct LabBuilder {
    managers: u8,
    others: Others,
    labels: Vec<(String, Vec<(String, String)>)>,
    volume: Volume,
    acme: Acme,
    pebble: PebbleOptions,
    images: Vec<String>,
    subnet: Option<Subnet>,
}

/// How many nodes there are beside the managers.
#[derive(Debug, Clone, Copy)]
enum Others {
    /// As many as make that many in all.
    Of(u8),
    Workers(u8),
}

impl Default for LabBuilder {
    fn default() -> Self {
        Self {
            managers: 1,
            others: Others::Of(3),
            labels: Vec::new(),
            volume: Volume::default(),
            acme: Acme::default(),
            pebble: PebbleOptions::default(),
            images: IMAGES.map(str::to_owned).into(),
            subnet: None,
        }
    }
}

impl LabBuilder {
    /// How many nodes in all, at least one; those that are no managers are
    /// workers. The default is three.
    pub fn nodes(mut self, nodes: u8) -> Self {
        self.others = Others::Of(nodes);
        self
    }

    /// How many nodes manage the swarm, at least one, which is the default. Raft
    /// wants an odd number: an even one bears the loss of no more than the odd
    /// one below it.
    pub fn managers(mut self, managers: u8) -> Self {
        self.managers = managers.clamp(1, MOST_NODES);
        self
    }

    /// How many nodes there are beside the managers.
    pub fn workers(mut self, workers: u8) -> Self {
        self.others = Others::Workers(workers);
        self
    }

    /// Labels that the swarm shall know of a node (`node-1`, …), for placement:
    /// `node.labels.KEY == VALUE`.
    pub fn labels<K: Into<String>, V: Into<String>>(
        mut self,
        node: &str,
        labels: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let labels = labels
            .into_iter()
            .map(|(key, value)| (key.into(), value.into()));
        self.labels.push((node.to_owned(), labels.collect()));
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

    /// What Pebble shall be, where it is the ACME server.
    pub fn pebble(mut self, options: PebbleOptions) -> Self {
        self.pebble = options;
        self
    }

    /// The images of this machine's engine that the lab's registry shall have,
    /// by default those of the stack. `shop:2` is `registry:5000/shop:2` in the
    /// lab; a bare `NAME` stands for `rollover-lab/NAME:latest`, which is
    /// `registry:5000/NAME:latest` there. [`Lab::image`] says how.
    pub fn images<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.images = names.into_iter().map(Into::into).collect();
        self
    }

    /// Images that the registry shall have beside the stack's.
    pub fn more_images<T: AsRef<str>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        let names = names.into_iter().map(|name| name.as_ref().to_owned());
        self.images.extend(names);
        self
    }

    /// Where the lab takes its /24 of addresses from. By default it is the first
    /// that neither the engine nor a route of this machine has, in 172.28.0.0/16
    /// or in `ROLLOVER_LAB_NETWORK`, so that labs stand side by side.
    pub fn subnet(mut self, subnet: Subnet) -> Self {
        self.subnet = Some(subnet);
        self
    }

    fn count(&self) -> u8 {
        let count = match self.others {
            Others::Of(nodes) => nodes.max(self.managers),
            Others::Workers(workers) => self.managers.saturating_add(workers),
        };
        count.min(MOST_NODES)
    }

    /// Brings the lab up, ready for a deploy. First the images are built and what
    /// dead runs left is removed. In one process labs come up one after the other.
    ///
    /// # Errors
    /// Says which part failed and why; nothing of the lab is left then.
    pub async fn start(self) -> Result<Lab, LabError> {
        let stages = Stages::begin();
        let engine = Engine::connect().await?;
        stages.timed("images built", self.ensure_images()).await?;
        let reaping = async {
            reap_dead(&engine).await;
            Ok(())
        };
        stages.timed("dead runs removed", reaping).await?;
        let _turn = COMING_UP.lock().await;
        let resources = Resources::new(engine)?;
        let network = network::create(resources.engine(), resources.owner(), self.subnet);
        let network = stages.timed("network", network).await?;
        let volume = volume::Prepared::new(&self.volume, &resources, self.count())?;

        // All are let come to their end, also when one has failed: what is
        // dropped half way could make something after the clean-up has looked.
        let (nodes, registry, acme) = tokio::join!(
            stages.timed(
                "nodes, volume and swarm",
                self.start_nodes(&stages, &resources, &network, volume)
            ),
            stages.timed(
                "registry and images",
                start_registry(&stages, &resources, &network, &self.images)
            ),
            stages.timed("acme", start_acme(&self, &resources, &network)),
        );
        let ((nodes, volume), acme, registry) = (nodes?, acme?, registry?);
        if let Some(acme) = &acme {
            let files = volume.certificates();
            files.write("acme-ca.pem", acme.ca_pem())?;
        }
        self.manifest(&network).write(&resources)?;
        tracing::info!(run = resources.owner().run, "the lab is up");
        Ok(Lab {
            recorder: Recorder::listen(&nodes),
            journal: Journal::default(),
            nodes,
            managers: usize::from(self.managers),
            registry,
            stages: stages.into_vec(),
            acme,
            volume,
            network,
            explained: true,
            resources,
        })
    }

    /// Builds what is needed of the lab's own images: no service of the stack, where all
    /// that the registry shall have is somebody else's.
    async fn ensure_images(&self) -> Result<(), LabError> {
        if self.images.iter().any(|image| is_of_the_lab(image)) {
            return images::ensure().await;
        }
        match self.acme {
            Acme::Pebble => images::ensure_only(&["node", "registry", "pebble"]).await,
            Acme::Mock | Acme::None => images::ensure_only(&["node", "registry"]).await,
        }
    }

    /// The volume is mounted while the daemons start and the swarm is formed.
    async fn start_nodes(
        &self,
        stages: &Stages,
        resources: &Resources,
        network: &LabNetwork,
        volume: volume::Prepared,
    ) -> Result<(Vec<Node>, Mounted), LabError> {
        let starting =
            (1..=self.count()).map(|number| Starting::begin(resources, network, &volume, number));
        let starting = stages.timed("containers", all(starting)).await?;
        let containers: Vec<_> = starting.iter().map(|node| node.container.clone()).collect();
        let (nodes, mounted) = tokio::join!(
            self.become_a_swarm(stages, starting),
            stages.timed("volume", volume.mount(&containers))
        );
        Ok((nodes?, mounted?))
    }

    async fn become_a_swarm(
        &self,
        stages: &Stages,
        starting: Vec<Starting>,
    ) -> Result<Vec<Node>, LabError> {
        let ready = starting.into_iter().map(Starting::ready);
        let nodes = stages.timed("daemons", all(ready)).await?;
        stages
            .timed("swarm", swarm::form(&nodes, usize::from(self.managers)))
            .await?;
        for (node, labels) in &self.labels {
            swarm::label(&nodes[0], node, labels).await?;
        }
        Ok(nodes)
    }

    fn manifest(&self, network: &LabNetwork) -> Manifest {
        Manifest {
            up_since: clock::now(),
            nodes: self.count(),
            managers: self.managers,
            subnet: network.subnet.to_string(),
            volume: self.volume.to_string(),
            acme: self.acme.to_string(),
            images: self.images.iter().map(|image| in_lab(image)).collect(),
        }
    }
}

/// What others left behind is no reason not to start.
async fn reap_dead(engine: &Engine) {
    match reap::reap_dead(engine).await {
        Ok(reaped) if reaped.removed.is_empty() => {}
        Ok(reaped) => tracing::info!(runs = ?reaped.removed, "removed what dead runs had left"),
        Err(error) => tracing::warn!(%error, "what a dead run had left could not be removed"),
    }
}

/// Lets all come to their end, then says what came of them.
async fn all<T>(
    work: impl IntoIterator<Item = impl Future<Output = Result<T, LabError>>>,
) -> Result<Vec<T>, LabError> {
    join_all(work).await.into_iter().collect()
}

async fn start_registry(
    stages: &Stages,
    resources: &Resources,
    network: &LabNetwork,
    images: &[String],
) -> Result<Registry, LabError> {
    let registry = stages
        .timed("registry", Registry::start(resources, network))
        .await?;
    stages
        .timed("images pushed", registry.push_all(images))
        .await?;
    Ok(registry)
}

async fn start_acme(
    lab: &LabBuilder,
    resources: &Resources,
    network: &LabNetwork,
) -> Result<Option<AcmeServer>, LabError> {
    Ok(match lab.acme {
        Acme::None => None,
        Acme::Pebble => {
            let pebble = Pebble::launch(resources, network, &lab.pebble).await?;
            Some(AcmeServer::Pebble(Box::new(pebble)))
        }
        Acme::Mock => {
            let settings = Settings {
                validation: Validation::Fetch { port: 80 },
                ..Settings::default()
            };
            let mock = Mock::launch((network.gateway(), 0).into(), settings).await?;
            Some(AcmeServer::Mock(mock))
        }
    })
}

/// Whether it is a bare name, as [`LabBuilder::images`] takes one for an image of the lab's.
fn is_of_the_lab(image: &str) -> bool {
    !image.contains([':', '/'])
}
