//! What the swarm says: which services are targets, and where their tasks run.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use bollard::Docker;
use bollard::models::{HealthConfig, Service, TaskSpecPlacement};
use bollard::query_parameters::ListNodesOptions;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::own::Own;
use super::reach::{Node, WireAttachment, WirePortStatus, reach};
use super::secrets;
use crate::docker::{Manager, describe};
use crate::model::{
    Digest, LabelError, Placement, Platform, Replica, Target, Update, asked, parse_target,
};
use crate::state::StateError;

/// Why the swarm could not be looked at.
#[derive(Debug, thiserror::Error)]
#[error("read {what} from the swarm: {why}")]
pub(crate) struct SwarmError {
    what: &'static str,
    why: String,
}

impl From<StateError> for SwarmError {
    fn from(error: StateError) -> Self {
        Self {
            what: "what is remembered of certificates",
            why: error.to_string(),
        }
    }
}

pub(super) fn failed(what: &'static str) -> impl Fn(bollard::errors::Error) -> SwarmError {
    move |error| SwarmError {
        what,
        why: describe(&error),
    }
}

pub(super) fn unreadable(error: &dyn std::error::Error) -> SwarmError {
    SwarmError {
        what: "tasks",
        why: error.to_string(),
    }
}

/// A service as it was seen.
pub(super) struct Listed {
    pub(super) service: Service,
    /// By [`digest`], and by [`asked`].
    pub(super) specification: u64,
    pub(super) asked: Digest,
    /// Which bollard's model does not tell either: it leaves out what the specification
    /// was before, which tells whose update it is.
    pub(super) update: Update,
}

/// By which it is known whether a specification is still what it was. The engine
/// writes what is the same in the same way.
pub(crate) fn digest(specification: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    specification.to_string().hash(&mut hasher);
    hasher.finish()
}

/// The targets of the swarm by name, and the labels that do not parse.
pub(crate) async fn targets(
    manager: &Manager,
) -> Result<(Vec<Target>, Vec<LabelError>), SwarmError> {
    let (mut targets, mut errors) = (Vec::new(), Vec::new());
    for listed in services(manager).await? {
        let (target, wrong) = target(listed);
        targets.extend(target);
        errors.extend(wrong);
    }
    targets.sort_by(|a, b| a.name.cmp(&b.name));
    errors.sort_by(|a, b| (&a.service, &a.label).cmp(&(&b.service, &b.label)));
    Ok((targets, errors))
}

/// The services that carry the label `rollover.enable`, whatever it says, with
/// their health checks, which bollard's model of a service misses: it knows
/// them by another name than the engine's.
pub(super) async fn services(manager: &Manager) -> Result<Vec<Listed>, SwarmError> {
    // Percent-encoded {"label":["rollover.enable"]}.
    let path = "/services?filters=%7B%22label%22%3A%5B%22rollover.enable%22%5D%7D";
    let unreadable = |why: String| SwarmError {
        what: "services",
        why,
    };
    let mut services = Vec::new();
    let each = |service: Value| services.push(listed(service));
    let all = manager.raw.each(path, each).await;
    all.map_err(|error| unreadable(error.to_string()))?;
    services
        .into_iter()
        .collect::<Result<_, _>>()
        .map_err(|error| unreadable(error.to_string()))
}

fn listed(service: Value) -> Result<Listed, serde_json::Error> {
    Ok(Listed {
        specification: digest(&service["Spec"]),
        asked: asked(&service["Spec"]),
        update: Update::read(&service),
        service: with_health_check(service)?,
    })
}

fn with_health_check(service: Value) -> Result<Service, serde_json::Error> {
    let wire = &service["Spec"]["TaskTemplate"]["ContainerSpec"]["Healthcheck"];
    let health_check: Option<HealthConfig> = serde_json::from_value(wire.clone())?;
    let mut service: Service = serde_json::from_value(service)?;
    let template = service.spec.as_mut();
    let template = template.and_then(|spec| spec.task_template.as_mut());
    if let Some(container) = template.and_then(|template| template.container_spec.as_mut()) {
        container.health_check = health_check;
    }
    Ok(service)
}

