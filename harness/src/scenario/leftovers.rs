//! What a runner that was killed has left.

use super::{Control, Kind, Parameters, Scenario, Stage};
use crate::site::{Site, SiteError};

/// A certbot container of an earlier runner: one that has ended is removed, one
/// that still runs is waited for, because two at once would spend an authority's
/// limits twice.
pub(super) const SCENARIO: Scenario = Scenario {
    name: "leftovers",
    about: "A certbot container of an earlier runner is waited for while it runs, and removed \
            when it has ended.",
    control: Control {
        wrong: "the containers do not say that they are the runner's",
        found_by: &[Kind::LeftBehind],
    },
    parameters: Parameters::with_certbot,
    play: |stage| Box::pin(play(stage)),
};

async fn play(stage: &Stage<'_>) -> Result<(), SiteError> {
    let site = stage.site().await?;
    let ended = left(stage, &site, "0").await?;
    let running = left(stage, &site, "4").await?;
    let once = site.once(&[]).await?;
    let said = once.output.stderr.clone();
    once.succeeded()?;
    let waited = "waiting for certbot, started by an earlier runner";
    stage.check(said.contains(waited), Kind::LeftBehind, || {
        format!("expected the runner to say {waited:?}, found:\n{said}")
    });
    for container in [ended, running] {
        let manager = stage.lab().manager();
        let there = manager.exec(&["docker", "inspect", &container]).await?;
        stage.check(!there.success(), Kind::LeftBehind, || {
            format!("expected the container {container} to be removed, found it")
        });
        if there.success() {
            let remove = ["docker", "rm", "--force", &container];
            manager.exec(&remove).await?.succeeded("docker rm")?;
        }
    }
    Ok(())
}

/// A container such as the engine makes, that ends after `seconds`.
async fn left(stage: &Stage<'_>, site: &Site<'_>, seconds: &str) -> Result<String, SiteError> {
    let whose = if stage.is_control() {
        "nobody"
    } else {
        "certbot"
    };
    let engine = format!("rollover.engine={whose}");
    let name = format!("rollover.certificate={}", site.options().domain);
    let run = [
        "docker",
        "run",
        "--detach",
        "--label",
        &engine,
        "--label",
        &name,
        "--entrypoint",
        "sleep",
        "registry:5000/certbot:latest",
        seconds,
    ];
    let output = stage.lab().manager().exec(&run).await?;
    Ok(output.succeeded("docker run")?.stdout.trim().to_owned())
}
