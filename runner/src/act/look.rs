//! Looking into every replica of a target, by a job on every node: what its
//! processes are, what it sees of its certificates, how its nginx is set.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use super::job::{Job, JobError, Kind};
use super::wait::{Seen, until};
use crate::config::Settings;
use crate::docker::Manager;
use crate::model::{NoJobs, Replica, Target};
use crate::observe::own::Own;
use crate::observe::swarm::{SwarmError, replicas};
use crate::preflight::Inside;

/// A job starts within seconds; the agents' own work is bounded.
const PATIENCE: Duration = Duration::from_secs(60);
/// Where others wait: a node that is gone, and that swarm does not know to be yet.
const NOT_LONG: Duration = Duration::from_secs(15);
const INTERVAL: Duration = Duration::from_millis(500);

/// What the agents are to look at.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    /// The ID of the service.
    pub(crate) service: String,
    /// The chains that its replicas should see.
    pub(crate) certificates: Vec<PathBuf>,
}

/// Why nothing could be looked into.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LookError {
    #[error(transparent)]
    Job(#[from] JobError),
    #[error(transparent)]
    Swarm(#[from] SwarmError),
}

/// What was seen inside the replicas of a target.
#[derive(Clone, Debug)]
pub(crate) struct Looked {
    pub(crate) inside: Vec<Inside>,
    /// The replicas that were not seen, and why.
    pub(crate) missed: Vec<String>,
}

/// Looks into the replicas of `target`, and at what they see of its certificates.
///
/// Guarantees: the job is gone afterwards, whatever came of it; no container
/// is changed or signalled.
///
/// # Errors
/// When the job could not be made. A node that does not answer in time is no
/// error: its replicas are named as missed.
pub(crate) async fn look(
    manager: &Manager,
    settings: &Settings,
    own: Option<&Own>,
    target: &Target,
) -> Result<Looked, LookError> {
    let certificates = target.certificates.iter().map(|spec| spec.path.clone());
    let order = Order {
        service: target.id.clone(),
        certificates: certificates.collect(),
    };
    carry_out(manager, settings, own, target, &order, PATIENCE).await
}

/// As [`look`], but not for long, and not at certificates: one may be published
/// just then, and what is half there for a moment is no finding.
///
/// # Errors
/// As there.
pub(crate) async fn glance(
    manager: &Manager,
    settings: &Settings,
    own: Option<&Own>,
    target: &Target,
) -> Result<Looked, LookError> {
    let order = Order {
        service: target.id.clone(),
        certificates: Vec::new(),
    };
    carry_out(manager, settings, own, target, &order, NOT_LONG).await
}

async fn carry_out(
    manager: &Manager,
    settings: &Settings,
    own: Option<&Own>,
    target: &Target,
    order: &Order,
    patience: Duration,
) -> Result<Looked, LookError> {
    let job = Job::new(manager, Kind::Look, &target.name);
    let image = job.image(settings, own)?;
    // One that somebody else waits for just now is lost to them; it changes nothing.
    job.remove().await?;
    job.create(image, target, None, order).await?;
    info!(
        service = target.name,
        job = job.name(),
        "looking into every replica"
    );
    let looked = gather(&job, manager, target, patience).await;
    if let Err(error) = job.remove().await {
        warn!(job = job.name(), "the job stays behind: {error}");
    }
    Ok(looked?)
}

/// Waits until every running replica was seen, or no agent is left that could.
async fn gather(
    job: &Job<'_>,
    manager: &Manager,
    target: &Target,
    patience: Duration,
) -> Result<Looked, SwarmError> {
    let what = "every replica is looked into";
    let mut lines = Vec::new();
    let waited = until(what, patience, INTERVAL, async || {
        match job.ended().await {
            Ok(true) => {}
            Ok(false) => return Seen::NotYet("the job goes on".to_owned()),
            Err(error) => return Seen::NotYet(error.to_string()),
        }
        lines = job.said().await;
        let running = match replicas(manager, &target.id, None).await {
            Ok(running) => running,
            Err(error) => return Seen::NotYet(error.to_string()),
        };
        let looked = Looked::read(&lines, &running);
        // Lines of a log may come after their task's end.
        let failed = job.failure().await.ok().flatten().is_some();
        if looked.is_all_that_can_come(&running) || failed {
            return Seen::Done(looked);
        }
        Seen::NotYet(looked.missed.join("; "))
    })
    .await;
    if let Ok(looked) = waited {
        return Ok(looked);
    }
    let running = replicas(manager, &target.id, None).await?;
    Ok(Looked::read(&lines, &running))
}

impl Looked {
    /// What the lines tell of the replicas that run. What else the agents wrote
    /// is the reason for those that are missing.
    fn read(lines: &[String], replicas: &[Replica]) -> Self {
        let (mut inside, mut said) = (Vec::<Inside>::new(), Vec::new());
        for line in lines {
            match serde_json::from_str(line) {
                Ok(seen) => inside.push(seen),
                Err(_) => said.push(line.as_str()),
            }
        }
        let why = |replica: &Replica| match replica.no_jobs {
            Some(NoJobs::Paused) => "its node is paused, and takes no job".to_owned(),
            Some(NoJobs::Drained) => "its node is drained, and takes no job".to_owned(),
            Some(NoJobs::Away) => "its node is away".to_owned(),
            None if said.is_empty() => "its node did not answer".to_owned(),
            None => said.join("; "),
        };
        let mut looked = Self {
            inside,
            missed: Vec::new(),
        };
        let missed = replicas.iter().filter(|replica| looked.misses(replica));
        looked.missed = missed
            .map(|replica| format!("{}: {}", replica.name(), why(replica)))
            .collect();
        let place = |one: &Inside| (one.node.clone(), one.replica.clone());
        looked.inside.sort_by_key(place);
        looked
    }

    /// Swarm's name of a task ends in its ID.
    fn misses(&self, replica: &Replica) -> bool {
        let seen = |seen: &Inside| seen.replica.ends_with(&replica.task);
        replica.running && !self.inside.iter().any(seen)
    }

    fn is_all_that_can_come(&self, replicas: &[Replica]) -> bool {
        let mut missed = replicas.iter().filter(|replica| self.misses(replica));
        missed.all(|replica| replica.no_jobs.is_some())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::preflight::HealthCheck;

    /// The inside of replica 1.
    pub(crate) fn seen() -> Inside {
        Inside {
            replica: "web.1.task1".to_owned(),
            node: "node-1".to_owned(),
            first_process: Ok("nginx".to_owned()),
            stop_signal: "SIGQUIT".to_owned(),
            health_check: HealthCheck::Absent,
            certificates: Vec::new(),
            nginx: None,
        }
    }

    fn replica(slot: i64) -> Replica {
        Replica {
            task: format!("task{slot}"),
            slot,
            node: format!("node-{slot}"),
            reach: None,
            no_jobs: None,
            running: true,
            state: "running".to_owned(),
        }
    }

    #[test]
    fn a_replica_of_which_no_line_tells_is_missed() {
        let seen = seen();
        let lines = [
            serde_json::to_string(&seen).unwrap(),
            "rollover: cannot reach the Docker engine".to_owned(),
        ];
        let mut running = [replica(1), replica(2)];
        let looked = Looked::read(&lines, &running);
        assert_eq!(looked.inside, [seen]);
        let why = "replica 2 on node-2: rollover: cannot reach the Docker engine";
        assert_eq!(looked.missed, [why]);
        assert!(!looked.is_all_that_can_come(&running));
        running[1].no_jobs = Some(NoJobs::Paused);
        let looked = Looked::read(&lines, &running);
        let why = "replica 2 on node-2: its node is paused, and takes no job";
        assert_eq!(looked.missed, [why]);
        assert!(looked.is_all_that_can_come(&running));
    }
}
