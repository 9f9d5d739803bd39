//! A swarm job of the runner's own image: it runs once on every node on which
//! a target may run, beside that node's Docker socket, and does there what its
//! order says (see `agent.rs`).

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::time::Duration;

use bollard::auth::DockerCredentials;
use bollard::models::{
    HealthConfig, Mount, MountType, NetworkAttachmentConfig, ServiceSpec, ServiceSpecMode, Task,
    TaskSpec, TaskSpecContainerSpec, TaskSpecPlacement, TaskSpecRestartPolicy,
    TaskSpecRestartPolicyConditionEnum, TaskState, TaskStatus,
};
use bollard::query_parameters::{
    ListServicesOptionsBuilder, ListTasksOptionsBuilder, LogsOptionsBuilder,
};
use futures_util::StreamExt;
use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::time::sleep;
use tracing::warn;

use crate::config::{SettingError, Settings};
use crate::docker::{Manager, describe, is_not_found};
use crate::model::{Placement, Platform, Target};
use crate::observe::own::Own;

/// Where every node's engine listens, and where the agent looks for it.
const SOCKET: &str = "/var/run/docker.sock";
/// By which the jobs are known; its value is the kind.
const JOB_LABEL: &str = "rollover.job";
const TO_READ_LOGS: Duration = Duration::from_secs(10);
/// How the order reaches the agent. There is nothing secret in it.
pub(crate) const ORDER_VARIABLE: &str = "ROLLOVER_AGENT_ORDER";

/// The exit code of an agent that has found a replica which sees the new
/// certificate and does not take it.
pub(crate) const REFUSED: u8 = 3;

/// What failed tasks of a job left.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What they said.
    pub(crate) said: String,
    /// Whether one of them has found a replica that does not take what it sees.
    pub(crate) refused: bool,
}

/// What a job is for: the subcommand of `rollover agent` that its tasks run.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// Looks into the containers of a target.
    Look,
    /// Signals the containers of a target.
    Signal,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Look => "look",
            Self::Signal => "signal",
        })
    }
}

/// Why a job could not be made, looked at or taken away.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JobError {
    #[error(
        "no image for the job {job}: the runner's own container was not found; set \
         --agent-image / ROLLOVER_AGENT_IMAGE"
    )]
    NoImage { job: String },
    #[error(transparent)]
    Login(#[from] SettingError),
    #[error("{what} the job {job}: {why}")]
    Engine {
        what: &'static str,
        job: String,
        why: String,
    },
}

/// What a job runs, and with which login each node pulls it.
pub(crate) struct Image {
    name: String,
    login: Option<DockerCredentials>,
}

/// The job of one kind for one target. There is never more than one of it.
#[derive(Debug)]
pub(crate) struct Job<'a> {
    manager: &'a Manager,
    kind: Kind,
    name: String,
}

impl<'a> Job<'a> {
    /// The job of that kind for the service named `target`; nothing is done yet.
    pub(crate) fn new(manager: &'a Manager, kind: Kind, target: &str) -> Self {
        Self {
            manager,
            kind,
            name: name(kind, target),
        }
    }

    /// The name of its service, by which `docker service logs` finds it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The image that it runs: the setting's, or else the runner's own.
    ///
    /// # Errors
    /// When there is neither, or the file of logins cannot be used.
    pub(crate) fn image(&self, settings: &Settings, own: Option<&Own>) -> Result<Image, JobError> {
        let set = Some(&settings.agent_image).filter(|image| !image.is_empty());
        let name = set.or(own.map(|own| &own.image));
        let name = name.cloned().ok_or_else(|| JobError::NoImage {
            job: self.name.clone(),
        })?;
        let login = settings.login(&name)?;
        Ok(Image { name, login })
    }

    /// Creates it: from then on it runs by itself, on `network` if its tasks
    /// have somebody to speak to.
    ///
    /// Assumptions: an earlier one was [removed](Self::remove); swarm refuses a
    /// second service of the same name.
    pub(crate) async fn create(
        &self,
        image: Image,
        target: &Target,
        network: Option<&str>,
        order: &impl Serialize,
    ) -> Result<(), JobError> {
        // Plain data whose every part serialises: this cannot fail.
        let order = serde_json::to_string(order).unwrap_or_default();
        let mut specification = specification(self, image.name, target, &order);
        if let (Some(network), Some(tasks)) = (network, &mut specification.task_template) {
            tasks.networks = Some(vec![NetworkAttachmentConfig {
                target: Some(network.to_owned()),
                ..NetworkAttachmentConfig::default()
            }]);
        }
        let created = self
            .manager
            .docker
            .create_service(specification, image.login);
        created.await.map_err(self.failed("create"))?;
        Ok(())
    }

