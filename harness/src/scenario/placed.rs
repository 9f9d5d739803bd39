//! A load balancer that may not run everywhere.

use std::collections::BTreeSet;
use std::time::Duration;

use super::nothing_due::SIGNAL_JOB;
use super::{Control, Kind, Parameters, Scenario, Stage};
use crate::site::{Site, SiteError};

/// The job that tells replicas runs where replicas may, and nowhere else.
pub(super) const SCENARIO: Scenario = Scenario {
    name: "placed",
    about: "The load balancer may not run on one of the nodes. A renewal reaches each replica, \
            and the job that tells them, which holds the node's Docker socket, is not started \
            where none of them may be.",
    control: Control {
        wrong: "it may run there too",
        found_by: Kind::Touched,
    },
    parameters: || Parameters {
        replicas: 2,
        ..Parameters::default()
    },
    play: |stage| Box::pin(play(stage)),
};

const ELSEWHERE: &str = "node-3";
const TO_BEGIN: Duration = Duration::from_secs(60);

async fn play(stage: &Stage<'_>) -> Result<(), SiteError> {
    stage.empty().await?;
    let site = stage.site().await?;
    if !stage.is_control() {
        let constraint = format!("node.hostname!={ELSEWHERE}");
        let update = ["--constraint-add", constraint.as_str()];
        site.load_balancer().update(&update).await?;
    }
    site.settle().await?;
    let traffic = stage.traffic(&site).await?;
    let (once, told) = tokio::join!(site.renew(&[]), job_nodes(&site));
    once?.succeeded()?;
    let told = told?;
    stage.one_certificate(&site.seen().await?);
    let replicas = usize::from(stage.parameters().replicas);
    stage.check(told.len() >= replicas, Kind::Stale, || {
        format!("expected {replicas} nodes to be told, found {told:?}")
    });
    stage.check(!told.contains(ELSEWHERE), Kind::Touched, || {
        format!("expected no job on {ELSEWHERE}, found {told:?}")
    });
    stage.nothing_lost(traffic.stop().await?);
    Ok(())
}

/// The nodes on which the job has tasks, once it is made.
async fn job_nodes(site: &Site<'_>) -> Result<BTreeSet<String>, SiteError> {
    let job = site.lab().service(SIGNAL_JOB);
    job.made(TO_BEGIN).await?;
    let mut nodes = BTreeSet::new();
    // It is removed as soon as every replica serves; what it had by then counts.
    while job.exists().await? {
        let tasks = job.tasks().await?;
        nodes.extend(tasks.into_iter().map(|task| task.node));
    }
    nodes.remove("");
    Ok(nodes)
}
