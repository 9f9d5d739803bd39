//! How each of them is played.

use std::time::Duration;

use super::super::nothing_due::SIGNAL_JOB;
use super::super::{Kind, Stage};
use super::cases::{Disturbance, Told, When};
use super::middle::Middle;
use crate::fault::{Active, Fault, Unavailable};
use crate::lab::wait::until;
use crate::report::attribution::{AttributedLoss, attribute};
use crate::site::{Once, Serves, Site, SiteError, moments};
use crate::traffic::{LossClass, Record};

pub(super) const LOAD_BALANCER: &str = "patch_loadbalancer";
/// A rollout that cannot be is given up soon, and looked at again soon.
pub(in super::super) const HURRY: [&str; 4] = [
    "--env-add",
    "ROLLOVER_SIGNAL_TIMEOUT=20s",
    "--env-add",
    "ROLLOVER_CHECK_INTERVAL=5s",
];
/// Time enough for something to break, and for `status` to be asked of it, while a test
/// is waited for.
const UNHURRIED: [&str; 4] = [
    "--env-add",
    "ROLLOVER_SIGNAL_TIMEOUT=40s",
    "--env-add",
    "ROLLOVER_CHECK_INTERVAL=5s",
];
/// From the end of the fault: a node to come back, its replica to start, a failed
/// rollout to be tried again.
const TO_HEAL: Duration = Duration::from_secs(180);
/// Until the daemon has seen it too.
const TO_BE_TOLD: Duration = Duration::from_secs(60);
/// Longer than all of that takes where it can be.
const CONTROLS: Duration = Duration::from_secs(15);

pub(super) async fn play(stage: &Stage<'_>, disturbance: &Disturbance) -> Result<(), SiteError> {
    let begun = crate::clock::now();
    let site = stage.site().await?;
    runner_is_ready(stage, &site, disturbance).await?;
    let (before, versions) = (site.seen().await?, site.versions()?);
    let traffic = stage.traffic(&site).await?;
    let unmended = match disturbance.unmended.filter(|_| stage.is_control()) {
        Some(fault) => Some(fault(stage.lab()).await?.inject(stage.lab()).await?),
        None => None,
    };
    let fault = (disturbance.fault)(stage.lab()).await?;
    let (once, broken) = disturbed(stage, &site, disturbance, &*fault, &before).await?;
    if let Some(once) = once {
        said(stage, disturbance, &once);
    }
    told(stage, &site, disturbance, &before).await?;
    if disturbance.when == When::Before {
        status_tells(&site).await?;
    }
    if disturbance.told == Told::Nobody {
        job_is_kept(stage).await?;
    }
    if stage.is_control() {
        let healed = healed(stage, &site, &before).await;
        broken.end().await?;
        if let Some(unmended) = unmended {
            unmended.end().await?;
        }
        return healed;
    }
    let still_broken = match disturbance.told {
        // All is well as it is.
        Told::All(_) => Some(broken),
        _ => {
            broken.end().await?;
            healed(stage, &site, &before).await?;
            None
        }
    };
    all_is_well(&site).await?;
    job_is_gone(stage).await?;
    let issued = site.versions()?;
    stage.check(issued == versions + 1, Kind::OrderedTwice, || {
        format!("expected one more version than {versions}, found {issued}")
    });
    let record = traffic.stop().await?;
    let may_lose = fault.node().filter(|_| disturbance.may_lose);
    lost_nowhere_else(stage, &site, may_lose, record, begun);
    match still_broken {
        Some(broken) => Ok(broken.end().await?),
        None => Ok(()),
    }
}

/// Started again with the times that it is to keep, where it is to be.
async fn runner_is_ready(
    stage: &Stage<'_>,
    site: &Site<'_>,
    disturbance: &Disturbance,
) -> Result<(), SiteError> {
    let times = match disturbance.when {
        When::Before => HURRY,
        When::InTheMiddle => UNHURRIED,
    };
    if !disturbance.runner_leads {
        site.runner().update(&times).await?;
        return site.settle().await;
    }
    let lab = stage.lab();
    let leader = lab.leader().await?.name();
    let mut closed = Vec::new();
    for other in lab.managers().iter().filter(|it| it.name() != leader) {
        closed.push(Unavailable::paused(other.name()).inject(lab).await?);
    }
    site.runner().update(&times).await?;
    site.settle().await?;
    for closed in closed {
        closed.end().await?;
    }
    let what = format!("the runner run on {leader}, which leads");
    Ok(until(what, TO_BE_TOLD, async || {
        let runners = site.runner().running().await.map_err(|e| e.to_string())?;
        let nodes: Vec<_> = runners.into_iter().map(|runner| runner.node).collect();
        match &nodes[..] {
            [node] if node == leader => Ok(()),
            _ => Err(format!("it runs on {nodes:?}")),
        }
    })
    .await?)
}

/// A rollout, and what breaks. None where it took the runner along.
async fn disturbed(
    stage: &Stage<'_>,
    site: &Site<'_>,
    disturbance: &Disturbance,
    fault: &dyn Fault,
    before: &[Serves],
) -> Result<(Option<Once>, Active), SiteError> {
    let _step = stage.step("a rollout that is disturbed");
    if disturbance.when == When::Before {
        let broken = fault.inject(stage.lab()).await?;
        return Ok((Some(site.renew(&[]).await?), broken));
    }
    let middle = Middle::hold(site).await?;
    let in_the_middle = async {
        middle.reached(site, TO_HEAL).await?;
        stage.untouched(site, before).await?;
        let broken = fault.inject(stage.lab()).await?;
        status_tells(site).await?;
        middle.go_on();
        Ok::<_, SiteError>(broken)
    };
    let (once, broken) = tokio::join!(site.renew(&[]), in_the_middle);
    Ok((once.ok(), broken?))
}

