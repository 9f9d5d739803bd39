//! What is the same for every service: the nodes, the networks' names, and the
//! runner's own service.

use std::collections::HashMap;

use bollard::Docker;
use bollard::models::{NodeSpecAvailabilityEnum, NodeSpecRoleEnum, NodeState, ServiceSpec};
use bollard::query_parameters::{InspectServiceOptions, ListNetworksOptions, ListNodesOptions};

use crate::docker::Manager;
use crate::observe::own::Own;
use crate::observe::swarm::{SwarmError, failed};
use crate::preflight::{Facts, Kept, Node, Runner, Version};

/// What is the same for every service.
pub(super) struct Around {
    nodes: Vec<Node>,
    /// Names by ID.
    networks: HashMap<String, String>,
    runner: Option<Runner>,
}

impl Around {
    pub(super) async fn look(manager: &Manager, own: Option<&Own>) -> Result<Self, SwarmError> {
        let docker = &manager.docker;
        let nodes = docker.list_nodes(None::<ListNodesOptions>);
        let nodes = nodes.await.map_err(failed("nodes"))?;
        let networks = docker.list_networks(None::<ListNetworksOptions>);
        let networks = networks.await.map_err(failed("networks"))?;
        let networks = networks.into_iter();
        let networks: HashMap<_, _> = networks
            .filter_map(|network| Some((network.id?, network.name?)))
            .collect();
        Ok(Self {
            nodes: nodes.into_iter().map(node).collect(),
            runner: runner(docker, own, &networks).await?,
            networks,
        })
    }

    /// Adds what is around a service of that specification.
    pub(super) async fn add_to(&self, facts: &mut Facts, docker: &Docker, spec: &ServiceSpec) {
        facts.nodes = Some(self.nodes.clone());
        facts.runner = self.runner.clone();
        facts.networks = Some(networks_of(spec, &self.networks));
        for mount in facts.mounts.iter_mut().flatten() {
            // A volume that was made by hand is known to the engines only.
            if mount.kept == Kept::Unclear
                && let Some(name) = mount.volume_name()
                && let Ok(volume) = docker.inspect_volume(name).await
            {
                let kind = volume.options.get("type").map(String::as_str);
                mount.kept = Kept::by_driver(&volume.driver, kind);
            }
        }
    }
}

fn node(node: bollard::models::Node) -> Node {
    let spec = node.spec.unwrap_or_default();
    let description = node.description.unwrap_or_default();
    let engine = description.engine.and_then(|engine| engine.engine_version);
    let state = node.status.and_then(|status| status.state);
    let id = node.id.unwrap_or_default();
    Node {
        name: description.hostname.unwrap_or(id),
        manager: spec.role == Some(NodeSpecRoleEnum::MANAGER),
        takes_tasks: state == Some(NodeState::READY)
            && spec.availability == Some(NodeSpecAvailabilityEnum::ACTIVE),
        engine: engine.as_deref().and_then(Version::parse),
    }
}

/// The runner's own service, if it runs as one.
async fn runner(
    docker: &Docker,
    own: Option<&Own>,
    names: &HashMap<String, String>,
) -> Result<Option<Runner>, SwarmError> {
    let Some(id) = own.and_then(|own| own.service.as_ref()) else {
        return Ok(None);
    };
    let service = docker.inspect_service(id, None::<InspectServiceOptions>);
    let service = service.await.map_err(failed("the runner's own service"))?;
    let spec = service.spec.unwrap_or_default();
    let networks = networks_of(&spec, names);
    let template = spec.task_template.unwrap_or_default();
    let placement = template.placement.unwrap_or_default();
    Ok(Some(Runner {
        service: spec.name.unwrap_or_default(),
        networks,
        constraints: placement.constraints.unwrap_or_default(),
    }))
}

fn networks_of(spec: &ServiceSpec, names: &HashMap<String, String>) -> Vec<String> {
    let template = spec.task_template.as_ref();
    let networks = template.and_then(|template| template.networks.as_ref());
    // Where they stood before API 1.25.
    let networks = networks.or(spec.networks.as_ref()).into_iter().flatten();
    let targets = networks.filter_map(|network| network.target.as_ref());
    let named = targets.map(|target| names.get(target).unwrap_or(target).clone());
    named.collect()
}
