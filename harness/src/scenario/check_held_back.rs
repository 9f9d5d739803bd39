//! A restart that would never end.

use super::check_clean::label;
use super::{Control, Kind, Parameters, Scenario, Stage};
use crate::site::{Site, SiteError, SiteOptions};

/// It is not begun, by a person neither: no replica is touched, and the reason is said.
pub(super) const SCENARIO: Scenario = Scenario {
    name: "check/held-back",
    about: "A restart that would wait for ever (start-first, ports in mode host) is not begun, \
            with its reason; by signal the same certificate is rolled out.",
    control: Control {
        wrong: "replicas stop first, so that nothing is in the way of a restart",
        found_by: &[Kind::Touched],
    },
    parameters: Parameters::default,
    play: |stage| Box::pin(play(stage)),
};

async fn play(stage: &Stage<'_>) -> Result<(), SiteError> {
    let options = SiteOptions {
        restart_delay: "2s".to_owned(),
        ..stage.options()?
    };
    let site = stage.site_with(options).await?;
    if !stage.is_control() {
        order(&site, "start-first").await?;
    }
    let by_hand = by_hand(stage, &site).await;
    if stage.is_control() {
        return by_hand;
    }
    label(&site, "restart").await?;
    let forced = forced(stage, &site).await;
    // In this order: the runner would begin the restart that nothing is in the way of
    // any more, and a change of the service meanwhile leaves a task behind that swarm
    // tries no more.
    label(&site, "signal").await?;
    order(&site, "stop-first").await?;
    by_hand?;
    forced?;
    site.once(&[]).await?.succeeded()?;
    let deadline = std::time::Duration::from_secs(60);
    site.serves(&site.published()?, deadline).await.map(drop)
}

const EXPECTED: &str = "not begun, because it would never end: RO105";

/// A person wants a restart where the label says signal.
async fn by_hand(stage: &Stage<'_>, site: &Site<'_>) -> Result<(), SiteError> {
    let before = site.seen().await?;
    let restart = ["rollout", "patch_loadbalancer", "--strategy", "restart"];
    let said = site.rollover(&restart).await?;
    stage.untouched(site, &before).await?;
    let clear = said.stdout.contains(EXPECTED) && said.code == 1;
    stage.check(clear, Kind::Unclear, || {
        format!("expected exit code 1 and {EXPECTED:?}, found {said}")
    });
    Ok(())
}

async fn forced(stage: &Stage<'_>, site: &Site<'_>) -> Result<(), SiteError> {
    let before = site.seen().await?;
    let domain = site.options().domain.clone();
    let once = site.once(&["--force", &domain]).await?;
    stage.untouched(site, &before).await?;
    let errors = once.errors().join("\n");
    stage.check(errors.contains(EXPECTED), Kind::Unclear, || {
        format!("expected {EXPECTED:?}, found {once}")
    });
    Ok(())
}

async fn order(site: &Site<'_>, order: &str) -> Result<(), SiteError> {
    Ok(site
        .load_balancer()
        .update(&["--update-order", order])
        .await?)
}