fn said(stage: &Stage<'_>, disturbance: &Disturbance, once: &Once) {
    if disturbance.says.is_empty() {
        return;
    }
    stage.failed_with(once, disturbance.says);
}

async fn told(
    stage: &Stage<'_>,
    site: &Site<'_>,
    disturbance: &Disturbance,
    before: &[Serves],
) -> Result<(), SiteError> {
    match disturbance.told {
        Told::Nobody => stage.untouched(site, before).await,
        Told::AllBut(node) => {
            let published = site.published()?;
            for serves in site.seen().await? {
                let is_new = serves.fingerprint == published;
                stage.check(is_new == (serves.node != node), Kind::Stale, || {
                    format!("expected all but {node} to serve {published}, found {serves}")
                });
            }
            Ok(())
        }
        Told::All(replicas) => all_serve(stage, site, replicas).await,
        Told::Some => Ok(()),
    }
}

/// Waits until so many replicas are there, and serve what is published.
async fn all_serve(stage: &Stage<'_>, site: &Site<'_>, replicas: usize) -> Result<(), SiteError> {
    let what = format!("{replicas} replicas serve what is published");
    let deadline = stage.patience(TO_HEAL, CONTROLS);
    Ok(until(what, deadline, async || {
        let published = site.published().map_err(|error| error.to_string())?;
        let served = site.served().await?;
        let new = served.iter().filter(|one| one.fingerprint == published);
        match new.count() {
            count if count == replicas && served.len() == replicas => Ok(()),
            count => Err(format!("{count} of {} do", served.len())),
        }
    })
    .await?)
}

/// Waits until what is broken is to be seen in `rollover status`: a replica is behind,
/// or what none takes is held back.
async fn status_tells(site: &Site<'_>) -> Result<(), SiteError> {
    let what = "`rollover status` tell of a replica that is behind or a version held back";
    site.status_until(what, TO_BE_TOLD, |status| {
        let mut certificates = status.report.certificates.iter();
        !status.all_are("serving") || certificates.any(|it| it.held_back.is_some())
    })
    .await?;
    Ok(())
}

/// Its tasks and their logs say why, until the next attempt.
async fn job_is_kept(stage: &Stage<'_>) -> Result<(), SiteError> {
    let tasks = stage.lab().service(SIGNAL_JOB).tasks().await?;
    let failed = tasks.iter().any(|task| task.error.is_some());
    stage.check(failed, Kind::Unclear, || {
        format!("expected the job {SIGNAL_JOB} with a task that failed, found {tasks:?}")
    });
    Ok(())
}

async fn job_is_gone(stage: &Stage<'_>) -> Result<(), SiteError> {
    until("the job be removed", TO_BE_TOLD, async || {
        match stage.lab().service(SIGNAL_JOB).exists().await {
            Ok(false) => Ok(()),
            Ok(true) => Err("it is there".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    })
    .await?;
    Ok(())
}

/// Waits until `rollover status` says so.
async fn all_is_well(site: &Site<'_>) -> Result<(), SiteError> {
    let what = "`rollover status` tell that all is well";
    site.status_until(what, TO_BE_TOLD, |status| {
        status.all_are("serving") && status.rollouts_are("in_step")
    })
    .await?;
    Ok(())
}

/// Waits until every replica serves what is published, without a person; and not
/// what was so before, which is published again where no replica takes the new one.
async fn healed(stage: &Stage<'_>, site: &Site<'_>, before: &[Serves]) -> Result<(), SiteError> {
    let _step = stage.step("all heals by itself");
    let what = "every replica serve the new certificate";
    let deadline = stage.patience(TO_HEAL, CONTROLS);
    let replicas = usize::from(stage.parameters().replicas);
    Ok(until(what, deadline, async || {
        let published = site.published().map_err(|error| error.to_string())?;
        if before.iter().any(|one| one.fingerprint == published) {
            return Err(format!("{published} is published, as before"));
        }
        let served = site.served().await?;
        if served.len() < replicas {
            return Err(format!("{} of {replicas} replicas serve", served.len()));
        }
        match served.iter().find(|s| s.fingerprint != published) {
            Some(stale) => Err(format!("{published} is published, and {stale}")),
            None => Ok(()),
        }
    })
    .await?)
}

/// What was lost was lost at the node that broke, or was being answered by what
/// stands behind the load balancer and was on that node.
fn lost_nowhere_else(
    stage: &Stage<'_>,
    site: &Site<'_>,
    may_lose: Option<&str>,
    record: Record,
    begun: jiff::Timestamp,
) {
    let losses = attribute(&record, &moments(site, begun)).losses;
    let behind = [
        LossClass::Truncated,
        LossClass::ServerError,
        LossClass::TimedOut,
    ];
    let expected = |loss: &AttributedLoss| {
        may_lose.is_some_and(|node| loss.target == node || behind.contains(&loss.class))
    };
    let elsewhere: Vec<_> = losses
        .iter()
        .filter(|loss| !expected(loss))
        .map(|loss| format!("{} at {}, {}", loss.class, loss.target, loss.at))
        .collect();
    stage.check(elsewhere.is_empty(), Kind::Lost, || {
        format!("expected no loss elsewhere, found {elsewhere:?}")
    });
    stage.figure("requests lost", record.lost() as f64, "requests");
    stage.record(record);
}
