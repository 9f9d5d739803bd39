//! Which labs stand on this machine's engine.

use std::{
    collections::{BTreeMap, HashMap},
    net::Ipv4Addr,
};

use bollard::{models::ContainerSummary, query_parameters::ListContainersOptionsBuilder};
use jiff::Timestamp;
use serde::Serialize;

use super::{
    Engine, LabError, Life, Owner, Resources, Subnet,
    engine::this_process,
    error::Doing,
    manifest::Manifest,
    network::LabNetwork,
    owner::{ANY_LAB, start_of},
    reap,
};

/// A lab that stands, or what is left of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// Its run.
    pub run: String,
    /// Whether its process lives, or it is kept.
    pub life: Life,
    /// Whether it came up, so that it can be used ([`Lab::attach`](super::Lab::attach)).
    pub whole: bool,
    /// Since when it is up, or when its first container was made.
    pub since: Option<Timestamp>,
    /// The kind of its volume; empty where it is not whole.
    pub volume: String,
    /// The kind of its ACME server; empty where it is not whole.
    pub acme: String,
    /// Its nodes, by number.
    pub nodes: Vec<StandingNode>,
}

/// A node of a lab that stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StandingNode {
    /// `node-1`, `node-2`, …
    pub name: String,
    /// The state of its container: `running`, `paused`, `exited`, …
    pub state: String,
    /// Its container's ID on this machine's engine.
    pub container: String,
    /// Its address, where the lab is whole.
    pub address: Option<Ipv4Addr>,
}

/// Every lab that stands, or of which something is left, by run.
///
/// # Errors
/// When no engine answers.
pub async fn standing() -> Result<Vec<Standing>, LabError> {
    let engine = Engine::connect().await?;
    let observer = this_process()?;
    let mut containers = containers(&engine, ANY_LAB).await?;
    let mut labs = Vec::new();
    for (run, owner) in reap::runs(&engine).await? {
        let life = owner.life(&observer, start_of);
        let found = containers.remove(&run).unwrap_or_default();
        labs.push(one(&engine, owner, life, &found)?);
    }
    Ok(labs)
}

/// A container of a lab, by its name in there.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) name: String,
    pub(super) id: String,
    state: String,
    created: Option<i64>,
}

/// The containers of labs that a label finds, by run.
pub(super) async fn containers(
    engine: &Engine,
    label: &str,
) -> Result<BTreeMap<String, Vec<Found>>, LabError> {
    let filters = HashMap::from([("label", vec![label])]);
    let options = ListContainersOptionsBuilder::new()
        .all(true)
        .filters(&filters)
        .build();
    let listed = engine.docker().list_containers(Some(options)).await;
    let mut containers = BTreeMap::<String, Vec<Found>>::new();
    for container in listed.doing(|| "list the containers of labs".to_owned())? {
        if let Some((run, found)) = read(container) {
            containers.entry(run).or_default().push(found);
        }
    }
    Ok(containers)
}

fn read(container: ContainerSummary) -> Option<(String, Found)> {
    let run = Owner::from_labels(container.labels.as_ref()?)?.run;
    let names = container.names?;
    let whole = names.first()?.trim_start_matches('/');
    let name = whole.strip_prefix(&format!("rollover-lab-{run}-"))?;
    let found = Found {
        name: name.to_owned(),
        id: container.id?,
        state: container
            .state
            .map(|state| state.to_string())
            .unwrap_or_default(),
        created: container.created,
    };
    Some((run, found))
}

fn one(
    engine: &Engine,
    owner: Owner,
    life: Life,
    containers: &[Found],
) -> Result<Standing, LabError> {
    let resources = Resources::of(engine.clone(), owner);
    let manifest = Manifest::read(&resources)?;
    let subnet: Option<Subnet> = manifest
        .as_ref()
        .and_then(|manifest| manifest.subnet.parse().ok());
    let network = subnet.map(|subnet| LabNetwork::of(resources.owner(), subnet));
    let mut nodes: Vec<(u8, StandingNode)> = containers
        .iter()
        .filter_map(|found| {
            let number = found.name.strip_prefix("node-")?.parse().ok()?;
            let node = StandingNode {
                name: found.name.clone(),
                state: found.state.clone(),
                container: found.id.clone(),
                address: network.as_ref().map(|network| network.node(number)),
            };
            Some((number, node))
        })
        .collect();
    nodes.sort_by_key(|(number, _)| *number);
    let first = containers.iter().filter_map(|found| found.created).min();
    let made = first.and_then(|second| Timestamp::from_second(second).ok());
    Ok(Standing {
        run: resources.owner().run.clone(),
        life,
        whole: manifest.is_some(),
        since: manifest.as_ref().map(|manifest| manifest.up_since).or(made),
        volume: text(manifest.as_ref(), |manifest| &manifest.volume),
        acme: text(manifest.as_ref(), |manifest| &manifest.acme),
        nodes: nodes.into_iter().map(|(_, node)| node).collect(),
    })
}

fn text(manifest: Option<&Manifest>, field: impl Fn(&Manifest) -> &String) -> String {
    manifest.map(field).cloned().unwrap_or_default()
}
