//! From the runner's own engine back to certbot.

use std::path::Path;

use super::drift::scale;
use super::{Control, Kind, Parameters, Scenario, Stage};
use crate::site::{Engine, Site, SiteError, SiteOptions};
use crate::volume::MOUNT_POINT;

/// The way back, as docs/architecture.md has it.
pub(super) const SCENARIO: Scenario = Scenario {
    name: "gone-back",
    about: "A certificate that certbot has obtained, and the engine acme renewed, is pointed back \
            at certbot's files by the command of docs/architecture.md: certbot renews it, and \
            every replica serves that.",
    control: Control {
        wrong: "the engine is changed and nothing is pointed back",
        found_by: &[Kind::Runner],
    },
    parameters: Parameters::with_certbot,
    play: |stage| Box::pin(play(stage)),
};

const PAGE: &str = "docs/architecture.md";
/// How the line of the page begins that points it back.
const COMMAND: &str = "ln -s .NAME.before-N ";

async fn play(stage: &Stage<'_>) -> Result<(), SiteError> {
    stage.empty().await?;
    let by_certbot = stage.options()?;
    let by_acme = SiteOptions {
        engine: Engine::Acme,
        ..by_certbot.clone()
    };
    stage.site_with(by_certbot.clone()).await?;
    let site = stage.site_with(by_acme).await?;
    site.renew(&[]).await?.succeeded()?;
    scale(&site, "0").await?;
    if !stage.is_control() {
        point_back(stage, &site).await?;
    }
    let site = stage.site_with(by_certbot).await?;
    let _step = stage.step("certbot renews it again");
    let before = site.published()?;
    let once = site.once(&["--force", &site.options().domain]).await?;
    if let Err(failed) = once.succeeded() {
        stage.found(Kind::Runner, failed.to_string());
        return stage.empty().await;
    }
    let served = stage.one_certificate(&site.serving().await?);
    let published = site.published()?;
    let renewed = published != before && served.as_ref() == Some(&published);
    stage.check(renewed, Kind::Stale, || {
        format!("expected {published}, not {before}, on all, found {served:?}")
    });
    let combined = Path::new("live").join(&site.options().domain);
    let combined = combined.join("combined.pem");
    let there = stage.lab().volume().certificates().exists(&combined)?;
    stage.check(!there, Kind::LeftBehind, || {
        format!(
            "expected certbot's own directory, found {}",
            combined.display()
        )
    });
    stage.empty().await
}

async fn point_back(stage: &Stage<'_>, site: &Site<'_>) -> Result<(), SiteError> {
    let text = site.options().page(PAGE)?;
    let Some(command) = text.lines().find(|line| line.starts_with(COMMAND)) else {
        stage.found(Kind::Lab, format!("expected {COMMAND:?} in {PAGE}"));
        return Ok(());
    };
    let domain = &site.options().domain;
    let live = stage.lab().volume().certificates().list("live")?;
    let before = live.into_iter().map(|entry| entry.name);
    let mut before = before.filter(|name| name.starts_with(&format!(".{domain}.before-")));
    let Some(before) = before.next() else {
        stage.found(
            Kind::LeftBehind,
            "expected certbot's directory beside, found none",
        );
        return Ok(());
    };
    let command = command.replace(".NAME.before-N", &before);
    let command = command.replace("NAME", domain);
    let script = format!("cd {MOUNT_POINT}/live && {command}");
    let output = stage.lab().manager().exec(&["sh", "-c", &script]).await?;
    Ok(output.succeeded(&script).map(drop)?)
}
