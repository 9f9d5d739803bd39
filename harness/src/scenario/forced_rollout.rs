//! A person wants every replica told again.

use super::{Control, Kind, Parameters, Scenario, Stage};
use crate::site::{Site, SiteError, moments};

/// `rollover rollout` tells every replica, also where each serves what is
/// published, and says what it cannot roll out.
pub(super) const SCENARIO: Scenario = Scenario {
    name: "forced-rollout",
    about: "A person forces a rollout of a service that is in step: every replica is told under \
            traffic, none is replaced, nothing is lost; a service that there is not is named.",
    control: Control {
        wrong: "nobody forces it",
        found_by: &[Kind::Stale],
    },
    parameters: Parameters::default,
    play: |stage| Box::pin(play(stage)),
};

async fn play(stage: &Stage<'_>) -> Result<(), SiteError> {
    let site = stage.site().await?;
    let before = site.seen().await?;
    let begun = crate::clock::now();
    let traffic = stage.traffic(&site).await?;
    if !stage.is_control() {
        forced(stage, &site).await?;
    }
    let told: Vec<String> = moments(&site, begun)
        .into_iter()
        .filter(|moment| moment.what == "signal 1")
        .map(|moment| moment.node)
        .collect();
    let replicas = usize::from(stage.parameters().replicas);
    stage.check(told.len() == replicas, Kind::Stale, || {
        format!("expected each of {replicas} replicas to be told once, found {told:?}")
    });
    stage.untouched(&site, &before).await?;
    stage.nothing_lost(traffic.stop().await?);
    Ok(())
}

async fn forced(stage: &Stage<'_>, site: &Site<'_>) -> Result<(), SiteError> {
    let _step = stage.step("a rollout is forced");
    let output = site.rollover(&["rollout", "patch_loadbalancer"]).await?;
    stage.check(output.code == 0, Kind::Runner, || {
        format!("expected exit code 0, found {output}")
    });
    let nobody = site.rollover(&["rollout", "patch_nobody"]).await?;
    let named = "roll out patch_nobody: no service of that name";
    let clear = nobody.stderr.contains(named) && nobody.stderr.contains("patch_loadbalancer");
    stage.check(nobody.code == 2 && clear, Kind::Unclear, || {
        format!("expected exit code 2 and {named:?}, found {nobody}")
    });
    let by_secret = ["rollout", "--strategy", "secret", "patch_loadbalancer"];
    let refused = site.rollover(&by_secret).await?;
    let named = "expected its label rollover.strategy to name secret, found signal";
    let clear = refused.stderr.contains(named);
    stage.check(refused.code == 2 && clear, Kind::Unclear, || {
        format!("expected exit code 2 and {named:?}, found {refused}")
    });
    Ok(())
}
