//! A maintenance window.

use std::time::Duration;

use super::{Control, Kind, Parameters, Scenario, Stage};
use crate::site::{Site, SiteError};

/// Outside of its window a target's replicas are left alone, and that is told as
/// waiting, not as a failure; within it they are rolled out to.
pub(super) const SCENARIO: Scenario = Scenario {
    name: "window",
    about: "A certificate is renewed outside of the target's maintenance window: no replica is \
            touched, and plan and status say until when the rollout waits. Then the window is \
            open, and every replica serves the new one.",
    control: Control {
        wrong: "the window is open all the time",
        found_by: &[Kind::Touched],
    },
    parameters: Parameters::with_certbot,
    play: |stage| Box::pin(play(stage)),
};

/// For a minute at the turn of the year.
pub(super) const CLOSED: &str = "0 0 1 1 *;1m";
const OPEN: &str = "* * * * *;2m";
/// The daemon looks once a minute.
const TO_BE_SEEN: Duration = Duration::from_secs(90);
const TO_SERVE: Duration = Duration::from_secs(60);

async fn play(stage: &Stage<'_>) -> Result<(), SiteError> {
    let site = stage.site().await?;
    let played = through_a_window(stage, &site).await;
    label(&site, "--label-rm", "rollover.window").await?;
    played
}

async fn through_a_window(stage: &Stage<'_>, site: &Site<'_>) -> Result<(), SiteError> {
    let before = site.seen().await?;
    let window = if stage.is_control() { OPEN } else { CLOSED };
    label(site, "--label-add", &format!("rollover.window={window}")).await?;
    {
        let _step = stage.step("a renewal outside of the window");
        let _due = site.make_due().await?;
        site.once(&[]).await?.succeeded()?;
        stage.untouched(site, &before).await?;
    }
    if stage.is_control() {
        return Ok(());
    }
    waits(stage, site).await?;
    let _step = stage.step("the window is open");
    label(site, "--label-add", &format!("rollover.window={OPEN}")).await?;
    site.once(&[]).await?.succeeded()?;
    site.serves(&site.published()?, TO_SERVE).await?;
    let status = site.status().await?;
    let in_step = status.output.code == 0 && status.rollouts_are("in_step");
    stage.check(in_step, Kind::Stale, || {
        format!("expected a status in step, found {status}")
    });
    Ok(())
}

/// Plan and status tell that it waits, and the daemon since when.
async fn waits(stage: &Stage<'_>, site: &Site<'_>) -> Result<(), SiteError> {
    let _step = stage.step("the rollout waits");
    let plan = site.rollover(&["plan"]).await?;
    let told = plan.code == 0 && plan.stdout.contains("a rollout waits until");
    stage.check(told, Kind::Unclear, || {
        format!("expected a plan that waits and exit code 0, found {plan}")
    });
    let status = site.status_until("the daemon say since when", TO_BE_SEEN, |status| {
        status.replicas().all(|it| it.seen_stale_since.is_some())
    });
    let status = status.await?;
    let waiting = status.output.code == 1
        && status.report.daemon.daemon == "answered"
        && status.rollouts_are("waiting")
        && status.all_are("stale");
    stage.check(waiting, Kind::Unclear, || {
        format!("expected a status of a waiting rollout and exit code 1, found {status}")
    });
    Ok(())
}

pub(super) async fn label(site: &Site<'_>, option: &str, label: &str) -> Result<(), SiteError> {
    Ok(site.load_balancer().update(&[option, label]).await?)
}
