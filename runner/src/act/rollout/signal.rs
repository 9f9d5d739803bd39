//! The signal strategy: a global job that runs once on every node on which
//! the target may run, and there does what its [`Order`] says
//! (see `agent.rs`). Swarm itself cannot signal a service (moby/moby#27081).

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::time::Duration;

use bollard::models::{
    Mount, MountType, ServiceSpec, ServiceSpecMode, TaskSpec, TaskSpecContainerSpec,
    TaskSpecPlacement, TaskSpecRestartPolicy, TaskSpecRestartPolicyConditionEnum, TaskState,
};
use bollard::query_parameters::{
    ListServicesOptionsBuilder, ListTasksOptionsBuilder, LogsOptionsBuilder,
};
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use super::RolloutCause;
use super::verify::{INTERVAL, Verified, Watch};
use crate::config::Settings;
use crate::decide::RolloutStep;
use crate::docker::{Manager, describe, is_not_found};
use crate::model::Fingerprint;
use crate::observe::own::Own;

/// Where every node's engine listens, and where the agent looks for it.
const SOCKET: &str = "/var/run/docker.sock";
/// By which the jobs are known.
const JOB_LABEL: &str = "rollover.job";
const TO_READ_LOGS: Duration = Duration::from_secs(10);
/// How the order reaches the agent. There is nothing secret in it.
pub(crate) const ORDER_VARIABLE: &str = "ROLLOVER_AGENT_ORDER";

/// What the agent is to do on its node.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    /// The tasks whose containers are meant, wherever they are. One that is
    /// replaced meanwhile needs no signal: its successor reads the new files.
    pub(crate) tasks: BTreeSet<String>,
    /// What each container must see before it is signalled.
    pub(crate) certificates: Vec<OrderedCertificate>,
    /// The command to run in each container first; empty for none.
    pub(crate) test: Vec<String>,
    /// The signal for PID 1.
    pub(crate) signal: String,
    /// How long to wait for the files, in seconds.
    pub(crate) patience: u64,
}

/// A certificate as a container sees it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct OrderedCertificate {
    /// The chain; the key stands beside it as `privkey.pem`.
    pub(crate) chain: PathBuf,
    pub(crate) fingerprint: Fingerprint,
}

impl Order {
    pub(super) fn new(step: &RolloutStep, signal: &str, test: &[String], limit: Duration) -> Self {
        let specs = &step.target.certificates;
        let ordered = step.expected.iter().filter_map(|expected| {
            let spec = specs
                .iter()
                .find(|spec| spec.name == expected.certificate)?;
            Some(OrderedCertificate {
                chain: spec.path.clone(),
                fingerprint: expected.leaf.fingerprint,
            })
        });
        Self {
            tasks: step.stale.iter().map(|stale| stale.task.clone()).collect(),
            certificates: ordered.collect(),
            test: test.to_vec(),
            signal: signal.to_owned(),
            // The agent gives up first, so that its reason can be read.
            patience: limit.as_secs() * 3 / 4,
        }
    }
}

/// Creates the job and watches the replicas. The job is removed when all of
/// them serve the new certificate, and kept, with its reasons, when not; the
/// next attempt replaces it, so that there is never more than one.
pub(super) async fn run(
    manager: &Manager,
    settings: &Settings,
    own: Option<&Own>,
    step: &RolloutStep,
    order: &Order,
) -> Result<Verified, RolloutCause> {
    let image = if settings.agent_image.is_empty() {
        own.map(|own| own.image.clone())
            .ok_or(RolloutCause::NoImage)?
    } else {
        settings.agent_image.clone()
    };
    let job = job_name(&step.target.name);
    remove(manager, &job).await?;
    let mut watch = Watch::new(manager, own, step);
    manager
        .docker
        .create_service(specification(&job, image, step, order), None)
        .await
        .map_err(engine("create the job that signals"))?;
    info!(service = step.target.name, job, "signalling every replica");
    let verified = watch_to_the_end(manager, &job, &mut watch, settings.signal_timeout).await?;
    if let Err(error) = remove(manager, &job).await {
        // Every replica serves it; that the job stays is untidy, no failure.
        warn!(job, "the job stays behind: {error}");
    }
    Ok(verified)
}

async fn watch_to_the_end(
    manager: &Manager,
    job: &str,
    watch: &mut Watch<'_>,
    limit: Duration,
) -> Result<Verified, RolloutCause> {
    let end = Instant::now() + limit;
    loop {
        // That the swarm cannot be read for a moment is no end: the job goes on.
        let still = match watch.look().await {
            Ok(Ok(verified)) => return Ok(verified),
            Ok(Err(still)) => still,
            Err(error) => error.to_string(),
        };
        if let Ok(Some(why)) = failure(manager, job).await {
            return Err(RolloutCause::Job(why));
        }
        if Instant::now() >= end {
            return Err(RolloutCause::NotServed {
                seconds: limit.as_secs(),
                still,
            });
        }
        sleep(INTERVAL).await;
    }
}

