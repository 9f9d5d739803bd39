//! Labs for hands-on work, by the real binary.

use rollover_lab::lab::Lab;
use serde_json::{Value, json};

use super::{rollover_lab, traces::Traces};

#[tokio::test(flavor = "multi_thread")]
async fn a_lab_is_brought_up_used_and_taken_down() {
    let (code, up, stderr) = rollover_lab(&["up", "--nodes", "1", "--acme", "none", "--json"], "");
    assert_eq!(code, Some(0), "{stderr}");
    let up: Value = serde_json::from_str(&up).unwrap();
    let run = up["run"].as_str().unwrap();
    let traces = Traces::of(run);
    assert!(traces.are_whole(), "{traces:?}");

    // It has outlived the process that made it, also where another one reaps.
    let (code, reaped, stderr) = rollover_lab(&["reap", "--json"], "");
    assert_eq!(code, Some(0), "{stderr}");
    let reaped: Value = serde_json::from_str(&reaped).unwrap();
    let alive = reaped["alive"].as_array().unwrap();
    assert!(alive.iter().any(|it| it == run), "{reaped}");
    let standing = status(run).expect("the lab stands");
    assert_eq!(standing["life"], "kept");
    assert_eq!(standing["nodes"][0]["state"], "running");
    assert_eq!(standing["nodes"][0]["address"], up["nodes"][0]["address"]);

    let exec = |command: &[&str], input: &str| {
        let arguments = [&["exec", "--run", run, "node-1", "--"], command].concat();
        rollover_lab(&arguments, input)
    };
    let (code, stdout, stderr) = exec(&["sh", "-c", "cat; echo err >&2; exit 7"], "in\n");
    assert_eq!(
        (code, stdout.as_str(), stderr.as_str()),
        (Some(7), "in\n", "err\n")
    );
    let (code, _, stderr) = rollover_lab(&["exec", "--run", run, "node-9", "--", "true"], "");
    assert_eq!(code, Some(2));
    assert!(stderr.contains("it has node-1"), "{stderr}");

    // A handle to it can be dropped as often as one likes.
    let lab = Lab::attach(run).await.unwrap();
    assert_eq!(lab.nodes().len(), 1);
    lab.manager().docker().inspect_swarm().await.unwrap();
    lab.push("web").await.unwrap();
    drop(lab);
    assert!(status(run).is_some());

    let (code, removed, stderr) = rollover_lab(&["down", run, "--json"], "");
    assert_eq!(code, Some(0), "{stderr}");
    let removed: Value = serde_json::from_str(&removed).unwrap();
    assert_eq!(removed, json!({"removed": [run]}));
    assert_eq!(traces.left(), [""; 0]);
    assert!(status(run).is_none());
    let error = Lab::attach(run).await.expect_err("it is gone");
    assert!(error.to_string().contains(run), "{error}");
}

#[test]
#[ignore = "takes a whole scenario: ci/test --full runs it"]
fn a_run_leaves_its_lab_up_where_that_is_asked_for() {
    let (code, stdout, stderr) =
        rollover_lab(&["run", "nothing-due", "--nodes", "1", "--keep"], "");
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    let labs = standing();
    let kept = labs
        .iter()
        .find(|lab| stdout.contains(lab["run"].as_str().unwrap()));
    let kept = kept.unwrap_or_else(|| panic!("{stdout}"));
    assert_eq!(kept["life"], "kept");
    let run = kept["run"].as_str().unwrap();
    let traces = Traces::of(run);
    let services = [
        "exec", "--run", run, "node-1", "--", "docker", "service", "ls",
    ];
    let (_, services, _) = rollover_lab(&services, "");
    assert!(services.contains("patch_loadbalancer"), "{services}");
    let (code, _, stderr) = rollover_lab(&["down", run], "");
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(traces.left(), [""; 0]);
}

#[test]
fn a_lab_that_is_not_there_cannot_be_taken_down() {
    let (code, _, stderr) = rollover_lab(&["down", "nobody"], "");
    assert_eq!(code, Some(2));
    let named = stderr.contains("nobody") || stderr.contains("no lab stands");
    assert!(named, "{stderr}");
}

#[test]
fn scenarios_are_listed_as_one_document() {
    let (code, listed, stderr) = rollover_lab(&["run", "--list", "--json"], "");
    assert_eq!(code, Some(0), "{stderr}");
    let listed: Vec<Value> = serde_json::from_str(&listed).unwrap();
    let mut named = listed.iter().filter(|it| it["scenario"] == "nothing-due");
    let nothing_due = named.next().expect("it is listed");
    assert!(nothing_due["control"]["wrong"].is_string());
}

/// What `status` says of one run.
fn status(run: &str) -> Option<Value> {
    standing().into_iter().find(|lab| lab["run"] == run)
}

/// What `status` says of all.
fn standing() -> Vec<Value> {
    let (code, stdout, stderr) = rollover_lab(&["status", "--json"], "");
    assert_eq!(code, Some(0), "{stderr}");
    serde_json::from_str(&stdout).unwrap()
}
