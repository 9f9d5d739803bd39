//! The authority cannot be reached; then it cannot validate.

use std::net::Ipv4Addr;

use super::{Control, Kind, Parameters, Scenario, Stage};
use crate::lab::Node;
use crate::site::{Once, Serves, Site, SiteError};

/// A renewal that cannot be had touches nothing, says why, and is made up for.
pub(super) const SCENARIO: Scenario = Scenario {
    name: "acme-down",
    about: "The authority cannot be reached, then cannot validate: nothing is touched, traffic is \
            unharmed, the error names certificate, step and cause, and the next run recovers.",
    control: Control {
        wrong: "the authority can be reached",
        found_by: &[Kind::Accepted],
    },
    parameters: Parameters::with_certbot,
    play: |stage| Box::pin(play(stage)),
};

const RENEWAL: &str = "certificate example.org: renew with certbot";
/// So many orders in a row that are granted at once are no chance any more.
const MOST_GRANTED: u32 = 3;

async fn play(stage: &Stage<'_>) -> Result<(), SiteError> {
    let site = stage.site().await?;
    let before = site.seen().await?;
    let _due = site.make_due().await?;
    let traffic = stage.traffic(&site).await?;

    let down = unreachable(stage, &site).await?;
    stage.failed_with(&down, &[RENEWAL, "No route to host"]);
    if !stage.is_control() {
        stage.untouched(&site, &before).await?;
        let (before, refused) = invalid(stage, &site).await?;
        stage.failed_with(&refused, &[RENEWAL, "challenges have failed"]);
        stage.untouched(&site, &before).await?;
        recovers(stage, &site).await?;
    }
    stage.nothing_lost(traffic.stop().await?);
    Ok(())
}

/// A run while certbot, which is where the runner is, cannot reach the authority.
async fn unreachable(stage: &Stage<'_>, site: &Site<'_>) -> Result<Once, SiteError> {
    let _step = stage.step("the authority cannot be reached");
    let manager = stage.lab().manager();
    let acme = stage.lab().acme().address();
    if !stage.is_control() {
        manager.cut_off_from(acme).await?;
    }
    let once = site.once(&[]).await;
    if !stage.is_control() {
        manager.reconnect_to(acme).await?;
    }
    once
}

/// A run while the site's name leads elsewhere; and what was served before it.
///
/// Pebble grants one order in a hundred on an earlier validation, whatever it is told:
/// then nothing was to be validated, and it is asked again.
async fn invalid(stage: &Stage<'_>, site: &Site<'_>) -> Result<(Vec<Serves>, Once), SiteError> {
    let _step = stage.step("the authority cannot validate");
    let (lab, domain) = (stage.lab(), &site.options().domain);
    let nowhere = [Ipv4Addr::LOCALHOST];
    lab.acme().set_addresses(domain, &nowhere).await?;
    let refused = async {
        let mut orders = 0;
        loop {
            let before = site.seen().await?;
            // The failure before holds back whoever does not force it.
            let once = site.once(&["--force", domain]).await?;
            orders += 1;
            if once.output.code != 0 || orders == MOST_GRANTED {
                return Ok((before, once));
            }
        }
    }
    .await;
    let nodes: Vec<_> = lab.nodes().iter().map(Node::address).collect();
    lab.acme().set_addresses(domain, &nodes).await?;
    refused
}

async fn recovers(stage: &Stage<'_>, site: &Site<'_>) -> Result<(), SiteError> {
    let _step = stage.step("the next run recovers");
    let before = site.seen().await?;
    let domain = &site.options().domain;
    site.once(&["--force", domain]).await?.succeeded()?;
    let after = site.seen().await?;
    stage.one_certificate(&after);
    for (before, after) in before.iter().zip(&after) {
        let renewed = before.fingerprint != after.fingerprint;
        stage.check(renewed && before.task == after.task, Kind::Stale, || {
            format!("expected another certificate in the same task, found {before:?}, {after:?}")
        });
    }
    Ok(())
}