/// The job of a target. Swarm takes names of up to 63 characters.
fn job_name(target: &str) -> String {
    let mut name = format!("rollover-signal-{target}");
    name.truncate(63);
    name.trim_end_matches(['-', '_', '.']).to_owned()
}

fn specification(job: &str, image: String, step: &RolloutStep, order: &Order) -> ServiceSpec {
    let mut labels = HashMap::from([(JOB_LABEL.to_owned(), "signal".to_owned())]);
    if let Some(stack) = &step.target.stack {
        // So that `docker stack rm` takes it along.
        labels.insert("com.docker.stack.namespace".to_owned(), stack.clone());
    }
    // Plain data whose every part serialises: this cannot fail.
    let order = serde_json::to_string(order).unwrap_or_default();
    let container = TaskSpecContainerSpec {
        image: Some(image),
        args: Some(vec!["agent".to_owned()]),
        env: Some(vec![format!("{ORDER_VARIABLE}={order}")]),
        mounts: Some(vec![Mount {
            target: Some(SOCKET.to_owned()),
            source: Some(SOCKET.to_owned()),
            typ: Some(MountType::BIND),
            ..Mount::default()
        }]),
        read_only: Some(true),
        capability_drop: Some(vec!["ALL".to_owned()]),
        ..TaskSpecContainerSpec::default()
    };
    ServiceSpec {
        name: Some(job.to_owned()),
        labels: Some(labels),
        mode: Some(ServiceSpecMode {
            global_job: Some(HashMap::new()),
            ..ServiceSpecMode::default()
        }),
        task_template: Some(TaskSpec {
            container_spec: Some(container),
            // Without this a failing job runs again for ever.
            restart_policy: Some(TaskSpecRestartPolicy {
                condition: Some(TaskSpecRestartPolicyConditionEnum::NONE),
                ..TaskSpecRestartPolicy::default()
            }),
            placement: Some(TaskSpecPlacement {
                constraints: Some(step.target.placement.constraints.clone()),
                ..TaskSpecPlacement::default()
            }),
            ..TaskSpec::default()
        }),
        ..ServiceSpec::default()
    }
}

/// What the failed tasks of the job said, if any failed.
async fn failure(manager: &Manager, job: &str) -> Result<Option<String>, RolloutCause> {
    let filters = HashMap::from([("service", vec![job])]);
    let options = ListTasksOptionsBuilder::default().filters(&filters).build();
    let tasks = manager
        .docker
        .list_tasks(Some(options))
        .await
        .map_err(engine("look at the job that signals"))?;
    let failed: Vec<String> = tasks
        .into_iter()
        .filter_map(|task| {
            let status = task.status?;
            let failed = matches!(status.state?, TaskState::FAILED | TaskState::REJECTED);
            failed.then(|| status.err.unwrap_or_default())
        })
        .collect();
    if failed.is_empty() {
        return Ok(None);
    }
    let said = said(manager, job).await;
    Ok(Some(if said.is_empty() {
        failed.join("; ")
    } else {
        said
    }))
}

async fn said(manager: &Manager, job: &str) -> String {
    let options = LogsOptionsBuilder::default()
        .stdout(true)
        .stderr(true)
        .build();
    // It waits for nodes that are away, for as long as they are.
    let end = sleep(TO_READ_LOGS);
    let lines: Vec<String> = manager
        .docker
        .service_logs(job, Some(options))
        .filter_map(|line| async { line.ok().map(|line| line.to_string().trim().to_owned()) })
        .take_until(end)
        .collect()
        .await;
    lines.join("; ")
}

/// Removes the jobs of rollouts that failed and that nothing waits for any
/// more: all but those of `unfinished` targets.
pub(crate) async fn remove_leftovers(manager: &Manager, unfinished: &[&str]) {
    let kept: Vec<String> = unfinished.iter().map(|target| job_name(target)).collect();
    let filters = HashMap::from([("label", vec![JOB_LABEL])]);
    let options = ListServicesOptionsBuilder::default()
        .filters(&filters)
        .build();
    let jobs = manager.docker.list_services(Some(options)).await;
    let names = jobs.into_iter().flatten().filter_map(|job| job.spec?.name);
    for job in names.filter(|name| !kept.contains(name)) {
        if let Err(error) = remove(manager, &job).await {
            warn!(job, "the job of an earlier rollout stays behind: {error}");
        }
    }
}

async fn remove(manager: &Manager, job: &str) -> Result<(), RolloutCause> {
    match manager.docker.delete_service(job).await {
        Err(error) if !is_not_found(&error) => Err(engine("remove the job that signals")(error)),
        _ => Ok(()),
    }
}

fn engine(what: &'static str) -> impl FnOnce(bollard::errors::Error) -> RolloutCause {
    move |error| RolloutCause::Engine {
        what,
        why: describe(&error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_s_name_is_one_that_swarm_takes() {
        assert_eq!(
            job_name("patch_loadbalancer"),
            "rollover-signal-patch_loadbalancer"
        );
        let long = job_name(&"a-".repeat(40));
        assert!(long.len() <= 63 && !long.ends_with('-'), "{long}");
    }
}
