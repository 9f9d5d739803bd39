//! What only a look into replicas can tell is looked for before a rollout.

use super::check_clean::{LOAD_BALANCER, gone};
use super::{Control, Kind, Parameters, Scenario, Stage};
use crate::site::{SiteError, SiteOptions};

/// It is said by whoever rolls out, unasked.
pub(super) const SCENARIO: Scenario = Scenario {
    name: "check/before",
    about: "Before a certificate is rolled out its replicas are looked into: that nginx runs \
            without keepalive_min_timeout is said, though no file that the runner sees tells of it.",
    control: Control {
        wrong: "nginx runs with it",
        found_by: &[Kind::Preflight],
    },
    parameters: Parameters::default,
    play: |stage| Box::pin(play(stage)),
};

const CODE: &str = "RO204";

async fn play(stage: &Stage<'_>) -> Result<(), SiteError> {
    let mut options = stage.options()?;
    if !stage.is_control() {
        options = SiteOptions {
            keepalive_min_timeout: "0".to_owned(),
            ..options
        };
    }
    let site = stage.site_with(options).await?;
    let domain = site.options().domain.clone();
    let report = site.once(&["--force", &domain]).await?.succeeded()?;
    let mut findings = report.preflight.iter();
    let told = findings.any(|it| it.code == CODE && it.service == LOAD_BALANCER);
    stage.check(told, Kind::Preflight, || {
        format!(
            "expected {CODE} of {LOAD_BALANCER}, found {:?}",
            report.preflight
        )
    });
    stage.one_certificate(&site.seen().await?);
    gone(stage, &site).await
}