    /// Whether each of its tasks has ended, one way or the other, and there is
    /// one at least.
    pub(crate) async fn ended(&self) -> Result<bool, JobError> {
        let tasks = self.tasks().await?;
        let ended = |task: &Task| {
            let state = task.status.as_ref().and_then(|status| status.state);
            matches!(
                state,
                Some(TaskState::COMPLETE | TaskState::FAILED | TaskState::REJECTED)
            )
        };
        Ok(!tasks.is_empty() && tasks.iter().all(ended))
    }

    async fn tasks(&self) -> Result<Vec<Task>, JobError> {
        let filters = HashMap::from([("service", vec![self.name.as_str()])]);
        let options = ListTasksOptionsBuilder::default().filters(&filters).build();
        let tasks = self.manager.docker.list_tasks(Some(options));
        tasks.await.map_err(self.failed("look at"))
    }

    /// What its failed tasks left, if any failed.
    pub(crate) async fn failure(&self) -> Result<Option<Failure>, JobError> {
        let tasks = self.tasks().await?;
        let failed: Vec<TaskStatus> = tasks
            .into_iter()
            .filter_map(|task| {
                let status = task.status?;
                let failed = matches!(status.state?, TaskState::FAILED | TaskState::REJECTED);
                failed.then_some(status)
            })
            .collect();
        if failed.is_empty() {
            return Ok(None);
        }
        let code = |status: &TaskStatus| status.container_status.as_ref()?.exit_code;
        let refused = failed.iter().any(|it| code(it) == Some(REFUSED.into()));
        let mut said = self.said().await.join("; ");
        if said.is_empty() {
            let errors = failed
                .into_iter()
                .map(|status| status.err.unwrap_or_default());
            said = errors.collect::<Vec<_>>().join("; ");
        }
        Ok(Some(Failure { said, refused }))
    }

    /// The lines that its tasks wrote, on all nodes that answer in time.
    pub(crate) async fn said(&self) -> Vec<String> {
        let options = LogsOptionsBuilder::default()
            .stdout(true)
            .stderr(true)
            .build();
        // It waits for nodes that are away, for as long as they are.
        let end = sleep(TO_READ_LOGS);
        self.manager
            .docker
            .service_logs(&self.name, Some(options))
            .filter_map(|line| async { line.ok().map(|line| line.to_string().trim().to_owned()) })
            .take_until(end)
            .collect()
            .await
    }

    /// Gives each line that its tasks write to `hear`, for ever.
    pub(crate) async fn listen(&self, hear: impl Fn(&str)) -> Infallible {
        let options = LogsOptionsBuilder::default()
            .follow(true)
            .stdout(true)
            .stderr(true)
            .build();
        let mut lines = self.manager.docker.service_logs(&self.name, Some(options));
        // That they cannot be heard takes nothing from the rollout.
        while let Some(Ok(line)) = lines.next().await {
            hear(&line.to_string());
        }
        std::future::pending().await
    }

    /// Removes it; one that is not there is removed already.
    pub(crate) async fn remove(&self) -> Result<(), JobError> {
        match self.manager.docker.delete_service(&self.name).await {
            Err(error) if !is_not_found(&error) => Err(self.failed("remove")(error)),
            _ => Ok(()),
        }
    }

    fn failed(&self, what: &'static str) -> impl FnOnce(bollard::errors::Error) -> JobError {
        let job = self.name.clone();
        move |error| JobError::Engine {
            what,
            job,
            why: describe(&error),
        }
    }
}

/// Removes the jobs of that kind that nothing waits for any more: all but
/// those of `unfinished` targets.
pub(crate) async fn remove_leftovers(manager: &Manager, kind: Kind, unfinished: &[&str]) {
    let kept: Vec<String> = unfinished.iter().map(|target| name(kind, target)).collect();
    let filters = HashMap::from([("label", vec![format!("{JOB_LABEL}={kind}")])]);
    let options = ListServicesOptionsBuilder::default()
        .filters(&filters)
        .build();
    let jobs = manager.docker.list_services(Some(options)).await;
    let names = jobs.into_iter().flatten().filter_map(|job| job.spec?.name);
    for name in names.filter(|name| !kept.contains(name)) {
        let job = Job {
            manager,
            kind,
            name,
        };
        manager.fence.pass().await;
        if let Err(error) = job.remove().await {
            warn!(job = job.name, "an earlier job stays behind: {error}");
        }
    }
}

