//! An update that somebody else has begun.

use std::time::Duration;

use super::disturbed::HURRY;
use super::{Control, Kind, Parameters, Scenario, Stage};
use crate::lab::wait::until;
use crate::site::{Site, SiteError, SiteOptions, Strategy};

/// A restart is begun over no other update, which would put an end to that; it
/// follows it.
pub(super) const SCENARIO: Scenario = Scenario {
    name: "other-update",
    about: "Somebody updates the load balancer while its certificate is renewed: the restart \
            waits for the end of that, says so, and follows by itself.",
    control: Control {
        wrong: "the update starts what does not run, and swarm gives it up",
        found_by: &[Kind::Stuck],
    },
    parameters: || Parameters {
        strategy: Strategy::Restart,
        ..Parameters::default()
    },
    play: |stage| Box::pin(play(stage)),
};

const TO_BEGIN: Duration = Duration::from_secs(20);
/// What is left of the update, a look, and a restart of three replicas.
const TO_FOLLOW: Duration = Duration::from_secs(240);
/// Long enough to see that nothing follows.
const CONTROLS: Duration = Duration::from_secs(30);

async fn play(stage: &Stage<'_>) -> Result<(), SiteError> {
    stage.empty().await?;
    let options = SiteOptions {
        restart_delay: "2s".to_owned(),
        ..stage.options()?
    };
    let site = stage.site_with(options).await?;
    site.runner().update(&HURRY).await?;
    site.settle().await?;
    let traffic = stage.traffic(&site).await?;
    let followed = followed(stage, &site).await;
    let record = traffic.stop().await?;
    stage.figure("requests lost", record.lost() as f64, "requests");
    stage.record(record);
    if stage.is_control() {
        // The update that was given up would be in the way of what comes next.
        stage.empty().await?;
    }
    followed
}

async fn followed(stage: &Stage<'_>, site: &Site<'_>) -> Result<(), SiteError> {
    let load_balancer = site.load_balancer();
    let mut update = vec!["--env-add", "CHANGED=1", "--update-delay", "5s"];
    if stage.is_control() {
        update.extend(["--entrypoint", "false"]);
    }
    load_balancer.update(&update).await?;
    load_balancer.updating(TO_BEGIN).await?;
    let once = site.renew(&[]).await?;
    if !stage.is_control() {
        waits(stage, site, &once.output.stdout).await?;
    }
    let _step = stage.step("the restart follows by itself");
    let deadline = stage.patience(TO_FOLLOW, CONTROLS);
    let served = until(
        "every replica serve the new certificate",
        deadline,
        async || {
            let published = site.published().map_err(|error| error.to_string())?;
            let served = site.served().await?;
            match served.iter().find(|it| it.fingerprint != published) {
                Some(stale) => Err(format!("{published} is published, and {stale}")),
                None if site.settled().await?.is_empty() => Ok(served),
                None => Err("an update was given up".to_owned()),
            }
        },
    )
    .await?;
    stage.one_certificate(&served);
    let status = site.status().await?;
    stage.check(status.all_are("serving"), Kind::Unclear, || {
        format!("expected every replica to serve, found {status}")
    });
    Ok(())
}

/// That the rollout waits is no failure, and is told: by the run and by the status.
async fn waits(stage: &Stage<'_>, site: &Site<'_>, said: &str) -> Result<(), SiteError> {
    let waits = "the rollout waits for the end of another update";
    stage.check(said.contains(waits), Kind::Unclear, || {
        format!("expected {waits:?}, found: {said}")
    });
    let status = site.status().await?;
    stage.check(status.rollouts_are("after_update"), Kind::Unclear, || {
        format!("expected the rollout to wait for the other update, found {status}")
    });
    Ok(())
}
