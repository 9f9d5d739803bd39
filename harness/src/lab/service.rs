//! A service of the swarm and its tasks.

use std::{collections::HashMap, net::Ipv4Addr};

use bollard::{
    models::{ContainerStatus, TaskState},
    query_parameters::{
        KillContainerOptionsBuilder, ListContainersOptionsBuilder, ListNodesOptions,
        ListServicesOptionsBuilder,
    },
};
use futures_util::future::join_all;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::{LabError, Node, Output, error::Doing, exec};

/// A service, by its name; it need not exist.
#[derive(Debug, Clone, Copy)]
pub struct Service<'lab> {
    nodes: &'lab [Node],
    name: &'lab str,
}

/// A task: one container of a service, running, ended, or yet to come.
#[derive(Debug, Clone)]
pub struct Task {
    /// Its ID.
    pub id: String,
    /// Its service's ID.
    pub service: String,
    /// Its place among the replicas, from 1; none in a global service.
    pub slot: Option<i64>,
    /// The node's name; empty while it has none.
    pub node: String,
    /// Its container, once there is one.
    pub container: Option<String>,
    /// The state it is in.
    pub state: TaskState,
    /// The state that the swarm wants it in.
    pub desired: TaskState,
    /// What the swarm says of the state.
    pub message: String,
    /// Why it failed, if it did.
    pub error: Option<String>,
    /// Its addresses on the overlay networks.
    pub addresses: Vec<Ipv4Addr>,
    /// When the swarm made it.
    pub created: Option<Timestamp>,
    /// When the swarm changed it last.
    pub updated: Option<Timestamp>,
    place: Option<Node>,
    made_as: MadeAs,
}

/// The part of a specification that swarm compares to see whether a task is
/// still what its service wants; kept as the engine sends it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct MadeAs {
    container_spec: serde_json::Value,
    force_update: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ApiService {
    spec: ApiServiceSpec,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ApiServiceSpec {
    name: String,
    task_template: MadeAs,
}

impl<'lab> Service<'lab> {
    pub(crate) fn new(nodes: &'lab [Node], name: &'lab str) -> Self {
        Self { nodes, name }
    }

    /// Its name, with the stack's before it.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name
    }

    /// Whether the swarm has it.
    ///
    /// # Errors
    /// When the manager does not answer.
    pub async fn exists(&self) -> Result<bool, LabError> {
        Ok(self.inspect().await?.is_some())
    }

    /// What the swarm knows of it (its update's state among it), if it has it.
    ///
    /// # Errors
    /// When the manager does not answer.
    pub async fn inspect(&self) -> Result<Option<bollard::models::Service>, LabError> {
        let Some(manager) = self.nodes.first() else {
            return Ok(None);
        };
        let filters = HashMap::from([("name", vec![self.name])]);
        let options = ListServicesOptionsBuilder::new().filters(&filters).build();
        let services = manager.docker().list_services(Some(options)).await;
        let services = services.doing(|| format!("look for the service {}", self.name))?;
        // The filter is for the beginning of a name.
        Ok(services.into_iter().find(|service| {
            service.spec.as_ref().and_then(|spec| spec.name.as_deref()) == Some(self.name)
        }))
    }

    /// All its tasks that the swarm remembers, ended ones too; the newest first.
    ///
    /// # Errors
    /// When the manager does not answer. No such service: no tasks.
    pub async fn tasks(&self) -> Result<Vec<Task>, LabError> {
        let Some(id) = self.inspect().await?.and_then(|service| service.id) else {
            return Ok(Vec::new());
        };
        tasks(self.nodes, &json!({ "service": [id] })).await
    }

    /// The tasks that run and are meant to, by slot and node.
    ///
    /// # Errors
    /// As [`tasks`](Self::tasks).
    pub async fn running(&self) -> Result<Vec<Task>, LabError> {
        let mut tasks = self.tasks().await?;
        tasks.retain(Task::is_running);
        tasks.sort_by(|one, other| (one.slot, &one.node).cmp(&(other.slot, &other.node)));
        Ok(tasks)
    }

    /// How many tasks run as the service's specification is now: not those of
    /// an earlier one, which an update has yet to replace.
    ///
    /// # Errors
    /// As [`tasks`](Self::tasks).
    pub async fn up_to_date(&self) -> Result<u64, LabError> {
        let Some(manager) = self.nodes.first() else {
            return Ok(0);
        };
        let filters = json!({ "name": [self.name] });
        let services: Vec<ApiService> = manager.get("/services", &filters).await?;
        let mut services = services.into_iter();
        let Some(service) = services.find(|service| service.spec.name == self.name) else {
            return Ok(0);
        };
        let running = self.running().await?;
        let current = running
            .iter()
            .filter(|task| task.made_as == service.spec.task_template);
        Ok(current.count() as u64)
    }

    /// Runs a command in a task's container, on the node where it is.
    ///
    /// # Errors
    /// When it could not be run; its failure is in the [`Output`].
    pub async fn exec(&self, task: &Task, command: &[&str]) -> Result<Output, LabError> {
        task.exec(command).await
    }

    /// What all its containers wrote, ended ones too, each under a heading. It is
    /// asked of each node, for the swarm's own way waits for nodes that are away.
    ///
    /// # Errors
    /// When a node does not answer.
    pub async fn logs(&self) -> Result<String, LabError> {
        let logs = join_all(self.nodes.iter().map(|node| self.logs_on(node))).await;
        logs.into_iter().collect()
    }

    async fn logs_on(&self, node: &Node) -> Result<String, LabError> {
        let label = format!("com.docker.swarm.service.name={}", self.name);
        let filters = HashMap::from([("label", vec![label])]);
        let options = ListContainersOptionsBuilder::new()
            .all(true)
            .filters(&filters)
            .build();
        let containers = node.docker().list_containers(Some(options)).await;
        let mut logs = String::new();
        for container in containers.doing(|| format!("list the containers of {}", node.name()))? {
            let (id, names) = (container.id.unwrap_or_default(), container.names);
            let name = names.unwrap_or_default().join(" ");
            let status = container.status.unwrap_or_default();
            logs += &format!(
                "==> {} {} ({status})\n",
                node.name(),
                name.trim_start_matches('/')
            );
            logs += &exec::log(node.docker(), &id, None).await?;
        }
        Ok(logs)
    }
}

