//! A load balancer that may not run everywhere.

use std::collections::BTreeSet;
use std::time::Duration;

use super::nothing_due::SIGNAL_JOB;
use super::{Control, Kind, Parameters, Scenario, Stage};
use crate::site::{Site, SiteError, SiteOptions};

/// The job that tells replicas runs where replicas may, and nowhere else.
pub(super) const SCENARIO: Scenario = Scenario {
    name: "placed",
    about: "The load balancer may not run on one of the nodes. A renewal reaches each replica, \
            and the job that tells them, which holds the node's Docker socket, is not started \
            where none of them may be.",
    control: Control {
        wrong: "it may run there too",
        found_by: &[Kind::Touched],
    },
    parameters: Parameters::default,
    play: |stage| Box::pin(play(stage)),
};

const ELSEWHERE: &str = "node-3";
const REPLICAS: u8 = 2;
const TO_BEGIN: Duration = Duration::from_secs(60);

async fn play(stage: &Stage<'_>) -> Result<(), SiteError> {
    stage.empty().await?;
    // With one on every node first: the authority asks at any of them.
    stage.site().await?;
    let options = SiteOptions {
        replicas: REPLICAS,
        ..stage.options()?
    };
    let site = stage.site_with(options).await?;
    let told = told(stage, &site).await;
    // What comes next has the authority ask at any node again.
    stage.empty().await?;
    told
}

async fn told(stage: &Stage<'_>, site: &Site<'_>) -> Result<(), SiteError> {
    if !stage.is_control() {
        let constraint = format!("node.hostname!={ELSEWHERE}");
        let update = ["--constraint-add", constraint.as_str()];
        site.load_balancer().update(&update).await?;
        site.settle().await?;
    }
    let running = site.load_balancer().running().await?;
    let places = running
        .iter()
        .filter_map(|task| Some(task.place()?.address()));
    let (acme, domain) = (stage.lab().acme(), &site.options().domain);
    acme.set_addresses(domain, &places.collect::<Vec<_>>())
        .await?;
    let traffic = stage.traffic(site).await?;
    let (once, told) = tokio::join!(site.renew(&[]), job_nodes(site));
    once?.succeeded()?;
    let told = told?;
    stage.one_certificate(&site.seen().await?);
    stage.check(told.len() >= running.len(), Kind::Stale, || {
        format!("expected {REPLICAS} nodes to be told, found {told:?}")
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
    loop {
        match job.tasks().await {
            Ok(tasks) => nodes.extend(tasks.into_iter().map(|task| task.node)),
            Err(error) if job.exists().await? => return Err(error.into()),
            Err(_) => break,
        }
        if !job.exists().await? {
            break;
        }
    }
    nodes.remove("");
    Ok(nodes)
}
