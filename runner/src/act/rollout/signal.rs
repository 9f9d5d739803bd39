//! The signal strategy: a global job that runs once on every node on which
//! the target may run, and there does what its [`Order`] says
//! (see `agent.rs`). Swarm itself cannot signal a service (moby/moby#27081).

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use super::RolloutCause;
use super::verify::{INTERVAL, Verified, Watch};
use crate::act::job::{self, Failure, Job, Kind};
use crate::act::step::{About, NamedStep};
use crate::config::Settings;
use crate::decide::RolloutStep;
use crate::docker::Manager;
use crate::model::{DomainName, Fingerprint, KeyKind, ProbePort, Tell};
use crate::observe::own::Own;

/// How far apart the ends of agents are that give up at the same time.
const TO_AGREE: Duration = Duration::from_secs(3);

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
    /// How each is told.
    pub(crate) tell: Tell,
    /// Whom the others wait for; none if all are told at once.
    pub(crate) canary: Option<OrderedCanary>,
    /// How long to wait, for the files and for the canary, in seconds.
    pub(crate) patience: u64,
    /// Each step is said when it is done, because somebody is looking on.
    pub(crate) tells_more: bool,
}

/// The task that is told first. All others wait until a probe has seen it serve
/// every certificate, so no agent needs to hear from another or from the runner.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct OrderedCanary {
    pub(crate) task: String,
    /// How people are told of it.
    pub(crate) replica: String,
    pub(crate) address: SocketAddr,
    pub(crate) probe: ProbePort,
}

/// A certificate as a container sees it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct OrderedCertificate {
    /// The chain; the key stands beside it as `privkey.pem`.
    pub(crate) chain: PathBuf,
    /// The name by which a server is asked for it.
    pub(crate) domain: DomainName,
    /// The kind of key for which it is asked.
    pub(crate) kind: KeyKind,
    pub(crate) fingerprint: Fingerprint,
}

impl Order {
    pub(super) fn new(
        step: &RolloutStep,
        tell: &Tell,
        test: &[String],
        limit: Duration,
        tells_more: bool,
    ) -> Self {
        let specs = &step.target.certificates;
        let ordered = step.expected.iter().filter_map(|expected| {
            let spec = specs
                .iter()
                .find(|spec| spec.name == expected.certificate)?;
            Some(OrderedCertificate {
                chain: spec.path.clone(),
                domain: spec.asked_by()?.clone(),
                kind: expected.leaf.key,
                fingerprint: expected.leaf.fingerprint,
            })
        });
        Self {
            tasks: step.tasks().map(str::to_owned).collect(),
            certificates: ordered.collect(),
            test: test.to_vec(),
            tell: tell.clone(),
            canary: step.canary.as_ref().map(|canary| OrderedCanary {
                task: canary.task.clone(),
                replica: canary.replica.clone(),
                address: canary.address,
                probe: step.target.probe,
            }),
            // The agent gives up first, so that its reason can be read.
            patience: limit.as_secs() * 3 / 4,
            tells_more,
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
    mut watch: Watch<'_>,
) -> Result<Verified, RolloutCause> {
    let job = Job::new(manager, Kind::Signal, &step.target.name);
    let image = job.image(settings, own)?;
    manager.fence.pass().await;
    job.remove().await?;
    // That can have taken minutes.
    manager.fence.pass().await;
    let canary = step.canary.as_ref();
    let network = canary.and_then(|canary| canary.network.as_deref());
    job.create(image, &step.target, network, order).await?;
    let (service, name) = (&step.target.name, job.name());
    match canary {
        Some(canary) => info!(
            service,
            job = name,
            "telling {} first, then all others",
            canary.replica
        ),
        None => info!(service, job = name, "telling every replica"),
    }
    let (hold_at, about) = (settings.hold_at, About::Service(service));
    hold_at.passed(NamedStep::JobCreated, about).await;
    let limit = settings.signal_timeout;
    let heard = watch.heard();
    let verified = tokio::select! {
        verified = watch_to_the_end(&job, &mut watch, step, limit) => verified?,
        never = job.listen(|line| heard.take(line)), if order.tells_more => match never {},
    };
    hold_at.passed(NamedStep::Verified, about).await;
    manager.fence.pass().await;
    if let Err(error) = job.remove().await {
        // Every replica serves it; that the job stays is untidy, no failure.
        warn!(job = name, "the job stays behind: {error}");
    }
    Ok(verified)
}

async fn watch_to_the_end(
    job: &Job<'_>,
    watch: &mut Watch<'_>,
    step: &RolloutStep,
    limit: Duration,
) -> Result<Verified, RolloutCause> {
    let end = Instant::now() + limit;
    loop {
        // That the swarm cannot be read for a moment is no end: the job goes on.
        let still = match watch.look().await {
            Ok(Ok(verified)) if !step.forced => return Ok(verified),
            // That they serve it proves nothing: they did so before.
            Ok(Ok(verified)) => match (job.failure().await, job.ended().await) {
                (Ok(None), Ok(true)) => return Ok(verified),
                _ => "not every replica is told yet".to_owned(),
            },
            Ok(Err(still)) => still,
            Err(error) => error.to_string(),
        };
        if let Ok(Some(failure)) = job.failure().await {
            let Failure { said, refused } = in_full(job, failure).await;
            return Err(RolloutCause::Job {
                said,
                still,
                refused,
            });
        }
        if Instant::now() >= end {
            return Err(RolloutCause::NotServed {
                seconds: limit.as_secs(),
                still: still + &waited_for(watch, step),
                // Each was told, and saw what it was told of.
                told: matches!(job.ended().await, Ok(true)),
            });
        }
        sleep(INTERVAL).await;
    }
}

/// Whom the others wait for, who are therefore not told.
fn waited_for(watch: &Watch<'_>, step: &RolloutStep) -> String {
    let canary = step.canary.as_ref();
    let canary = canary.filter(|canary| !watch.is_proved(&canary.task));
    canary.map_or_else(String::new, |canary| {
        format!(
            "; {} goes first, and no other is told before it serves",
            canary.replica
        )
    })
}

/// A failure once those tasks had their say that come to their end at the same
/// time: who waits for the replica that goes first gives up with who told it, and
/// only that one knows why.
async fn in_full(job: &Job<'_>, mut failure: Failure) -> Failure {
    let end = Instant::now() + TO_AGREE;
    while !failure.refused && Instant::now() < end && !matches!(job.ended().await, Ok(true)) {
        sleep(INTERVAL).await;
        failure = job.failure().await.ok().flatten().unwrap_or(failure);
    }
    // The last may have come between the two questions.
    job.failure().await.ok().flatten().unwrap_or(failure)
}

/// Removes the jobs of rollouts that failed and that nothing waits for any
/// more: all but those of `unfinished` targets.
pub(crate) async fn remove_leftovers(manager: &Manager, unfinished: &[&str]) {
    job::remove_leftovers(manager, Kind::Signal, unfinished).await;
}