impl Task {
    /// Whether it runs and is meant to.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.state == TaskState::RUNNING && self.desired == TaskState::RUNNING
    }

    /// The node that it is on.
    #[must_use]
    pub fn place(&self) -> Option<&Node> {
        self.place.as_ref()
    }

    /// Sends a signal (`KILL`, `HUP`) to its container, behind the swarm's back.
    ///
    /// # Errors
    /// When it has no container, or the node's daemon refuses.
    pub async fn kill(&self, signal: &str) -> Result<(), LabError> {
        let (node, container) = self.container_on_node()?;
        let options = KillContainerOptionsBuilder::new().signal(signal).build();
        let killed = node.docker().kill_container(container, Some(options)).await;
        killed.doing(|| format!("send {signal} to task {} on {}", self.id, self.node))
    }

    /// Runs a command in its container.
    ///
    /// # Errors
    /// When it could not be run; its failure is in the [`Output`].
    pub async fn exec(&self, command: &[&str]) -> Result<Output, LabError> {
        let (node, container) = self.container_on_node()?;
        exec::run(node.docker(), container, command).await
    }

    /// What its container wrote.
    ///
    /// # Errors
    /// When it has no container, or the node's daemon refuses.
    pub async fn log(&self) -> Result<String, LabError> {
        let (node, container) = self.container_on_node()?;
        exec::log(node.docker(), container, None).await
    }

    fn container_on_node(&self) -> Result<(&Node, &str), LabError> {
        self.place
            .as_ref()
            .zip(self.container.as_deref())
            .ok_or_else(|| LabError::NoContainer {
                task: self.id.clone(),
                state: self.state.to_string(),
            })
    }
}