/// A service as a target, if it is one and its labels say enough.
pub(super) fn target(of: Listed) -> (Option<Target>, Vec<LabelError>) {
    let Listed {
        service,
        specification,
        asked,
        update,
    } = of;
    let secrets = secrets::references(&service);
    let spec = service.spec.unwrap_or_default();
    let name = spec.name.unwrap_or_default();
    let labels = spec.labels.unwrap_or_default();
    let (parsed, errors) = parse_target(&name, &labels);
    let target = parsed.zip(service.id).map(|(parsed, id)| Target {
        id,
        name,
        certificates: parsed.certificates,
        strategy: parsed.strategy,
        other_strategies: parsed.other_strategies,
        probe: parsed.probe,
        public: parsed.public,
        window: parsed.window,
        desired: spec
            .mode
            .and_then(|mode| mode.replicated)
            .map(|replicated| replicated.replicas.unwrap_or(1).unsigned_abs()),
        updated_at: timestamp(service.updated_at).unwrap_or_default(),
        placement: spec
            .task_template
            .and_then(|template| template.placement)
            .map(placement)
            .unwrap_or_default(),
        stack: labels.get("com.docker.stack.namespace").cloned(),
        secrets,
        specification,
        asked,
        update,
    });
    (target, errors)
}

fn placement(of: TaskSpecPlacement) -> Placement {
    let platform = |of: bollard::models::Platform| Platform {
        architecture: of.architecture.unwrap_or_default(),
        os: of.os.unwrap_or_default(),
    };
    let platforms = of.platforms.into_iter().flatten().map(platform);
    Placement {
        constraints: of.constraints.unwrap_or_default(),
        platforms: platforms.collect(),
    }
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
    let tasks = manager.raw.get(&path).await;
    let tasks = tasks.map_err(|error| unreadable(&error))?;
    let tasks: Vec<WireTask> = serde_json::from_value(tasks).map_err(|error| unreadable(&error))?;
    let nodes = nodes(&manager.docker).await?;
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
    #[serde(default)]
    port_status: Option<WirePortStatus>,
}

/// The nodes of the swarm by their IDs.
pub(super) async fn nodes(docker: &Docker) -> Result<HashMap<String, Node>, SwarmError> {
    let nodes = docker
        .list_nodes(None::<ListNodesOptions>)
        .await
        .map_err(failed("nodes"))?;
    Ok(nodes
        .into_iter()
        .filter_map(|node| Some((node.id.clone()?, Node::from(node))))
        .collect())
}

fn replica(task: WireTask, nodes: &HashMap<String, Node>, own: Option<&Own>) -> Replica {
    let WireStatus {
        state,
        err,
        port_status,
    } = task.status;
    let node = nodes.get(&task.node_id);
    let attachments = task.networks_attachments.unwrap_or_default();
    Replica {
        task: task.id,
        slot: task.slot,
        reach: reach(attachments, port_status.unwrap_or_default(), node, own),
        node: node
            .and_then(|node| node.name.clone())
            .unwrap_or(task.node_id),
        no_jobs: node.and_then(|node| node.no_jobs),
        running: state == "running",
        state: if err.is_empty() {
            state
        } else {
            format!("{state}: {err}")
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_health_check_is_read_as_the_engine_names_it() {
        let container = json!({"Healthcheck": {"Test": ["CMD", "check"]}});
        let service = with_health_check(json!({
            "ID": "x", "Spec": {"TaskTemplate": {"ContainerSpec": container}}
        }))
        .unwrap();
        let container = service.spec.unwrap().task_template.unwrap().container_spec;
        let test = container.unwrap().health_check.unwrap().test.unwrap();
        assert_eq!(test, ["CMD", "check"]);
    }
}
