//! A renewal by restart: what it loses, counted and attributed.

use std::collections::BTreeMap;

use super::renewal_signal::proved;
use super::{Control, Kind, Parameters, Scenario, Stage};
use crate::report::Moment;
use crate::site::{Account, Renewal, Site, SiteError, SiteOptions, Strategy};

/// By `restart`, under traffic: tasks are replaced one at a time, and every
/// loss belongs to a replica and a moment. How much is lost is told, not
/// judged: it is what the forced update that many run every night loses where
/// each node publishes its ports itself.
pub(super) const SCENARIO: Scenario = Scenario {
    name: "renewal/restart",
    about: "A due certificate is renewed by a rolling restart under traffic: tasks are replaced \
            one at a time, and each lost request belongs to a replica and a moment.",
    control: Control {
        wrong: "all replicas are restarted at once meanwhile",
        found_by: &[Kind::Overlap],
    },
    parameters: || Parameters {
        strategy: Strategy::Restart,
        ..Parameters::default()
    },
    play: |stage| Box::pin(play(stage)),
};

async fn play(stage: &Stage<'_>) -> Result<(), SiteError> {
    let options = SiteOptions {
        // What is lost is lost while a replica is away; how long the update
        // then waits changes nothing of it, and would only make this longer.
        restart_delay: "2s".to_owned(),
        ..stage.options()?
    };
    let site = stage.site_with(options).await?;
    if stage.is_control() {
        return all_at_once(stage, &site).await;
    }
    let renewal = Renewal {
        load: stage.parameters().load(),
        times: 1,
    };
    let step = stage.step("a renewal by restart under traffic");
    let account = renewal.run(&site).await?;
    drop(step);
    proved(stage, &account, renewal.times);
    let replaced = account.changes().iter().all(|change| change.replaced);
    stage.check(replaced, Kind::Stale, || {
        format!("expected every task to be replaced, found\n{account}")
    });
    one_at_a_time(stage, &account.moments);
    every_loss_has_its_place(stage, &account);
    stage.figure("requests lost", account.record.lost() as f64, "requests");
    stage.record(account.record);
    Ok(())
}

/// The update that nobody should run: every replica at once.
async fn all_at_once(stage: &Stage<'_>, site: &Site<'_>) -> Result<(), SiteError> {
    let begun = crate::clock::now();
    let step = stage.step("every replica is restarted at once");
    let update = ["--force", "--update-parallelism", "0"];
    site.load_balancer().update(&update).await?;
    site.settle().await?;
    drop(step);
    one_at_a_time(stage, &crate::site::moments(site, begun));
    // What the next scenario finds is what the stack file says.
    stage.site().await.map(drop)
}

/// No replica was taken away while another was away.
pub(super) fn one_at_a_time(stage: &Stage<'_>, moments: &[Moment]) {
    let mut away: BTreeMap<&str, &Moment> = BTreeMap::new();
    let mut most = Vec::new();
    let mut replaced = 0;
    for moment in moments {
        if moment.what.starts_with("signal") {
            away.insert(&moment.node, moment);
            if away.len() > most.len() {
                most = away.keys().map(|node| (*node).to_owned()).collect();
            }
        } else if moment.what == "healthy" && away.remove(moment.node.as_str()).is_some() {
            replaced += 1;
        }
    }
    stage.check(most.len() <= 1, Kind::Overlap, || {
        format!("expected one replica to be away at a time, found {most:?}")
    });
    let replicas = u32::from(stage.parameters().replicas);
    stage.check(replaced == replicas, Kind::Stale, || {
        format!("expected {replicas} replicas to be replaced, found {replaced}")
    });
}

/// Each loss happened at a node after its replica was told to stop.
pub(super) fn every_loss_has_its_place(stage: &Stage<'_>, account: &Account) {
    let attribution = account.attribution();
    // Each replica has its node's ports to itself: nothing answers while it is away.
    stage.check(!attribution.losses.is_empty(), Kind::Unattributed, || {
        format!("expected losses to attribute, found none\n{account}")
    });
    for loss in &attribution.losses {
        let placed = loss.replica.is_some()
            && loss.cause.as_ref().is_some_and(|cause| {
                let told = ["signal", "died", "stopped", "started"];
                cause.node == loss.target && told.iter().any(|what| cause.what.starts_with(what))
            });
        stage.check(placed, Kind::Unattributed, || {
            let what = loss.cause.as_ref().map_or("nothing", |cause| &cause.what);
            let (class, target, at) = (loss.class, &loss.target, loss.at);
            format!(
                "expected a replica that was told to stop, found {class} at {target}, {at}, after {what}"
            )
        });
    }
}
