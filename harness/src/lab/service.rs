//! A service of the swarm and its tasks.

use std::{
    collections::{HashMap, HashSet},
    net::Ipv4Addr,
    time::Duration,
};

use bollard::{
    models::{
        ContainerStatus, ContainerSummary, ServiceUpdateStatus,
        ServiceUpdateStatusStateEnum as State, TaskState,
    },
    query_parameters::{
        KillContainerOptionsBuilder, ListContainersOptionsBuilder, ListNodesOptions,
        ListServicesOptionsBuilder,
    },
};
use futures_util::future::join_all;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::{LabError, Node, Output, error::Doing, exec, managers::Managers, wait};
use crate::event::LogLine;

/// By what words the command tells that the swarm could not make a change just now: the
/// service is no longer as it was read, or managers elect a leader.
const NOT_NOW: [&str; 3] = [
    "update out of sequence",
    "The swarm does not have a leader",
    "node lost leader status",
];
/// A service changes by itself a few times in each update.
const TO_BE_CHANGED: Duration = Duration::from_secs(30);

/// A service, by its name; it need not exist.
#[derive(Debug, Clone, Copy)]
pub struct Service<'lab> {
    nodes: &'lab [Node],
    managers: Managers<'lab>,
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

/// What a service asks for.
struct Wanted {
    /// One on each node: how many is not asked for, but counted by the swarm as
    /// it makes them.
    global: bool,
    tasks: u64,
    update: Option<ServiceUpdateStatus>,
}

impl<'lab> Service<'lab> {
    pub(crate) fn new(nodes: &'lab [Node], managers: Managers<'lab>, name: &'lab str) -> Self {
        Self {
            nodes,
            managers,
            name,
        }
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

    /// Waits until the swarm has it.
    ///
    /// # Errors
    /// When it has not before `deadline`.
    pub async fn made(&self, deadline: Duration) -> Result<(), LabError> {
        let what = format!("the swarm have {}", self.name);
        let made = wait::until(what, deadline, async || match self.exists().await {
            Ok(true) => Ok(()),
            Ok(false) => Err("it is not there".to_owned()),
            Err(error) => Err(error.to_string()),
        });
        Ok(made.await?)
    }

    /// Waits until an update of it is under way.
    ///
    /// # Errors
    /// When none is before `deadline`.
    pub async fn updating(&self, deadline: Duration) -> Result<(), LabError> {
        let what = format!("an update of {} begin", self.name);
        let begun = wait::until(what, deadline, async || {
            let service = self.inspect().await.map_err(|error| error.to_string())?;
            let update = service.and_then(|service| service.update_status);
            match update.and_then(|update| update.state) {
                Some(State::UPDATING) => Ok(()),
                other => Err(format!("its update: {other:?}")),
            }
        });
        Ok(begun.await?)
    }

    /// What the swarm knows of it (its update's state among it), if it has it.
    ///
    /// # Errors
    /// When the manager does not answer.
    pub async fn inspect(&self) -> Result<Option<bollard::models::Service>, LabError> {
        self.listed().await
    }

    /// All its tasks that the swarm remembers, ended ones too; the newest first.
    ///
    /// # Errors
    /// When the manager does not answer. No such service: no tasks.
    pub async fn tasks(&self) -> Result<Vec<Task>, LabError> {
        let Some(id) = self.inspect().await?.and_then(|service| service.id) else {
            return Ok(Vec::new());
        };
        tasks(self.nodes, self.managers, &json!({ "service": [id] })).await
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
        let Some((_, now)) = self.specification().await? else {
            return Ok(0);
        };
        let running = self.running().await?;
        let current = running.iter().filter(|task| task.made_as == now);
        Ok(current.count() as u64)
    }

    /// The running task in that place among the replicas, from 1.
    ///
    /// # Errors
    /// When the manager does not answer, or none runs there.
    pub async fn replica(&self, slot: i64) -> Result<Task, LabError> {
        let running = self.running().await?.into_iter();
        let mut in_slot = running.filter(|task| task.slot == Some(slot));
        in_slot.next().ok_or_else(|| LabError::NoTask {
            service: self.name.to_owned(),
            sought: format!("in slot {slot}"),
        })
    }

    /// Waits until as many tasks run as the service asks for, all of them as its
    /// specification is now, and no update is under way; those tasks, by slot and
    /// node.
    ///
    /// # Caveats
    /// Right after a task was killed behind the swarm's back, the swarm may not
    /// have seen it yet: then wait for [`replaced`](Self::replaced).
    ///
    /// # Errors
    /// What each task that does not run is about instead; at once, when the swarm
    /// has paused the update or rolled it back.
    ///
    /// ```no_run
    /// # async fn example(lab: &rollover_lab::lab::Lab) -> Result<(), rollover_lab::lab::LabError> {
    /// use std::time::Duration;
    /// let replicas = lab.service("shop_web").converged(Duration::from_secs(60)).await?;
    /// assert_eq!(replicas.len(), 3);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn converged(&self, deadline: Duration) -> Result<Vec<Task>, LabError> {
        let what = format!("every task of {} run as it should", self.name);
        self.until_converged(what, deadline, |_| Ok(())).await
    }