/// A task as the API tells it. bollard's type has no network attachments.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ApiTask {
    #[serde(rename = "ID")]
    id: String,
    #[serde(rename = "ServiceID")]
    service_id: String,
    slot: Option<i64>,
    #[serde(rename = "NodeID")]
    node_id: String,
    created_at: Option<Timestamp>,
    updated_at: Option<Timestamp>,
    status: ApiStatus,
    desired_state: Option<TaskState>,
    spec: MadeAs,
    networks_attachments: Option<Vec<ApiAttachment>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ApiStatus {
    state: Option<TaskState>,
    message: String,
    err: String,
    container_status: Option<ContainerStatus>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ApiAttachment {
    /// With a prefix length: `10.0.1.7/24`.
    addresses: Option<Vec<String>>,
}

/// The tasks that a filter lets through, the newest first.
pub(crate) async fn tasks(
    nodes: &[Node],
    filters: &serde_json::Value,
) -> Result<Vec<Task>, LabError> {
    let Some(manager) = nodes.first() else {
        return Ok(Vec::new());
    };
    let doing = || format!("list the tasks that {} knows", manager.name());
    let members = manager
        .docker()
        .list_nodes(None::<ListNodesOptions>)
        .await
        .doing(doing)?;
    let names: HashMap<String, String> = members
        .into_iter()
        .filter_map(|member| Some((member.id?, member.description?.hostname?)))
        .collect();
    let tasks: Vec<ApiTask> = manager.get("/tasks", filters).await?;
    let mut tasks: Vec<Task> = tasks
        .into_iter()
        .map(|task| read(task, &names, nodes))
        .collect();
    tasks.sort_by_key(|task| std::cmp::Reverse(task.created));
    Ok(tasks)
}

fn read(task: ApiTask, names: &HashMap<String, String>, nodes: &[Node]) -> Task {
    let status = task.status;
    let name = names.get(&task.node_id).cloned().unwrap_or_default();
    let container = status
        .container_status
        .and_then(|container| container.container_id);
    Task {
        id: task.id,
        service: task.service_id,
        slot: task.slot,
        place: nodes.iter().find(|node| node.name() == name).cloned(),
        node: name,
        container: container.filter(|id| !id.is_empty()),
        state: status.state.unwrap_or(TaskState::NEW),
        desired: task.desired_state.unwrap_or(TaskState::NEW),
        message: status.message,
        error: Some(status.err).filter(|error| !error.is_empty()),
        addresses: addresses(task.networks_attachments.unwrap_or_default()),
        created: task.created_at,
        updated: task.updated_at,
        made_as: task.spec,
    }
}

fn addresses(attachments: Vec<ApiAttachment>) -> Vec<Ipv4Addr> {
    attachments
        .into_iter()
        .flat_map(|attachment| attachment.addresses.unwrap_or_default())
        .filter_map(|address| address.split('/').next()?.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_read_with_its_addresses() {
        let task: ApiTask = serde_json::from_str(
            r#"{"ID":"t1","CreatedAt":"2026-01-02T03:04:05.5Z","Slot":2,"NodeID":"n1",
                "Status":{"State":"running","Message":"started","ContainerStatus":{"ContainerID":"c1"}},
                "DesiredState":"running","NetworksAttachments":[{"Addresses":["10.0.1.7/24"]}]}"#,
        )
        .unwrap();
        let task = read(task, &HashMap::from([("n1".into(), "node-1".into())]), &[]);
        assert!(task.is_running());
        assert_eq!((task.slot, task.node.as_str()), (Some(2), "node-1"));
        assert_eq!(task.container.as_deref(), Some("c1"));
        assert_eq!(task.addresses, [Ipv4Addr::new(10, 0, 1, 7)]);
        assert_eq!(task.error, None);
    }

    #[test]
    fn a_task_that_has_no_place_yet_is_read_too() {
        let task: ApiTask = serde_json::from_str(
            r#"{"ID":"t1","Status":{"State":"pending","Err":"no suitable node"},"DesiredState":"running"}"#,
        )
        .unwrap();
        let task = read(task, &HashMap::new(), &[]);
        assert!(!task.is_running());
        assert_eq!(task.error.as_deref(), Some("no suitable node"));
        assert!(task.container_on_node().is_err());
    }
}
