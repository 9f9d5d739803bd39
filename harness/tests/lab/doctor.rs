//! What `doctor` says of this machine.

use std::process::Command;

use serde_json::Value;

use super::rollover_lab;

#[test]
fn a_machine_that_runs_these_tests_can_run_a_lab() {
    let (code, stdout, stderr) = rollover_lab(&["doctor", "--json"], "");
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    let diagnosis: Value = serde_json::from_str(&stdout).unwrap();
    let checks = diagnosis["checks"].as_array().unwrap();
    for name in [
        "engine",
        "local",
        "client",
        "containers",
        "addresses",
        "ports",
    ] {
        let check = checks.iter().find(|check| check["name"] == name);
        assert_eq!(check.expect(name)["verdict"], "ok", "{check:?}");
    }
    // Whatever is limited says what that means, and what to do.
    for check in checks.iter().filter(|check| check["verdict"] == "limited") {
        for field in ["found", "cannot", "advice"] {
            assert!(
                check[field].as_str().is_some_and(|text| !text.is_empty()),
                "{check}"
            );
        }
    }
    let (code, stdout, _) = rollover_lab(&["doctor"], "");
    assert_eq!(code, Some(0));
    assert!(stdout.ends_with("a lab can run here\n"), "{stdout}");
}

#[test]
fn without_an_engine_it_says_what_to_install_and_fails() {
    let output = Command::new(env!("CARGO_BIN_EXE_rollover-lab"))
        .arg("doctor")
        .env("DOCKER_HOST", "unix:///nowhere/docker.sock")
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{stdout}");
    assert!(stdout.contains("MISSING  engine"), "{stdout}");
    assert!(stdout.contains("apt-get install docker.io"), "{stdout}");
}