    /// Waits until `task` does not run any more and the service has
    /// [`converged`](Self::converged) without it.
    ///
    /// # Errors
    /// As there.
    pub async fn replaced(&self, task: &Task, deadline: Duration) -> Result<Vec<Task>, LabError> {
        let what = format!("task {} of {} be replaced", task.id, self.name);
        self.until_converged(what, deadline, |running| {
            match running.iter().find(|other| other.id == task.id) {
                Some(still) => Err(format!("it still runs: {}", still.told())),
                None => Ok(()),
            }
        })
        .await
    }

    async fn until_converged(
        &self,
        what: String,
        deadline: Duration,
        content: impl Fn(&[Task]) -> Result<(), String>,
    ) -> Result<Vec<Task>, LabError> {
        wait::until(what, deadline, async || match self.look().await {
            Ok(Ok(running)) => content(&running).map(|()| Ok(running)),
            Ok(Err(not_yet)) => Err(not_yet),
            Err(error @ LabError::Update { .. }) => Ok(Err(error)),
            Err(error) => Err(error.to_string()),
        })
        .await?
    }

    /// The tasks, if the service has converged, or else what is missing.
    async fn look(&self) -> Result<Result<Vec<Task>, String>, LabError> {
        let Some((wanted, now)) = self.specification().await? else {
            return Ok(Err("the swarm has no such service".to_owned()));
        };
        match wanted.update.as_ref().and_then(|update| update.state) {
            Some(State::UPDATING | State::ROLLBACK_STARTED) => {
                return Ok(Err("an update is under way".to_owned()));
            }
            None | Some(State::EMPTY | State::COMPLETED) => {}
            Some(state) => {
                let message = wanted.update.and_then(|update| update.message);
                return Err(LabError::Update {
                    service: self.name.to_owned(),
                    state: state.to_string(),
                    message: message.unwrap_or_default(),
                });
            }
        }
        if wanted.global && wanted.tasks == 0 {
            return Ok(Err("the swarm has made no task of it yet".to_owned()));
        }
        let tasks = self.tasks().await?;
        let mut running: Vec<Task> = tasks.clone();
        running.retain(|task| task.is_running() && task.made_as == now);
        if (running.len() as u64) < wanted.tasks {
            return Ok(Err(missing(wanted.tasks, running.len(), &tasks)));
        }
        running.sort_by(|one, other| (one.slot, &one.node).cmp(&(other.slot, &other.node)));
        Ok(Ok(running))
    }

    /// Changes the service as `docker service update --detach` does, and waits
    /// for nothing: `&["--env-add", "A=1"]`.
    ///
    /// The command reads the service, and the swarm refuses what it writes when
    /// the service has changed in between, as by the progress of an update. Then
    /// nothing was changed, and it reads and writes again. So it does while the swarm's
    /// managers elect a leader; if one that lost its office has made the change all the
    /// same, it is what is wanted.
    ///
    /// # Errors
    /// What the command wrote.
    pub async fn update<T: AsRef<str>>(&self, change: &[T]) -> Result<(), LabError> {
        let mut words = vec!["docker", "service", "update", "--quiet", "--detach"];
        words.extend(change.iter().map(AsRef::as_ref));
        words.push(self.name);
        let what = format!("{} be changed", self.name);
        wait::until(what, TO_BE_CHANGED, async || {
            let updated = self.managers.ask(async |manager| {
                let output = manager.exec(&words).await?;
                output.succeeded(&words.join(" "))
            });
            match updated.await {
                Err(LabError::Command { output, .. })
                    if NOT_NOW.iter().any(|words| output.contains(words)) =>
                {
                    Err(output)
                }
                ended => Ok(ended.map(drop)),
            }
        })
        .await?
    }

    /// What the service asks for, and how its tasks are to be made.
    async fn specification(&self) -> Result<Option<(Wanted, MadeAs)>, LabError> {
        let Some(service) = self.listed().await? else {
            return Ok(None);
        };
        let mode = service.spec.and_then(|spec| spec.mode).unwrap_or_default();
        let wanted = Wanted {
            global: mode.global.is_some(),
            tasks: service
                .service_status
                .and_then(|status| status.desired_tasks)
                .unwrap_or_default(),
            update: service.update_status,
        };
        let filters = json!({ "name": [self.name] });
        let services = self
            .managers
            .ask(async |manager| manager.get::<Vec<ApiService>>("/services", &filters).await);
        let mut services = services.await?.into_iter();
        let found = services.find(|service| service.spec.name == self.name);
        Ok(found.map(|service| (wanted, service.spec.task_template)))
    }

