//! What the swarm says: which services are targets, and where their tasks run.

use std::collections::HashMap;
use std::net::IpAddr;

use bollard::Docker;
use bollard::models::Service;
use bollard::query_parameters::{ListNodesOptions, ListServicesOptionsBuilder};
use jiff::Timestamp;
use serde::Deserialize;

use super::own::Own;
use crate::docker::{Manager, describe};
use crate::model::{LabelError, Placement, Replica, Target, parse_target};

/// Why the swarm could not be looked at.
#[derive(Debug, thiserror::Error)]
#[error("read {what} from the swarm: {why}")]
pub(crate) struct SwarmError {
    what: &'static str,
    why: String,
}

fn failed(what: &'static str) -> impl Fn(bollard::errors::Error) -> SwarmError {
    move |error| SwarmError {
        what,
        why: describe(&error),
    }
}

/// The targets of the swarm by name, and the labels that do not parse.
pub(crate) async fn targets(docker: &Docker) -> Result<(Vec<Target>, Vec<LabelError>), SwarmError> {
    let filters = HashMap::from([("label", vec!["rollover.enable"])]);
    let options = ListServicesOptionsBuilder::default()
        .filters(&filters)
        .build();
    let services = docker
        .list_services(Some(options))
        .await
        .map_err(failed("services"))?;
    let (mut targets, mut errors) = (Vec::new(), Vec::new());
    for service in services {
        let (target, wrong) = target(service);
        targets.extend(target);
        errors.extend(wrong);
    }
    targets.sort_by(|a, b| a.name.cmp(&b.name));
    errors.sort_by(|a, b| (&a.service, &a.label).cmp(&(&b.service, &b.label)));
    Ok((targets, errors))
}

fn target(service: Service) -> (Option<Target>, Vec<LabelError>) {
    let spec = service.spec.unwrap_or_default();
    let name = spec.name.unwrap_or_default();
    let labels = spec.labels.unwrap_or_default();
    let (parsed, errors) = parse_target(&name, &labels);
    let target = parsed.zip(service.id).map(|(parsed, id)| Target {
        id,
        name,
        certificates: parsed.certificates,
        strategy: parsed.strategy,
        port: parsed.port,
        desired: spec
            .mode
            .and_then(|mode| mode.replicated)
            .map(|replicated| replicated.replicas.unwrap_or(1).unsigned_abs()),
        updated_at: timestamp(service.updated_at).unwrap_or_default(),
        placement: Placement {
            constraints: spec
                .task_template
                .and_then(|template| template.placement)
                .and_then(|placement| placement.constraints)
                .unwrap_or_default(),
        },
        stack: labels.get("com.docker.stack.namespace").cloned(),
    });
    (target, errors)
}

/// A moment of the engine's as ours.
pub(crate) fn timestamp(time: Option<time::OffsetDateTime>) -> Option<Timestamp> {
    Timestamp::from_nanosecond(time?.unix_timestamp_nanos()).ok()
}

/// The tasks of a service that swarm wants running.
pub(crate) async fn replicas(
    manager: &Manager,
    service: &str,
    own: Option<&Own>,
) -> Result<Vec<Replica>, SwarmError> {
    // Percent-encoded {"service":{"ID":true},"desired-state":{"running":true}};
    // the ID is swarm's own, letters and digits.
    let path = format!(
        "/tasks?filters=%7B%22service%22%3A%7B%22{service}%22%3Atrue%7D%2C\
         %22desired-state%22%3A%7B%22running%22%3Atrue%7D%7D"
    );
    let unreadable = |why: String| SwarmError { what: "tasks", why };
    let tasks = manager
        .raw
        .get(&path)
        .await
        .map_err(|error| unreadable(error.to_string()))?;
    let tasks: Vec<WireTask> =
        serde_json::from_value(tasks).map_err(|error| unreadable(error.to_string()))?;
    let nodes = node_names(&manager.docker).await?;
    let mut replicas: Vec<Replica> = tasks
        .into_iter()
        .map(|task| replica(task, &nodes, own))
        .collect();
    replicas.sort_by(|a, b| (a.slot, &a.node, &a.task).cmp(&(b.slot, &b.node, &b.task)));
    Ok(replicas)
}

/// A task as the engine sends it, with the addresses that bollard's model of
/// it leaves out.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireTask {
    #[serde(rename = "ID")]
    id: String,
    #[serde(default)]
    slot: i64,
    #[serde(default, rename = "NodeID")]
    node_id: String,
    status: WireStatus,
    #[serde(default)]
    networks_attachments: Option<Vec<WireAttachment>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireStatus {
    state: String,
    #[serde(default)]
    err: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireAttachment {
    network: WireNetwork,
    #[serde(default)]
    addresses: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireNetwork {
    #[serde(rename = "ID")]
    id: String,
    #[serde(default)]
    spec: WireNetworkSpec,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase")]
struct WireNetworkSpec {
    #[serde(default)]
    ingress: bool,
}

async fn node_names(docker: &Docker) -> Result<HashMap<String, String>, SwarmError> {
    let nodes = docker
        .list_nodes(None::<ListNodesOptions>)
        .await
        .map_err(failed("nodes"))?;
    Ok(nodes
        .into_iter()
        .filter_map(|node| Some((node.id?, node.description?.hostname?)))
        .collect())
}

fn replica(task: WireTask, nodes: &HashMap<String, String>, own: Option<&Own>) -> Replica {
    let WireStatus { state, err } = task.status;
    Replica {
        task: task.id,
        slot: task.slot,
        node: nodes.get(&task.node_id).cloned().unwrap_or(task.node_id),
        address: address(task.networks_attachments.unwrap_or_default(), own),
        running: state == "running",
        state: if err.is_empty() {
            state
        } else {
            format!("{state}: {err}")
        },
    }
}

/// The task's address on a network that the runner is on too. Ingress carries
/// no traffic between containers, so it never counts.
fn address(attachments: Vec<WireAttachment>, own: Option<&Own>) -> Option<IpAddr> {
    attachments
        .into_iter()
        .filter(|attachment| !attachment.network.spec.ingress)
        .filter(|attachment| own.is_none_or(|own| own.networks.contains(&attachment.network.id)))
        .find_map(|attachment| {
            let address = attachment.addresses?.into_iter().next()?;
            let (address, _prefix) = address.split_once('/')?;
            address.parse().ok()
        })
}
