//! Labels and settings that are wrong.

use super::{Control, Kind, Parameters, Scenario, Stage};
use crate::site::{Site, SiteError};

/// A wrong label takes its service out, by name; a wrong setting ends with 2.
pub(super) const SCENARIO: Scenario = Scenario {
    name: "bad-input/labels",
    about: "A wrong label takes its service out and is named; a wrong setting is named and ends \
            with exit code 2.",
    control: Control {
        wrong: "label and settings are as they should be",
        found_by: &[Kind::Accepted],
    },
    parameters: Parameters::default,
    play: |stage| Box::pin(play(stage)),
};

/// Settings that are wrong, and what must be said of each.
const SETTINGS: [([&str; 2], &str); 7] = [
    (
        ["--schedule", "every night"],
        "--schedule / ROLLOVER_SCHEDULE: \"every night\" is not a schedule",
    ),
    (
        ["--time-zone", "Mars/Olympus"],
        "--time-zone / ROLLOVER_TIME_ZONE: \"Mars/Olympus\"",
    ),
    (
        ["--docker-host", "localhost"],
        "--docker-host / ROLLOVER_DOCKER_HOST: \"localhost\"",
    ),
    (
        ["--docker-host", "unix:///nowhere"],
        "cannot reach the Docker engine at unix:///nowhere",
    ),
    (
        ["--acme-directory", "nowhere"],
        "--acme-directory / ROLLOVER_ACME_DIRECTORY: \"nowhere\"",
    ),
    (
        ["--acme-ca-file", "/etc/other.pem"],
        "--acme-ca-file / ROLLOVER_ACME_CA_FILE",
    ),
    (
        ["--check-interval", "soon"],
        "expected a duration such as 30s",
    ),
];

async fn play(stage: &Stage<'_>) -> Result<(), SiteError> {
    let site = stage.site().await?;
    wrong_label(stage, &site).await?;
    if stage.is_control() {
        return Ok(());
    }
    for (arguments, expected) in SETTINGS {
        for command in ["run", "once", "plan"] {
            let output = site
                .rollover(&[&[command], &arguments[..]].concat())
                .await?;
            stage.check(output.code == 2, Kind::Accepted, || {
                format!("expected exit code 2 of {command} {arguments:?}, found {output}")
            });
            stage.check(output.stderr.contains(expected), Kind::Unclear, || {
                format!("expected {expected:?} of {command} {arguments:?}, found {output}")
            });
        }
    }
    Ok(())
}

async fn wrong_label(stage: &Stage<'_>, site: &Site<'_>) -> Result<(), SiteError> {
    let wrong = if stage.is_control() { "443" } else { "https" };
    label(site, &format!("rollover.probe={wrong}")).await?;
    let once = site.once(&[]).await;
    label(site, "rollover.probe=443").await?;
    let once = once?;
    stage.check(once.output.code == 1, Kind::Accepted, || {
        format!("expected exit code 1, found {once}")
    });
    let expected =
        "service patch_loadbalancer: label rollover.probe=\"https\": expected a TCP port";
    let errors = once.errors().join("\n");
    stage.check(errors.contains(expected), Kind::Unclear, || {
        format!("expected {expected:?}, found: {errors}")
    });
    Ok(())
}

async fn label(site: &Site<'_>, label: &str) -> Result<(), SiteError> {
    Ok(site.load_balancer().update(&["--label-add", label]).await?)
}
