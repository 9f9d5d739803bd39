//! A stack with everything wrong, as `rollover check` finds it.

use std::time::Duration;

use super::changed_stack::Beside;
use super::check_clean::{LOAD_BALANCER, expect};
use super::{Control, Kind, Parameters, Scenario, Stage};
use crate::site::{Site, SiteError};

/// What is wrong is found by its code, and nothing else is.
pub(super) const SCENARIO: Scenario = Scenario {
    name: "check/bad",
    about: "rollover check finds each fault of a stack full of them by its code, no other, and \
            nothing in the sound service beside it.",
    control: Control {
        wrong: "one of the faults is mended (nginx is stopped by SIGQUIT)",
        found_by: &[Kind::Preflight],
    },
    parameters: Parameters::default,
    play: |stage| Box::pin(play(stage)),
};

const STACK: &str = "bad";
const FAULTS: [(&str, &[&str]); 4] = [
    (
        "bad_one",
        &[
            "RO102", "RO104", "RO201", "RO202", "RO205", "RO206", "RO302", "RO401", "RO502",
        ],
    ),
    ("bad_four", &["RO302"]),
    ("bad_three", &["RO001", "RO101", "RO203", "RO204", "RO302"]),
    (
        "bad_two",
        &[
            "RO103", "RO105", "RO106", "RO107", "RO203", "RO204", "RO301", "RO302",
        ],
    ),
];
/// Images are there already, and nothing of it is slow.
const TO_START: Duration = Duration::from_secs(120);

async fn play(stage: &Stage<'_>) -> Result<(), SiteError> {
    let site = stage.site().await?;
    let looked = look(stage, &site).await;
    stage.lab().remove_stack(STACK).await?;
    looked
}

async fn look(stage: &Stage<'_>, site: &Site<'_>) -> Result<(), SiteError> {
    let control = stage.is_control();
    let stack = &site.options().stack;
    let file = if control {
        Beside::write(stack, ".check-bad.yml", |_| mended())?
    } else {
        Beside::write(stack, ".check-bad.yml", |_| BAD.to_owned())?
    };
    let image = ("LOADBALANCER_IMAGE", "registry:5000/loadbalancer:latest");
    stage.lab().deploy(file.path(), STACK, &[image]).await?;
    for (service, _) in FAULTS {
        stage.lab().service(service).converged(TO_START).await?;
    }
    let check = site.check().await?;
    for (service, codes) in FAULTS {
        expect(stage, &check, service, codes);
    }
    expect(stage, &check, LOAD_BALANCER, &[]);
    let code = check.output.code;
    stage.check(code == 1, Kind::Preflight, || {
        format!("expected exit code 1, found {code}")
    });
    Ok(())
}

const BAD: &str = include_str!("check_bad.yml");

fn mended() -> String {
    BAD.replacen("stop_signal: SIGTERM", "stop_signal: SIGQUIT", 1)
}

#[cfg(test)]
mod tests {
    use super::{BAD, FAULTS};
    use crate::gate::lint_text;

    /// So that the two sources of facts cannot drift apart: of what is found in the
    /// swarm, the file alone tells the same, or that it cannot.
    #[test]
    fn the_lint_of_the_file_finds_the_same_as_far_as_a_file_can_tell() {
        let image = |_: &str| Some("loadbalancer".to_owned());
        let linted = lint_text("bad.yml", BAD, &image).unwrap();
        let mut told = Vec::new();
        for (service, in_the_swarm) in FAULTS {
            let key = service.strip_prefix("bad_").unwrap();
            let mut services = linted.services.iter();
            let checked = services.find(|it| it.service == key).unwrap();
            let found: Vec<&str> = checked.findings.iter().map(|it| it.code).collect();
            let is_known = |code: &&str| !checked.not_known.iter().any(|it| it.code == *code);
            let expected: Vec<&str> = in_the_swarm.iter().copied().filter(is_known).collect();
            assert_eq!(found, expected, "{checked}");
            if !found.is_empty() {
                told.push(format!("{key}: {}", found.join(" ")));
            }
        }
        // And of these no file may say that it cannot tell.
        insta::assert_snapshot!(told.join("\n"), @r"
        one: RO102 RO104 RO302 RO401
        three: RO001 RO101 RO302
        two: RO105 RO106 RO107 RO301
        ");
    }
}
