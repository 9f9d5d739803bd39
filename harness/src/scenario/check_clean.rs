//! The project's own stack, as `rollover check` finds it.

use super::{Control, Kind, Parameters, Scenario, Stage};
use crate::site::{Check, Site, SiteError, SiteOptions};

/// In `stack.yml` nothing is found, and nothing is left unknown.
pub(super) const SCENARIO: Scenario = Scenario {
    name: "check/clean",
    about: "rollover check finds nothing in the project's own stack, and nothing that it could \
            not tell; by restart, only what the lab's ports in mode host are.",
    control: Control {
        wrong: "keepalive_min_timeout is 0",
        found_by: &[Kind::Preflight],
    },
    parameters: Parameters::default,
    play: |stage| Box::pin(play(stage)),
};

async fn play(stage: &Stage<'_>) -> Result<(), SiteError> {
    let mut options = stage.options()?;
    if stage.is_control() {
        "0".clone_into(&mut options.keepalive_min_timeout);
    }
    let site = stage.site_with(options).await?;
    expect(stage, &site.check().await?, LOAD_BALANCER, &[]);
    gone(stage, &site).await?;
    if stage.is_control() {
        return back(stage).await;
    }
    // The lab publishes ports in mode host, which a restart closes.
    label(&site, "restart").await?;
    let check = site.check().await;
    label(&site, "signal").await?;
    expect(stage, &check?, LOAD_BALANCER, &["RO107"]);
    Ok(())
}

pub(super) const LOAD_BALANCER: &str = "patch_loadbalancer";

/// Checks that exactly these codes were found of the service, and nothing was
/// left unknown.
pub(super) fn expect(stage: &Stage<'_>, check: &Check, service: &str, codes: &[&str]) {
    let checked = check.services.get(service).cloned().unwrap_or_default();
    let found: Vec<&str> = checked.found.iter().map(String::as_str).collect();
    let known = check.services.contains_key(service) && checked.not_known.is_empty();
    stage.check(known && found == codes, Kind::Preflight, || {
        format!("expected {codes:?} of {service} and all of it known, found {checked:?}")
    });
}

pub(super) async fn gone(stage: &Stage<'_>, site: &Site<'_>) -> Result<(), SiteError> {
    let job = site.lab().service("rollover-look-patch_loadbalancer");
    let there = job.exists().await?;
    stage.check(!there, Kind::LeftBehind, || {
        "expected the job that looks to be gone, found it".to_owned()
    });
    Ok(())
}

pub(super) async fn label(site: &Site<'_>, strategy: &str) -> Result<(), SiteError> {
    let label = format!("rollover.strategy={strategy}");
    Ok(site
        .load_balancer()
        .update(&["--label-add", &label])
        .await?)
}

/// What the next scenario finds is what the stack file says.
async fn back(stage: &Stage<'_>) -> Result<(), SiteError> {
    let options: SiteOptions = stage.options()?;
    stage.site_with(options).await.map(drop)
}
