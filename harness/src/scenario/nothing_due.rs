//! Nothing is due.

use jiff::Timestamp;

use super::{Control, Kind, Parameters, Scenario, Stage};
use crate::clock;
use crate::lab::What;
use crate::site::{Engine, Site, SiteError};

/// Where nothing is due, nothing is touched.
pub(super) const SCENARIO: Scenario = Scenario {
    name: "nothing-due",
    about: "Where nothing is due, nothing is touched: the same tasks, no job, exit code 0.",
    control: Control {
        wrong: "the certificate is renewed all the same",
        found_by: &[Kind::Touched],
    },
    parameters: Parameters::default,
    play: |stage| Box::pin(play(stage)),
};

/// The job by which a rollout by signal is done.
pub(super) const SIGNAL_JOB: &str = "rollover-signal-patch_loadbalancer";

async fn play(stage: &Stage<'_>) -> Result<(), SiteError> {
    let site = stage.site().await?;
    let before = site.seen().await?;
    let since = clock::now();

    let by_exit_code = ["--detailed-exit-code"];
    let once = if stage.is_control() {
        site.renew(&by_exit_code).await?
    } else {
        site.once(&by_exit_code).await?
    };
    stage.check(once.output.code == 0, Kind::Touched, || {
        format!("expected exit code 0 (nothing to do), found {once}")
    });
    stage.check(rolled_out_nothing(&once), Kind::Touched, || {
        format!("expected no rollout, found {once}")
    });
    stage.untouched(&site, &before).await?;
    planned(stage, &site).await?;
    let health = site.rollover(&["healthcheck"]).await?;
    stage.check(health.code == 0, Kind::Unclear, || {
        format!("expected a daemon in good health, found {health}")
    });
    no_job(stage, &site, since).await
}

/// `rollover plan --json` says that nothing is due, and until when; or that certbot is
/// to be asked, which alone knows it.
async fn planned(stage: &Stage<'_>, site: &Site<'_>) -> Result<(), SiteError> {
    let output = site.rollover(&["plan", "--json"]).await?;
    let plan: serde_json::Value = serde_json::from_str(&output.stdout).unwrap_or_default();
    let certificate = &plan["certificates"][0];
    let (step, expected) = match site.options().engine {
        Engine::Acme => (is_not_due(certificate), "do nothing until a time to come"),
        Engine::Certbot => (asks_certbot(certificate), "ask certbot whether it is due"),
    };
    let says = step
        && certificate["name"] == site.options().domain.as_str()
        && plan["rollouts"] == serde_json::json!([]);
    stage.check(output.code == 0 && says, Kind::Unclear, || {
        format!("expected a plan to {expected}, found {output}")
    });
    Ok(())
}

fn is_not_due(certificate: &serde_json::Value) -> bool {
    let until = certificate["why"]["not_due"]["until"].as_str();
    let until = until.and_then(|until| until.parse::<Timestamp>().ok());
    certificate["step"] == "nothing" && until.is_some_and(|until| until > clock::now())
}

fn asks_certbot(certificate: &serde_json::Value) -> bool {
    certificate["step"] == "issue" && certificate["why"] == "scheduled"
}

fn rolled_out_nothing(once: &crate::site::Once) -> bool {
    once.report.as_ref().is_some_and(|report| {
        report.rollouts.is_empty()
            && report
                .certificates
                .iter()
                .all(|certificate| certificate.outcome == "not_due")
    })
}

/// No job is there, and none was begun since. What is heard late, such as the
/// end of the job by which the stack came to serve, is told by its own time.
async fn no_job(stage: &Stage<'_>, site: &Site<'_>, since: Timestamp) -> Result<(), SiteError> {
    let there = site.lab().service(SIGNAL_JOB).exists().await?;
    let begun = site.lab().timeline().into_iter().find(|event| {
        event.service.as_deref() == Some(SIGNAL_JOB)
            && event.what == What::Started
            && event.at >= since
    });
    stage.check(!there && begun.is_none(), Kind::Touched, || {
        let begun = begun.map_or_else(|| "it is there".to_owned(), |event| event.to_string());
        format!("expected no job {SIGNAL_JOB}, found: {begun}")
    });
    Ok(())
}
