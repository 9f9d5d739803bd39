//! A rollout whose first replica cannot start.

use std::time::Duration;

use super::{Control, Kind, Parameters, Scenario, Stage};
use crate::lab::wait::until;
use crate::site::{Site, SiteError, SiteOptions, Strategy};

/// The first replica that fails stops a rollout; what it failed by is told, and no
/// attempt takes another one. Put right, the rollout goes on.
pub(super) const SCENARIO: Scenario = Scenario {
    name: "stopped-rollout",
    about: "Secrets are put where the server does not look, so the first replica fails: the \
            rollout stops there, its error has the task's own words, the other replicas serve \
            on, and it goes on when the label is right again.",
    control: Control {
        wrong: "the server does look there",
        found_by: &[Kind::Accepted],
    },
    parameters: || Parameters {
        strategy: Strategy::Secret,
        ..Parameters::default()
    },
    play: |stage| Box::pin(play(stage)),
};

const RIGHT: &str = "/run/secrets/NAME/fullchain.pem";
const WRONG: &str = "/run/secrets/elsewhere/NAME/fullchain.pem";
/// Three replicas one after the other.
const TO_MEND: Duration = Duration::from_secs(300);

async fn play(stage: &Stage<'_>) -> Result<(), SiteError> {
    stage.empty().await?;
    let options = SiteOptions {
        restart_delay: "1s".to_owned(),
        ..stage.options()?
    };
    let site = stage.site_with(options).await?;
    site.settle().await?;
    let tasks = ids(&site).await?;
    path(&site, if stage.is_control() { RIGHT } else { WRONG }).await?;
    let said = first_failure(stage, &site).await?;
    if stage.is_control() {
        return Ok(());
    }
    for expected in [
        "rollout by secret: the update ended as paused",
        "is failed: starting: task: non-zero exit (1)",
    ] {
        stage.check(said.contains(expected), Kind::Unclear, || {
            format!("expected {expected:?}, found: {said}")
        });
    }
    let again = site.once(&[]).await?;
    let told = again.errors().join("\n");
    let stuck = "swarm has stopped an update (paused";
    stage.check(told.contains(stuck), Kind::Unclear, || {
        format!("expected {stuck:?}, found: {told}")
    });
    let left = ids(&site).await?;
    let untouched = left.iter().filter(|task| tasks.contains(task)).count();
    stage.check(untouched + 1 == tasks.len(), Kind::Touched, || {
        format!("expected all but one of {tasks:?} to run on, found {left:?}")
    });
    path(&site, RIGHT).await?;
    let what = "the rollout go on";
    Ok(until(what, TO_MEND, async || mended(&site).await).await?)
}

/// What is said of the first attempt, whoever makes it: the daemon, woken by the
/// change, or a run by hand, which may come after it.
async fn first_failure(stage: &Stage<'_>, site: &Site<'_>) -> Result<String, SiteError> {
    let once = site.once(&[]).await?;
    stage.check(once.output.code == 1, Kind::Accepted, || {
        format!("expected exit code 1, found {once}")
    });
    let log = site.runner().logs().await?;
    Ok(format!("{}\n{log}", once.errors().join("\n")))
}

async fn ids(site: &Site<'_>) -> Result<Vec<String>, SiteError> {
    let running = site.load_balancer().running().await?;
    Ok(running.into_iter().map(|task| task.id).collect())
}

async fn mended(site: &Site<'_>) -> Result<(), String> {
    let failed = site.settled().await?;
    if !failed.is_empty() {
        return Err(failed.join("; "));
    }
    site.served().await.map(drop)
}

async fn path(site: &Site<'_>, path: &str) -> Result<(), SiteError> {
    let label = format!("rollover.path={path}");
    Ok(site
        .load_balancer()
        .update(&["--label-add", &label])
        .await?)
}
