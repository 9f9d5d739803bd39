//! What the runner keeps in the swarm's store, read after a restart, and left alone
//! where it cannot be read.

use super::{Control, Kind, Parameters, Scenario, Stage};
use crate::site::{Site, SiteError};

/// A record that is damaged, and one of a newer version.
pub(super) const SCENARIO: Scenario = Scenario {
    name: "state",
    about: "What is remembered of a certificate is damaged, then written by a newer version. Each \
            is said, with what to do, and left as it is, and the runner goes on. A volume without \
            the certificate that was issued is a fault, and nothing is ordered.",
    control: Control {
        wrong: "the record is mended before the runner looks",
        found_by: Kind::Unclear,
    },
    parameters: Parameters::default,
    play: |stage| Box::pin(play(stage)),
};

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