    /// The service as the swarm lists it, with how many tasks it counts.
    async fn listed(&self) -> Result<Option<bollard::models::Service>, LabError> {
        let filters = HashMap::from([("name", vec![self.name])]);
        let options = ListServicesOptionsBuilder::new()
            .filters(&filters)
            .status(true)
            .build();
        let services = self.managers.ask(async |manager| {
            let services = manager.docker().list_services(Some(options.clone())).await;
            services.doing(|| format!("look for the service {}", self.name))
        });
        // The filter is for the beginning of a name.
        Ok(services.await?.into_iter().find(|service| {
            service.spec.as_ref().and_then(|spec| spec.name.as_deref()) == Some(self.name)
        }))
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

    /// What all its containers wrote to stderr since then, ended ones too, in
    /// order of time.
    ///
    /// # Errors
    /// When a node does not answer.
    pub async fn lines_since(&self, since: Timestamp) -> Result<Vec<LogLine>, LabError> {
        let on_nodes = self.nodes.iter().map(|node| async move {
            let mut lines = Vec::new();
            for container in self.containers_on(node).await? {
                let id = container.id.unwrap_or_default();
                let source = format!("{} on {}", self.name, node.name());
                lines.extend(exec::lines_since(node.docker(), &id, since, &source).await?);
            }
            Ok(lines)
        });
        let lines: Result<Vec<_>, LabError> = join_all(on_nodes).await.into_iter().collect();
        let mut lines = lines?.concat();
        lines.sort_by_key(|line| line.at);
        Ok(lines)
    }

    /// Its containers on a node, ended ones too.
    async fn containers_on(&self, node: &Node) -> Result<Vec<ContainerSummary>, LabError> {
        let label = format!("com.docker.swarm.service.name={}", self.name);
        let filters = HashMap::from([("label", vec![label])]);
        let options = ListContainersOptionsBuilder::new()
            .all(true)
            .filters(&filters)
            .build();
        let containers = node.docker().list_containers(Some(options)).await;
        containers.doing(|| format!("list the containers of {}", node.name()))
    }

    async fn logs_on(&self, node: &Node) -> Result<String, LabError> {
        let mut logs = String::new();
        for container in self.containers_on(node).await? {
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

    /// Where it is and in which state, in words.
    fn told(&self) -> String {
        let place = match self.slot {
            Some(slot) => format!("replica {slot}"),
            None => "the task".to_owned(),
        };
        let node = match self.node.as_str() {
            "" => "no node yet".to_owned(),
            node => format!("on {node}"),
        };
        let why = self.error.as_deref().unwrap_or(&self.message);
        format!("{place}, {node}: {} ({why})", self.state)
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

/// Why a service has not converged: the newest task of each place that is not as
/// it should be.
fn missing(wanted: u64, running: usize, tasks: &[Task]) -> String {
    let mut places = HashSet::new();
    let newest = tasks
        .iter()
        .filter(|task| places.insert((task.slot, task.slot.is_none().then_some(&task.node))));
    let others: Vec<String> = newest
        .filter(|task| !task.is_running())
        .map(Task::told)
        .collect();
    let mut text = format!("{running} of {wanted} run as they should");
    if !others.is_empty() {
        text += &format!("; {}", others.join("; "));
    }
    text
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
    managers: Managers<'_>,
    filters: &serde_json::Value,
) -> Result<Vec<Task>, LabError> {
    let found = managers.ask(async |manager| {
        let doing = || format!("list the nodes that {} knows", manager.name());
        let members = manager.docker().list_nodes(None::<ListNodesOptions>);
        let members = members.await.doing(doing)?;
        let tasks: Vec<ApiTask> = manager.get("/tasks", filters).await?;
        Ok((members, tasks))
    });
    let (members, tasks) = found.await?;
    let names: HashMap<String, String> = members
        .into_iter()
        .filter_map(|member| Some((member.id?, member.description?.hostname?)))
        .collect();
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

    fn task(slot: i64, node: &str, state: TaskState, error: Option<&str>) -> Task {
        let mut task = read(ApiTask::default(), &HashMap::new(), &[]);
        task.slot = Some(slot);
        task.node = node.to_owned();
        task.state = state;
        task.desired = TaskState::RUNNING;
        task.error = error.map(str::to_owned);
        task
    }

    #[test]
    fn what_is_missing_is_told_by_the_newest_task_of_each_place() {
        let tasks = [
            task(2, "", TaskState::PENDING, Some("no suitable node")),
            task(
                2,
                "node-2",
                TaskState::FAILED,
                Some("task: non-zero exit (1)"),
            ),
            task(1, "node-1", TaskState::RUNNING, None),
        ];
        assert_eq!(
            missing(2, 1, &tasks),
            "1 of 2 run as they should; replica 2, no node yet: pending (no suitable node)"
        );
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