/// As swarm has it for services.
const LONGEST: usize = 63;

/// The name of a target's job. One that would be too long ends in a digest of the
/// target's, so that no two have one job.
fn name(kind: Kind, target: &str) -> String {
    let whole = format!("rollover-{kind}-{target}");
    if whole.len() <= LONGEST {
        return whole;
    }
    let digest = Sha256::digest(target);
    let hex: String = digest[..5].iter().map(|it| format!("{it:02x}")).collect();
    let kept: String = whole.chars().take(LONGEST - 1 - hex.len()).collect();
    format!("{kept}-{hex}")
}

fn specification(job: &Job<'_>, image: String, target: &Target, order: &str) -> ServiceSpec {
    let mut labels = HashMap::from([(JOB_LABEL.to_owned(), job.kind.to_string())]);
    if let Some(stack) = &target.stack {
        // So that `docker stack rm` takes it along.
        labels.insert("com.docker.stack.namespace".to_owned(), stack.clone());
    }
    ServiceSpec {
        name: Some(job.name.clone()),
        labels: Some(labels),
        mode: Some(ServiceSpecMode {
            global_job: Some(HashMap::new()),
            ..ServiceSpecMode::default()
        }),
        task_template: Some(TaskSpec {
            container_spec: Some(container(job.kind, image, order)),
            // Without this a failing job runs again for ever.
            restart_policy: Some(TaskSpecRestartPolicy {
                condition: Some(TaskSpecRestartPolicyConditionEnum::NONE),
                ..TaskSpecRestartPolicy::default()
            }),
            placement: Some(placement(&target.placement)),
            ..TaskSpec::default()
        }),
        ..ServiceSpec::default()
    }
}

/// The nodes on which a target may run, and no other.
fn placement(target: &Placement) -> TaskSpecPlacement {
    let platform = |of: &Platform| bollard::models::Platform {
        architecture: Some(of.architecture.clone()),
        os: Some(of.os.clone()),
    };
    TaskSpecPlacement {
        constraints: Some(target.constraints.clone()),
        platforms: Some(target.platforms.iter().map(platform).collect()),
        ..TaskSpecPlacement::default()
    }
}

fn container(kind: Kind, image: String, order: &str) -> TaskSpecContainerSpec {
    TaskSpecContainerSpec {
        image: Some(image),
        args: Some(vec!["agent".to_owned(), kind.to_string()]),
        env: Some(vec![format!("{ORDER_VARIABLE}={order}")]),
        mounts: Some(vec![Mount {
            target: Some(SOCKET.to_owned()),
            source: Some(SOCKET.to_owned()),
            typ: Some(MountType::BIND),
            ..Mount::default()
        }]),
        // That of the image would ask for a daemon, and end the job for want of one.
        health_check: Some(HealthConfig {
            test: Some(vec!["NONE".to_owned()]),
            ..HealthConfig::default()
        }),
        read_only: Some(true),
        capability_drop: Some(vec!["ALL".to_owned()]),
        ..TaskSpecContainerSpec::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_s_name_is_one_that_swarm_takes() {
        assert_eq!(
            name(Kind::Signal, "patch_loadbalancer"),
            "rollover-signal-patch_loadbalancer"
        );
        let long = |end| name(Kind::Signal, &format!("{}{end}", "a-".repeat(31)));
        assert_eq!(long(1).len(), 63);
        assert_ne!(long(1), long(2));
    }

    #[test]
    fn a_job_runs_where_its_target_may_and_nowhere_else() {
        let target = Placement {
            constraints: vec!["node.labels.edge == true".to_owned()],
            platforms: vec![Platform {
                architecture: "arm64".to_owned(),
                os: "linux".to_owned(),
            }],
        };
        let job = placement(&target);
        assert_eq!(job.constraints, Some(target.constraints));
        let platforms = job.platforms.unwrap_or_default();
        let words = platforms
            .iter()
            .map(|it| (it.architecture.as_deref(), it.os.as_deref()));
        assert!(words.eq([(Some("arm64"), Some("linux"))]));
    }
}
