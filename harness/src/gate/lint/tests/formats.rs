//! The forms that other programs read.

use serde_json::{Value, json};

use super::super::{github, junit, lint_text, sarif};
use super::{Linted, with};

/// One error, one warning, one that is allowed, and a comment that is wrong.
fn linted() -> Linted {
    let text = with(
        "replicas: 3",
        "replicas: 1 # rollover-lab: allow RO101 because there is one licence\n      \
         # rollover-lab: allow RO104",
    );
    let text = text.replace("monitor: 15s", "monitor: 5s");
    let text = text.replace("constraints: [node.role == manager]", "constraints: []");
    lint_text("a dir/stack, 1.yml", &text, &|_| None).unwrap()
}

#[test]
fn github_is_told_each_finding_on_a_line_of_its_own() {
    let told = github(&linted());
    let told: Vec<_> = told
        .lines()
        .filter(|it| !it.contains("not known"))
        .collect();
    insta::assert_snapshot!(told.join("\n"), @r"
    ::warning file=a dir/stack%2C 1.yml,line=23,col=9,title=RO104 monitor-too-short::service web: monitor is 5s, and the health check may need 15s to fail (3 × (2s + 3s))%0Awhy: a new replica that soon turns unhealthy no longer stops the update%0Ado: set monitor to 15s or more
    ::error file=a dir/stack%2C 1.yml,line=29,col=9,title=RO501 runner-not-on-manager::service web: service rollover has no constraint to managers%0Awhy: on a worker the runner cannot even start, and nothing is renewed%0Ado: add the constraint node.role == manager to it
    ::error file=a dir/stack%2C 1.yml,line=17,col=7,title=RL001 wrong-allowance::a comment that allows RO104 without a reason%0Awhy: it reads as if it allowed something, and allows nothing%0Ado: write allow CODE because REASON, with a code of docs/rules.md
    a dir/stack, 1.yml:16:7: allowed RO101: 1 replica, which is stopped before the next is started: there is one licence
    ");
}

#[test]
fn what_would_end_a_workflow_command_is_escaped() {
    let mut linted = linted();
    linted.services[0].findings[0].found = "100%\r\n::error::a".to_owned();
    let told = github(&linted);
    let found = "service web: 100%25%0D%0A::error::a%0Awhy: ";
    assert!(told.contains(found), "{told}");
    assert!(told.contains("file=a dir/stack%2C 1.yml,"), "{told}");
}

#[test]
fn sarif_has_each_finding_with_its_place() {
    let told: Value = serde_json::from_str(&sarif(&linted()).unwrap()).unwrap();
    assert_eq!(told["version"], "2.1.0");
    let run = &told["runs"][0];
    let results = run["results"].as_array().unwrap();
    let codes: Vec<_> = results.iter().map(|it| &it["ruleId"]).collect();
    assert_eq!(codes, ["RO104", "RO501", "RL001", "RO101"]);
    let suppressed: Vec<_> = results.iter().map(|it| &it["suppressions"]).collect();
    let reason = json!([{"kind": "inSource", "justification": "there is one licence"}]);
    assert_eq!(
        suppressed,
        [&Value::Null, &Value::Null, &Value::Null, &reason]
    );
    insta::assert_snapshot!(serde_json::to_string_pretty(&results[0]).unwrap(), @r#"
    {
      "level": "warning",
      "locations": [
        {
          "physicalLocation": {
            "artifactLocation": {
              "uri": "a%20dir/stack%2C%201.yml"
            },
            "region": {
              "startColumn": 9,
              "startLine": 23
            }
          }
        }
      ],
      "message": {
        "text": "service web: monitor is 5s, and the health check may need 15s to fail (3 × (2s + 3s))\nwhy: a new replica that soon turns unhealthy no longer stops the update\ndo: set monitor to 15s or more"
      },
      "ruleId": "RO104"
    }
    "#);
}

/// What the schema requires of the objects that are used.
#[test]
fn sarif_has_what_its_schema_requires() {
    let told: Value = serde_json::from_str(&sarif(&linted()).unwrap()).unwrap();
    let run = &told["runs"][0];
    let driver = &run["tool"]["driver"];
    assert_eq!(driver["name"], "rollover-lab");
    let rules = driver["rules"].as_array().unwrap();
    let known = |code: &Value| rules.iter().any(|rule| rule["id"] == *code);
    for result in run["results"].as_array().unwrap() {
        assert!(known(&result["ruleId"]), "{result}");
        assert!(result["message"]["text"].is_string(), "{result}");
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "a%20dir/stack%2C%201.yml");
        assert!(place["region"]["startLine"].as_u64() > Some(0), "{result}");
    }
    let invocation = &run["invocations"][0];
    assert_eq!(invocation["executionSuccessful"], true);
    let notifications = invocation["toolExecutionNotifications"].as_array().unwrap();
    for notification in notifications {
        assert!(notification["message"]["text"].is_string());
        assert!(known(&notification["descriptor"]["id"]), "{notification}");
    }
    assert!(!notifications.is_empty());
}

#[test]
fn junit_fails_for_errors_and_skips_what_is_allowed_or_not_known() {
    let told = junit(&linted()).unwrap();
    // Neither the cases that pass without a word, nor what no file can tell.
    let is_said = |line: &&str| !line.contains("looked into") && !is_fine(line);
    let told: Vec<_> = told.lines().filter(is_said).collect();
    insta::assert_snapshot!(told.join("\n"), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="rollover-lab gate lint" tests="23" skipped="9" failures="2" errors="0">
        <testsuite name="web" tests="21" skipped="9" errors="0" failures="1">
            <testcase name="RO101 single-replica" classname="rollover-lab.gate.lint">
                <skipped message="allowed: there is one licence"/>
            </testcase>
            <testcase name="RO104 monitor-too-short" classname="rollover-lab.gate.lint">
                <system-out>a dir/stack, 1.yml:23:9: warning: service web: monitor is 5s, and the health check may need 15s to fail (3 × (2s + 3s))
    why: a new replica that soon turns unhealthy no longer stops the update
    do: set monitor to 15s or more</system-out>
            </testcase>
            <testcase name="RO202 drain-cut-short" classname="rollover-lab.gate.lint">
            </testcase>
            <testcase name="RO203 no-worker-shutdown-timeout" classname="rollover-lab.gate.lint">
            </testcase>
            <testcase name="RO204 no-keepalive-min-timeout" classname="rollover-lab.gate.lint">
            </testcase>
            <testcase name="RO205 keepalive-outlasts-drain" classname="rollover-lab.gate.lint">
            </testcase>
            <testcase name="RO206 signal-not-passed-on" classname="rollover-lab.gate.lint">
            </testcase>
            <testcase name="RO301 node-local-certificates" classname="rollover-lab.gate.lint">
            </testcase>
            <testcase name="RO302 certificate-unreadable" classname="rollover-lab.gate.lint">
            </testcase>
            <testcase name="RO402 engine-cuts-connections" classname="rollover-lab.gate.lint">
                <skipped message="not known: which engines the nodes run"/>
            </testcase>
            <testcase name="RO501 runner-not-on-manager" classname="rollover-lab.gate.lint">
                <failure message="a dir/stack, 1.yml:29:9: error: service web: service rollover has no constraint to managers" type="RO501">a dir/stack, 1.yml:29:9: error: service web: service rollover has no constraint to managers
    why: on a worker the runner cannot even start, and nothing is renewed
    do: add the constraint node.role == manager to it</failure>
            </testcase>
        </testsuite>
        <testsuite name="the file" tests="2" skipped="0" errors="0" failures="1">
            <testcase name="RL001 wrong-allowance" classname="rollover-lab.gate.lint">
                <failure message="a dir/stack, 1.yml:17:7: error: a comment that allows RO104 without a reason" type="RL001">a dir/stack, 1.yml:17:7: error: a comment that allows RO104 without a reason
    why: it reads as if it allowed something, and allows nothing
    do: write allow CODE because REASON, with a code of docs/rules.md</failure>
            </testcase>
        </testsuite>
    </testsuites>
    "#);
}

fn is_fine(line: &str) -> bool {
    line.contains("<testcase") && line.ends_with("/>")
}
