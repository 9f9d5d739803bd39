//! What the pages say can be done: the commands exist, the scripts run, the
//! links lead somewhere. What the runner's own command line takes, its unit
//! tests see (`runner/src/cli/docs.rs`).

mod links;
mod pages;

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use pages::pages;

fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    root.canonicalize().expect("the crate lies in the checkout")
}

/// Each call in the pages is one that the binary takes. With `--help` at its
/// end it is parsed, values too, and then only explained; what stands behind
/// `--` is a command of something else, and would take the `--help` for its own.
#[test]
fn every_call_of_rollover_lab_is_one_that_it_takes() {
    let (mut found, mut wrong) = (0, Vec::new());
    for page in pages(&root()) {
        for call in page.calls("rollover-lab") {
            found += 1;
            let ours = call.iter().take_while(|word| *word != "--");
            let output = Command::new(env!("CARGO_BIN_EXE_rollover-lab"))
                .args(ours)
                .arg("--help")
                .output()
                .expect("the binary runs");
            if !output.status.success() {
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                wrong.push(format!("{}: {call:?}: {said}", page.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(found > 3, "the pages show the commands of the lab: {found}");
}

/// Each script under ci/ that a page names is there and can be run.
#[test]
fn every_script_is_there() {
    let root = root();
    let mut named = BTreeSet::new();
    for page in pages(&root) {
        named.extend(scripts(&page.text));
    }
    let missing: Vec<&String> = named
        .iter()
        .filter(|script| !is_executable(&root.join(script)))
        .collect();
    assert!(
        missing.is_empty(),
        "not there, or not executable: {missing:?}"
    );
    assert!(named.contains("ci/demo") && named.contains("ci/test"));
}

fn scripts(text: &str) -> impl Iterator<Item = String> + '_ {
    let of_a_path = |c: char| c.is_ascii_alphanumeric() || "./-_*".contains(c);
    text.split(move |c| !of_a_path(c))
        .map(|word| word.trim_end_matches(['.', '/']))
        .filter(|word| word.len() > 3 && word.starts_with("ci/"))
        .map(str::to_owned)
}

fn is_executable(path: &Path) -> bool {
    let meta = path.metadata();
    meta.is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// Each link inside the checkout leads to a file that is there, and its anchor
/// to a heading of that file.
#[test]
fn every_link_leads_somewhere() {
    let broken: Vec<String> = pages(&root()).iter().flat_map(links::broken).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// The test of somebody else's service that a page shows is the one that `tests/lab` runs.
#[test]
fn the_test_that_is_shown_is_one_that_runs() {
    let shop = root().join("fixtures/own-crate/tests/shop.rs");
    let shop = std::fs::read_to_string(shop).expect("the crate lies in the checkout");
    let (_, test) = shop.split_once("#[tokio::test]").expect("it has one test");
    let shown = format!("```rust\n#[tokio::test]{test}```");
    let page = root().join("docs/lab.md");
    let page = std::fs::read_to_string(page).expect("docs/ can be read");
    assert!(page.contains(&shown), "docs/lab.md does not show:\n{shown}");
}

/// The lab's own variables are read somewhere in its code.
#[test]
fn every_variable_of_the_lab_is_read() {
    let mut code = String::new();
    for file in sources(&root().join("harness")) {
        code.push_str(&std::fs::read_to_string(file).expect("a source can be read"));
    }
    let mut found = 0;
    for page in pages(&root()) {
        let words = page
            .text
            .split(|c: char| !(c.is_ascii_uppercase() || c == '_'));
        for variable in words.filter(|word| word.starts_with("ROLLOVER_LAB_")) {
            found += 1;
            let read = code.contains(&format!("\"{variable}\""));
            assert!(read, "{}: nothing reads {variable}", page.path.display());
        }
    }
    assert!(found > 0, "docs/lab.md tells the lab's variables");
}

fn sources(directory: &Path) -> Vec<PathBuf> {
    let entries = directory.read_dir().expect("the sources can be read");
    let paths = entries.map(|entry| entry.expect("the sources can be read").path());
    paths
        .flat_map(|path| match path.is_dir() {
            true => sources(&path),
            false => vec![path],
        })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}
