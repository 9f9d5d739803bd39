//! A person goes back to the secrets of before.

use std::time::Duration;

use super::drift::scale;
use super::{Control, Kind, Parameters, Scenario, Stage};
use crate::lab::wait::until;
use crate::site::{Site, SiteError, SiteOptions, Strategy};

/// The secrets of the version before are there for `docker service rollback`.
pub(super) const SCENARIO: Scenario = Scenario {
    name: "secret-rollback",
    about: "After a renewal by secret a person stops the runner and goes back by `docker service \
            rollback`: every replica serves the certificate of before. Started again, the runner \
            brings the new one back.",
    control: Control {
        wrong: "the secrets of the version before are gone",
        found_by: &[Kind::Stale],
    },
    parameters: || Parameters {
        strategy: Strategy::Secret,
        ..Parameters::default()
    },
    play: |stage| Box::pin(play(stage)),
};

/// Three replicas one after the other.
const TO_GO: Duration = Duration::from_secs(180);
/// Longer than all of them take.
const CONTROLS: Duration = Duration::from_secs(60);

async fn play(stage: &Stage<'_>) -> Result<(), SiteError> {
    stage.empty().await?;
    let options = SiteOptions {
        restart_delay: "1s".to_owned(),
        ..stage.options()?
    };
    let site = stage.site_with(options).await?;
    site.settle().await?;
    let before = site.published()?;
    site.renew(&[]).await?.succeeded()?;
    let new = site.published()?;
    scale(&site, "0").await?;
    if stage.is_control() {
        forget(&site, &before).await?;
    }
    let step = stage.step("a person goes back");
    let back = [
        "docker",
        "service",
        "rollback",
        "--detach",
        "patch_loadbalancer",
    ];
    let output = site.lab().manager().exec(&back).await?;
    output.succeeded(&back.join(" "))?;
    let gone = serve(&site, &before, stage.patience(TO_GO, CONTROLS)).await;
    drop(step);
    if let Err(why) = gone {
        stage.found(Kind::Stale, why.to_string());
        // A rollback that does not end is no ground for what comes next.
        return stage.empty().await;
    }
    scale(&site, "1").await?;
    let _step = stage.step("the runner brings the new one back");
    serve(&site, &new, TO_GO).await
}

/// Removes the secrets of that version, which no service names now.
async fn forget(site: &Site<'_>, version: &str) -> Result<(), SiteError> {
    for secret in site.secrets().await? {
        if secret.fingerprint == version {
            let remove = ["docker", "secret", "rm", &secret.name];
            let output = site.lab().manager().exec(&remove).await?;
            output.succeeded("docker secret rm")?;
        }
    }
    Ok(())
}

/// Until swarm's update is over, too, which is told as rolled back here.
async fn serve(site: &Site<'_>, version: &str, deadline: Duration) -> Result<(), SiteError> {
    site.serves(version, deadline).await?;
    let over = until("the update end", deadline, async || {
        site.settled().await.map(drop)
    });
    Ok(over.await?)
}
