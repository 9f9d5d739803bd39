//! The project's own stack files.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rollover::preflight::{Checked, Severity};

use super::super::lint;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn checked(file: &Path) -> Vec<Checked> {
    let linted = lint(file, &|_| None).unwrap();
    assert_eq!(linted.unset, [], "{}", file.display());
    linted.services
}

/// And what is not known is what no file can tell.
#[test]
fn the_stack_has_no_error() {
    let services = checked(&root().join("stack.yml"));
    let [load_balancer] = &services[..] else {
        panic!("expected one service, found {services:?}");
    };
    assert_eq!(load_balancer.findings, []);
    let not_known = load_balancer.not_known.iter().map(|it| it.code);
    let not_known: BTreeSet<_> = not_known.collect();
    let codes: Vec<_> = not_known.into_iter().collect();
    let expected = [
        "RO202", "RO203", "RO204", "RO205", "RO206", "RO301", "RO302", "RO402",
    ];
    assert_eq!(codes, expected);
}

#[test]
fn those_of_other_servers_have_none() {
    let mut found = 0;
    for entry in std::fs::read_dir(root().join("docs/servers")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yml") {
            found += 1;
            let services = checked(&path);
            assert_eq!(services.len(), 1, "{}", path.display());
            assert_eq!(services[0].count(Severity::Error), 0, "{}", services[0]);
        }
    }
    assert!(found > 2, "the files are found: {found}");
}
