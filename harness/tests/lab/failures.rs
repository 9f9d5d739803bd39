//! What a test that fails leaves behind.

use std::{env, fs, path::Path, process::Command};

use super::small;

/// How [`fail_with_a_lab`] shall fail; set by [`leaves_its_bundle`], and by nobody else.
const FAILS: &str = "LAB_TEST_FAILS";

#[test]
fn a_test_that_panics_leaves_its_bundle() {
    leaves_its_bundle("panic");
}

#[test]
fn a_test_that_returns_early_leaves_its_bundle() {
    leaves_its_bundle("return");
}

/// As a test of somebody else's would.
#[tokio::test]
async fn fail_with_a_lab() -> Result<(), String> {
    let Ok(how) = env::var(FAILS) else {
        return Ok(());
    };
    let _lab = small().start().await.map_err(|error| error.to_string())?;
    assert!(how != "panic", "on purpose");
    Err("on purpose".to_owned())
}

fn leaves_its_bundle(how: &str) {
    let scratch = tempfile::tempdir().unwrap();
    let failed = Command::new(env::current_exe().unwrap())
        .args(["--exact", "failures::fail_with_a_lab"])
        .env(FAILS, how)
        .env("ROLLOVER_LAB_FAILURES", scratch.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&failed.stdout).into_owned();
    assert!(!failed.status.success(), "{said}");
    assert!(said.contains("on purpose"), "{said}");

    let bundles = fs::read_dir(scratch.path()).unwrap();
    let bundles: Vec<_> = bundles.map(|entry| entry.unwrap().path()).collect();
    let [bundle] = &bundles[..] else {
        panic!("expected one bundle, found {bundles:?}: {said}");
    };
    assert!(said.contains(&bundle.display().to_string()), "{said}");
    let name = bundle.file_name().unwrap().to_string_lossy();
    assert!(name.starts_with("failures--fail_with_a_lab-"), "{name}");
    is_whole(bundle);
}

fn is_whole(bundle: &Path) {
    let read = |file: &str| {
        let text = fs::read_to_string(bundle.join(file));
        text.unwrap_or_else(|error| panic!("{file}: {error}"))
    };
    assert!(read("node-1.log").contains("level="));
    assert!(read("nodes.txt").contains("node-1"));
    for file in [
        "containers.txt",
        "timeline.txt",
        "journal.json",
        "certificates.txt",
    ] {
        read(file);
    }
}
