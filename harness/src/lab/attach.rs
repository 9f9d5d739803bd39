//! Finding a lab that stands.

use futures_util::future::join_all;

use super::{
    Container, Engine, Lab, LabError, Node, Resources,
    manifest::Manifest,
    network::LabNetwork,
    node::Starting,
    reap,
    registry::{self, Registry},
    standing::{Found, containers},
    timeline::Recorder,
};
use crate::{
    acme::{
        Acme, AcmeServer, Pebble,
        pebble::{CHALLENGE_SERVER, SERVER},
    },
    event::Journal,
    volume::{Mounted, Volume},
};

/// A handle to the lab of that run.
pub(super) async fn attach(run: &str) -> Result<Lab, LabError> {
    let engine = Engine::connect().await?;
    let mut runs = reap::runs(&engine).await?;
    let Some(owner) = runs.remove(run) else {
        return Err(LabError::NoLab {
            run: run.to_owned(),
            known: runs.into_keys().collect(),
        });
    };
    let label = owner.filter();
    let found = containers(&engine, &label).await?.remove(run);
    let found = found.unwrap_or_default();
    let resources = Resources::of(engine, owner);
    let not_whole = || LabError::NotWhole {
        run: run.to_owned(),
    };
    let manifest = Manifest::read(&resources)?.ok_or_else(not_whole)?;
    let volume: Volume = manifest.volume.parse().map_err(|_| not_whole())?;
    let parts = Parts {
        network: LabNetwork::of(resources.owner(), manifest.subnet.parse()?),
        resources: &resources,
        found: &found,
    };
    let nodes = parts.nodes(manifest.nodes).await?;
    let registry = parts.container(registry::NAME, parts.network.registry())?;
    let network = parts.network.clone();
    Ok(Lab {
        recorder: Recorder::listen(&nodes),
        journal: Journal::default(),
        acme: parts.acme(manifest.acme.parse().map_err(|_| not_whole())?)?,
        volume: Mounted::again(&volume, &resources, &nodes),
        registry: Registry::again(registry).await?,
        stages: Vec::new(),
        managers: usize::from(manifest.managers),
        nodes,
        network,
        explained: true,
        resources,
    })
}

/// What a lab's handles are made of.
struct Parts<'lab> {
    resources: &'lab Resources,
    network: LabNetwork,
    found: &'lab [Found],
}

impl Parts<'_> {
    fn container(&self, name: &str, address: std::net::Ipv4Addr) -> Result<Container, LabError> {
        let found = self.found.iter().find(|found| found.name == name);
        let found = found.ok_or_else(|| LabError::NotWhole {
            run: self.resources.owner().run.clone(),
        })?;
        let engine = self.resources.engine();
        Ok(Container::of(engine, found.id.clone(), name, address))
    }

    async fn nodes(&self, count: u8) -> Result<Vec<Node>, LabError> {
        let starting = (1..=count).map(async |number| {
            let address = self.network.node(number);
            let container = self.container(&format!("node-{number}"), address)?;
            Starting::again(self.resources, container, number)
                .ready()
                .await
        });
        join_all(starting).await.into_iter().collect()
    }

    fn acme(&self, acme: Acme) -> Result<Option<AcmeServer>, LabError> {
        match acme {
            // The mock has ended with the process that had it.
            Acme::None | Acme::Mock => Ok(None),
            Acme::Pebble => {
                let server = self.container(SERVER, self.network.acme())?;
                let challenges =
                    self.container(CHALLENGE_SERVER, self.network.challenge_server())?;
                let pebble = Pebble::again(self.resources, server, challenges)?;
                Ok(Some(AcmeServer::Pebble(Box::new(pebble))))
            }
        }
    }
}
