//! Something breaks before a rollout or in the middle of it, and goes away again.

use std::time::Duration;

use super::nothing_due::SIGNAL_JOB;
use super::{Control, Kind, Parameters, Scenario, Stage};
use crate::fault::{
    Active, CutOff, Fault, FirstProcessStopped, LabelChanged, NodeFault, Replica, TaskFault,
    Unavailable,
};
use crate::lab::wait::until;
use crate::report::attribution::{AttributedLoss, attribute};
use crate::site::{Once, Serves, Site, SiteError, moments};
use crate::traffic::{LossClass, Record};

const LOAD_BALANCER: &str = "patch_loadbalancer";
/// A rollout that cannot be is given up soon, and looked at again soon.
pub(super) const HURRY: [&str; 4] = [
    "--env-add",
    "ROLLOVER_SIGNAL_TIMEOUT=20s",
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

/// What breaks, and what is to come of it.
struct Disturbance {
    fault: fn() -> Box<dyn Fault>,
    when: When,
    /// What the runner must say of it; nothing where it may also come through.
    says: &'static [&'static str],
    /// The replicas that it must have told nevertheless.
    told: Told,
    /// The node at which requests may be lost meanwhile.
    may_lose: Option<&'static str>,
    /// For the control: what keeps the swarm from mending it by itself.
    unmended: Option<fn() -> Box<dyn Fault>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    /// Before the certificate is issued.
    Before,
    /// When the job that tells the replicas was just made.
    InTheMiddle,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    /// None: not one serves another certificate than before.
    Nobody,
    /// All but that on this node.
    AllBut(&'static str),
    /// Whoever was within reach just then.
    Some,
}

macro_rules! disturbed {
    ($constant:ident, $name:literal, $about:literal, $parameters:expr, $disturbance:expr) => {
        pub(super) const $constant: Scenario = Scenario {
            name: concat!("disturbed/", $name),
            about: $about,
            control: Control {
                wrong: "what broke stays broken",
                found_by: Kind::Stuck,
            },
            parameters: $parameters,
            play: |stage| Box::pin(play(stage, &$disturbance)),
        };
    };
}

disturbed!(
    WILL_NOT_RELOAD,
    "will-not-reload",
    "The replica that goes first serves on but will not load the new certificate: no other is \
     touched, and all are once it does.",
    Parameters::default,
    Disturbance {
        fault: || Box::new(FirstProcessStopped::of(Replica::in_slot(LOAD_BALANCER, 1))),
        when: When::Before,
        says: &["replica 1 on", "goes first"],
        told: Told::Nobody,
        may_lose: None,
        unmended: None,
    }
);

disturbed!(
    TEST_FAILS,
    "test-fails",
    "The test command fails in every replica: none is told, the reason is what the command wrote, \
     and all are once it passes.",
    Parameters::default,
    Disturbance {
        fault: || {
            let wrong = "nginx -t -c /nowhere/nginx.conf";
            Box::new(LabelChanged::of(LOAD_BALANCER, "rollover.test", wrong))
        },
        when: When::Before,
        says: &[
            "failed with exit code 1",
            "/nowhere/nginx.conf",
            "was not told"
        ],
        told: Told::Nobody,
        may_lose: None,
        unmended: None,
    }
);

disturbed!(
    NODE_PAUSED,
    "node-paused",
    "A node takes no more tasks, so that no job runs there: its replica is said to be out of \
     reach, all others are told, and it is once the node is active again.",
    Parameters::default,
    Disturbance {
        fault: || Box::new(Unavailable::paused("node-2")),
        when: When::Before,
        says: &[
            "on node-2 serves an earlier certificate and cannot be told, because node-2 is paused"
        ],
        told: Told::AllBut("node-2"),
        may_lose: None,
        unmended: None,
    }
);

disturbed!(
    NODE_DRAINED,
    "node-drained",
    "A node is drained while its replica is about to be told: the others are told, and the \
     replica that comes back serves the new certificate.",
    Parameters::default,
    Disturbance {
        fault: || Box::new(Unavailable::drained("node-2")),
        when: When::InTheMiddle,
        says: &[],
        told: Told::Some,
        may_lose: Some("node-2"),
        unmended: None,
    }
);

disturbed!(
    NODE_DIES,
    "node-dies",
    "A node loses its power while its replica is about to be told: nothing is lost at the others, \
     and all serve the new certificate when it is back.",
    Parameters::default,
    Disturbance {
        fault: || Box::new(NodeFault::killed("node-2")),
        when: When::InTheMiddle,
        says: &[],
        told: Told::Some,
        may_lose: Some("node-2"),
        unmended: None,
    }
);

disturbed!(
    NODE_CUT_OFF,
    "node-cut-off",
    "A node is cut off from all others while its replica is about to be told, and its containers \
     run on: nothing is lost elsewhere, and all serve the new certificate when it is back.",
    Parameters::default,
    Disturbance {
        fault: || Box::new(CutOff::both_ways("node-2")),
        when: When::InTheMiddle,
        says: &[],
        told: Told::Some,
        may_lose: Some("node-2"),
        unmended: None,
    }
);

disturbed!(
    REPLICA_KILLED,
    "replica-killed",
    "A replica is killed while it is about to be told: nothing is lost at the others, and the one \
     that the swarm starts in its place serves the new certificate.",
    Parameters::default,
    Disturbance {
        fault: || Box::new(TaskFault::killed(Replica::on(LOAD_BALANCER, "node-2"))),
        when: When::InTheMiddle,
        says: &[],
        told: Told::Some,
        may_lose: Some("node-2"),
        unmended: Some(|| Box::new(Unavailable::paused("node-2"))),
    }
);

disturbed!(
    LEADER_DIES,
    "leader-dies",
    "The leading manager, on which the runner is, loses its power in the middle of a rollout: the \
     runner starts on another manager and finishes what was begun.",
    || Parameters {
        managers: 3,
        ..Parameters::default()
    },
    Disturbance {
        fault: || Box::new(NodeFault::killed("node-1")),
        when: When::InTheMiddle,
        says: &[],
        told: Told::Some,
        may_lose: Some("node-1"),
        unmended: None,
    }
);

async fn play(stage: &Stage<'_>, disturbance: &Disturbance) -> Result<(), SiteError> {
    let begun = crate::clock::now();
    let site = stage.site().await?;
    site.runner().update(&HURRY).await?;
    site.settle().await?;
    let (before, versions) = (site.seen().await?, site.versions()?);
    let traffic = stage.traffic(&site).await?;
    let unmended = match disturbance.unmended.filter(|_| stage.is_control()) {
        Some(fault) => Some(fault().inject(stage.lab()).await?),
        None => None,
    };
    let (once, broken) = disturbed(stage, &site, disturbance).await?;
    if let Some(once) = once {
        said(stage, disturbance, &once);
    }
    told(stage, &site, disturbance, &before).await?;
    if disturbance.when == When::Before {
        status_tells(stage, &site).await?;
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
    broken.end().await?;
    healed(stage, &site, &before).await?;
    all_is_well(&site).await?;
    job_is_gone(stage).await?;
    let issued = site.versions()?;
    stage.check(issued == versions + 1, Kind::OrderedTwice, || {
        format!("expected one more version than {versions}, found {issued}")
    });
    let record = traffic.stop().await?;
    lost_nowhere_else(stage, &site, disturbance, record, begun);
    Ok(())
}

/// A rollout, and what breaks. None where it took the runner along.
async fn disturbed(
    stage: &Stage<'_>,
    site: &Site<'_>,
    disturbance: &Disturbance,
) -> Result<(Option<Once>, Active), SiteError> {
    let _step = stage.step("a rollout that is disturbed");
    let fault = (disturbance.fault)();
    if disturbance.when == When::Before {
        let broken = fault.inject(stage.lab()).await?;
        return Ok((Some(site.renew(&[]).await?), broken));
    }
    let in_the_middle = async {
        stage.lab().service(SIGNAL_JOB).made(TO_HEAL).await?;
        fault.inject(stage.lab()).await
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
        Told::Some => Ok(()),
    }
}

/// What is broken is to be seen in `rollover status`: a replica is behind, or what none
/// takes is held back.
async fn status_tells(stage: &Stage<'_>, site: &Site<'_>) -> Result<(), SiteError> {
    let status = site.status().await?;
    let mut certificates = status.report.certificates.iter();
    let tells = !status.all_are("serving") || certificates.any(|it| it.held_back.is_some());
    stage.check(tells, Kind::Unclear, || {
        format!("expected a replica that is behind or a version held back, found {status}")
    });
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
    Ok(until(what, TO_BE_TOLD, async || {
        let status = site.status().await.map_err(|error| error.to_string())?;
        if status.all_are("serving") && status.rollouts_are("in_step") {
            return Ok(());
        }
        Err(status.to_string())
    })
    .await?)
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
    disturbance: &Disturbance,
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
        disturbance
            .may_lose
            .is_some_and(|node| loss.target == node || behind.contains(&loss.class))
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
