//! Two services, one of which will not load certificates anew.

use std::time::Duration;

use super::disturbed::HURRY;
use super::{Control, Kind, Parameters, Scenario, Stage};
use crate::fault::{Fault, LabelChanged};
use crate::site::{Server, Site, SiteError};

/// What fails at one service holds no other back.
pub(super) const SCENARIO: Scenario = Scenario {
    name: "two-targets",
    about: "Of two services with the same certificate one is told in a way that it does not \
            understand: the other is rolled out meanwhile and loses nothing, the first is named, \
            and follows by itself once it is told rightly.",
    control: Control {
        wrong: "it goes on being told wrongly",
        found_by: &[Kind::Stuck],
    },
    parameters: Parameters::default,
    play: |stage| Box::pin(play(stage)),
};

const HTTPD: Server = Server::HTTPD;
/// The daemon tries again after ten seconds, a minute, five.
const TO_HEAL: Duration = Duration::from_secs(180);
const CONTROLS: Duration = Duration::from_secs(30);

async fn play(stage: &Stage<'_>) -> Result<(), SiteError> {
    let site = stage.site().await?;
    site.runner().update(&HURRY).await?;
    site.settle().await?;
    let played = one_broken(stage, &site).await;
    stage.lab().remove_stack(HTTPD.stack).await?;
    played
}

async fn one_broken(stage: &Stage<'_>, site: &Site<'_>) -> Result<(), SiteError> {
    HTTPD.deploy(site).await?;
    // A command that does nothing.
    let deaf = LabelChanged::of(HTTPD.service, "rollover.exec", "true");
    let broken = deaf.inject(stage.lab()).await?;
    let traffic = stage.traffic(site).await?;
    let once = site.renew(&[]).await?;
    let errors = once.errors().join("\n");
    let named = once.output.code == 1 && errors.contains(HTTPD.service);
    stage.check(named, Kind::Accepted, || {
        format!(
            "expected exit code 1 and {} to be named, found {once}",
            HTTPD.service
        )
    });
    let served = site.seen().await?;
    let new = stage.one_certificate(&served).unwrap_or_default();
    let published = site.published()?;
    stage.check(new == published, Kind::Stale, || {
        format!("expected the other service to serve {published}, found {new}")
    });
    stage.nothing_lost(traffic.stop().await?);
    if stage.is_control() {
        let healed = healed(stage, site).await;
        broken.end().await?;
        return healed;
    }
    broken.end().await?;
    healed(stage, site).await
}

/// By the runner's own word, which rests on its probes: nobody else reaches these
/// replicas.
async fn healed(stage: &Stage<'_>, site: &Site<'_>) -> Result<(), SiteError> {
    let what = "every replica of both serve what is published";
    let deadline = stage.patience(TO_HEAL, CONTROLS);
    let served = site.status_until(what, deadline, |status| status.report.all_served);
    served.await?;
    Ok(())
}
