//! From certbot to the runner's own engine.

use std::path::Path;

use super::readers::read_meanwhile;
use super::{Control, Kind, Parameters, Scenario, Stage};
use crate::site::{Engine, Site, SiteError, SiteOptions};
use crate::volume::Volume;

/// What certbot has made is renewed by the engine `acme`, on GlusterFS, which cannot
/// exchange a directory for a link.
pub(super) const SCENARIO: Scenario = Scenario {
    name: "taken-over",
    about: "A site whose certificate certbot has obtained is deployed with the engine acme: every \
            replica serves what that renews, twice in a row, from the same paths. Whoever reads \
            combined.pem meanwhile, or opens the directory once, on another node, finds the old \
            pair or the new one.",
    control: Control {
        wrong: "the site stays with certbot",
        found_by: &[Kind::LeftBehind],
    },
    parameters: || Parameters {
        volume: Volume::Gluster,
        ..Parameters::default()
    },
    play: |stage| Box::pin(play(stage)),
};

/// Key and chain in one file, which certbot does not make.
const FILES: [&str; 3] = ["combined.pem", "fullchain.pem", "privkey.pem"];

async fn play(stage: &Stage<'_>) -> Result<(), SiteError> {
    stage.empty().await?;
    let with = |engine| {
        let options = stage.options()?;
        Ok::<_, SiteError>(SiteOptions { engine, ..options })
    };
    let mut site = stage.site_with(with(Engine::Certbot)?).await?;
    if !stage.is_control() {
        site = stage.site_with(with(Engine::Acme)?).await?;
    }
    read_meanwhile(stage, &site, async {
        {
            let _step = stage.step("the first renewal, with readers in a loop");
            renewed(stage, &site).await?;
        }
        let _step = stage.step("the second renewal, with readers in a loop");
        renewed(stage, &site).await
    })
    .await?;
    let files = stage.lab().volume().certificates();
    let live = Path::new("live").join(&site.options().domain);
    for file in FILES {
        let there = files.exists(live.join(file))?;
        stage.check(there, Kind::LeftBehind, || {
            format!("expected {file} in {}, found none", live.display())
        });
    }
    Ok(())
}

async fn renewed(stage: &Stage<'_>, site: &Site<'_>) -> Result<(), SiteError> {
    let before = stage.one_certificate(&site.seen().await?);
    let force = ["--force", &site.options().domain];
    site.once(&force).await?.succeeded()?;
    let after = stage.one_certificate(&site.serving().await?);
    let published = site.published()?;
    let renewed = after != before && after.as_ref() == Some(&published);
    stage.check(renewed, Kind::Stale, || {
        format!("expected {published} after {before:?}, found {after:?}")
    });
    Ok(())
}
