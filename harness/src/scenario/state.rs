//! What the runner keeps in the swarm's store, read after a restart, and left alone
//! where it cannot be read.

use std::time::Duration;

use super::{Control, Kind, Parameters, Scenario, Stage};
use crate::lab::wait::until;
use crate::site::{Site, SiteError};
use crate::volume::MOUNT_POINT;

/// A record that is damaged, and one of a newer version.
pub(super) const SCENARIO: Scenario = Scenario {
    name: "state",
    about: "What is remembered of a certificate is damaged, then written by a newer version. Each \
            is said, with what to do, and left as it is, and the runner goes on. A volume without \
            the certificate that was issued is a fault, and nothing is ordered.",
    control: Control {
        wrong: "the record is mended before the runner looks",
        found_by: &[Kind::Unclear],
    },
    parameters: Parameters::default,
    play: |stage| Box::pin(play(stage)),
};

/// Where the certificate is put out of the runner's sight.
const AWAY: &str = ".away";
/// Replicas drain, start and become healthy.
const TO_SCALE: Duration = Duration::from_secs(120);

/// A record in which nothing is kept.
const WELL: &str = r#"{"schema":1,"by":"the lab","record":{"failing":null,"issued":null}}"#;
const DAMAGED: &str = r#"{"schema":1,"by":"the lab","record":{"issued":"yesterday"}}"#;
const NEWER: &str = r#"{"schema":99,"by":"the lab","record":{}}"#;

async fn play(stage: &Stage<'_>) -> Result<(), SiteError> {
    let site = stage.site().await?;
    let kept = site.state(&site.state_object()).await?.unwrap_or_default();
    stage.check(kept.contains("fingerprint"), Kind::LeftBehind, || {
        format!("expected the issued certificate to be kept, found {kept:?}")
    });
    unreadable(stage, &site, DAMAGED, "cannot be read").await?;
    unreadable(
        stage,
        &site,
        NEWER,
        "written by a newer Rollover (schema 99",
    )
    .await?;
    site.write_state(&site.state_object(), &kept).await?;
    if stage.is_control() {
        return Ok(());
    }
    emptied(stage, &site).await
}

/// The volume has lost the certificate, and no replica is left that serves it: only
/// the record knows that it was issued.
async fn emptied(stage: &Stage<'_>, site: &Site<'_>) -> Result<(), SiteError> {
    let _step = stage.step("the volume is empty, and no replica serves");
    scale(site, 0).await?;
    let domain = &site.options().domain;
    moved(site, domain, AWAY).await?;
    let once = site.once(&[]).await?;
    let errors = once.errors().join("\n");
    let told = once.output.code == 1 && errors.contains("is the right volume mounted?");
    stage.check(told, Kind::Unclear, || {
        format!("expected exit code 1 and the question for the volume, found {once}: {errors}")
    });
    let published = site
        .lab()
        .volume()
        .certificates()
        .exists(format!("live/{domain}"))?;
    stage.check(!published, Kind::Touched, || {
        format!("expected nothing to be published, found live/{domain}")
    });
    moved(site, AWAY, domain).await?;
    scale(site, stage.parameters().replicas).await?;
    site.serving().await?;
    Ok(())
}

async fn scale(site: &Site<'_>, replicas: u8) -> Result<(), SiteError> {
    let (service, wanted) = (site.load_balancer(), replicas.to_string());
    service.update(&["--replicas", &wanted]).await?;
    until("the replicas be as wanted", TO_SCALE, async || {
        let running = service.running().await.map_err(|error| error.to_string())?;
        let as_wanted = running.len() == usize::from(replicas);
        as_wanted
            .then_some(())
            .ok_or_else(|| format!("{} run", running.len()))
    })
    .await?;
    Ok(())
}

/// Renames a certificate's directory under `live/`.
async fn moved(site: &Site<'_>, from: &str, to: &str) -> Result<(), SiteError> {
    let (from, to) = (
        format!("{MOUNT_POINT}/live/{from}"),
        format!("{MOUNT_POINT}/live/{to}"),
    );
    let output = site.lab().manager().exec(&["mv", &from, &to]).await?;
    output.succeeded("mv")?;
    Ok(())
}

/// A record that cannot be read is told, and left.
async fn unreadable(
    stage: &Stage<'_>,
    site: &Site<'_>,
    record: &str,
    expected: &str,
) -> Result<(), SiteError> {
    let _step = stage.step(format!("a record that is {expected}"));
    let object = site.state_object();
    let record = if stage.is_control() { WELL } else { record };
    site.write_state(&object, record).await?;
    let once = site.once(&[]).await?;
    let errors = once.errors().join("\n");
    let told = once.output.code == 1 && errors.contains(expected) && errors.contains(&object);
    stage.check(told, Kind::Unclear, || {
        format!("expected exit code 1 and {expected:?} with {object}, found {once}: {errors}")
    });
    let after = site.state(&object).await?;
    let left = stage.is_control() || after.as_deref() == Some(record);
    stage.check(left, Kind::Touched, || {
        format!("expected the record to be left as {record}, found {after:?}")
    });
    Ok(())
}
