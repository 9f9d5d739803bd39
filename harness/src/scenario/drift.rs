//! A replica that falls back, long after the rollout is over.

use std::collections::BTreeSet;
use std::time::Duration;

use bollard::models::TaskState;

use super::{Control, Kind, Parameters, Scenario, Stage};
use crate::lab::Task;
use crate::lab::wait::until;
use crate::site::{Serves, Site, SiteError};
use crate::volume::MOUNT_POINT;

/// A replica that comes to serve an older certificate, with nothing to renew
/// and nobody asking, is found by the daemon's own look and mended.
pub(super) const SCENARIO: Scenario = Scenario {
    name: "drift",
    about: "A replica loads an older certificate, as after a restart over a volume that was \
            behind. Nothing is due and nobody runs a command: the daemon finds and mends it, and \
            no task is replaced.",
    control: Control {
        wrong: "the runner does not run, and so nobody mends it",
        found_by: &[Kind::Stale],
    },
    parameters: Parameters::with_certbot,
    play: |stage| Box::pin(play(stage)),
};

/// The daemon looks once a minute; then a rollout.
const DEADLINE: Duration = Duration::from_secs(120);
/// Longer than from one look to the next.
const CONTROLS: Duration = Duration::from_secs(75);
const TO_RELOAD: Duration = Duration::from_secs(30);
const TO_STOP: Duration = Duration::from_secs(60);

async fn play(stage: &Stage<'_>) -> Result<(), SiteError> {
    let site = stage.site().await?;
    let before = renewed(stage, &site).await?;
    let new = stage.one_certificate(&before).unwrap_or_default();
    if stage.is_control() {
        scale(&site, "0").await?;
    }
    fall_back(stage, &site, &new).await?;
    let step = stage.step("a replica is behind, and nobody asks");
    let mended = site.serves(&new, stage.patience(DEADLINE, CONTROLS)).await;
    drop(step);
    if stage.is_control() {
        scale(&site, "1").await?;
    }
    if let Err(why) = mended {
        stage.found(Kind::Stale, why.to_string());
        return Ok(());
    }
    stage.untouched(&site, &before).await?;
    let status = site.status().await?;
    let well = status.output.code == 0 && status.report.all_served && status.all_are("serving");
    stage.check(well, Kind::Stale, || {
        format!("expected a status with every replica serving and exit code 0, found {status}")
    });
    Ok(())
}

/// The site after a renewal, so that there is an older version to fall back to.
async fn renewed(stage: &Stage<'_>, site: &Site<'_>) -> Result<Vec<Serves>, SiteError> {
    let _step = stage.step("a renewal");
    let _due = site.make_due().await?;
    site.once(&[]).await?.succeeded()?;
    site.serves(&site.published()?, TO_RELOAD).await
}

/// Has one replica load the version before, which the volume shows meanwhile.
async fn fall_back(stage: &Stage<'_>, site: &Site<'_>, new: &str) -> Result<(), SiteError> {
    let _step = stage.step("one replica loads the version before");
    let newest = site.versions()?;
    link(site, newest - 1).await?;
    let loaded = load_once(site, new).await;
    link(site, newest).await?;
    loaded
}

async fn load_once(site: &Site<'_>, new: &str) -> Result<(), SiteError> {
    let replica = site.load_balancer().replica(1).await?;
    let before = workers(&replica).await?;
    replica.kill("HUP").await?;
    until(
        "one replica serve the version before",
        TO_RELOAD,
        async || {
            // As long as one of them runs, it may answer in place of a new one.
            let now = workers(&replica).await.map_err(|error| error.to_string())?;
            if !before.is_disjoint(&now) {
                return Err("workers with the newest run yet".to_owned());
            }
            let served = site.served().await?;
            let behind = served.iter().any(|serves| serves.fingerprint != new);
            behind
                .then_some(())
                .ok_or("all serve the newest".to_owned())
        },
    )
    .await?;
    Ok(())
}

/// The processes of nginx's workers, as their master counts them.
async fn workers(replica: &Task) -> Result<BTreeSet<String>, SiteError> {
    let command = ["cat", "/proc/1/task/1/children"];
    let output = replica.exec(&command).await?;
    let output = output.succeeded(&command.join(" "))?;
    let workers = output.stdout.split_whitespace().map(str::to_owned);
    Ok(workers.collect())
}

/// Points the links under `live/` to a version, as certbot does.
async fn link(site: &Site<'_>, version: u32) -> Result<(), SiteError> {
    let domain = &site.options().domain;
    let script = format!(
        "cd {MOUNT_POINT}/live/{domain} && for file in cert chain fullchain privkey; do \
         ln -sfn ../../archive/{domain}/${{file}}{version}.pem $file.pem; done"
    );
    let output = site.lab().manager().exec(&["sh", "-c", &script]).await?;
    output.succeeded(&script)?;
    Ok(())
}

pub(super) async fn scale(site: &Site<'_>, replicas: &str) -> Result<(), SiteError> {
    site.runner().update(&["--replicas", replicas]).await?;
    if replicas != "0" {
        return Ok(());
    }
    until("the runner stop", TO_STOP, async || {
        // One that swarm means to stop still runs for a while, and mends.
        let tasks = site.runner().tasks().await.map_err(|it| it.to_string())?;
        let runs = tasks.iter().any(|task| task.state == TaskState::RUNNING);
        (!runs).then_some(()).ok_or("it runs".to_owned())
    })
    .await?;
    Ok(())
}
