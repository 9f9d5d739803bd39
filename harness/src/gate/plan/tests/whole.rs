//! The plan as a whole.

use super::super::{Outcome, plan};
use super::planned;

const OLD: &str = "
services:
  web:
    image: nginx:1.29
    environment: {TOKEN: old-password}
    deploy: {replicas: 3}
  php: {image: php@sha256:0123}
  gone: {image: a}
";
const NEW: &str = "
services:
  web:
    image: nginx:1.30
    environment: {TOKEN: new-password}
    deploy: {replicas: 3}
  php: {image: php@sha256:0123, deploy: {replicas: 2}}
  added: {image: b}
";

#[test]
fn it_reads_well_and_tells_no_password() {
    let planned = planned(OLD, NEW);
    insta::assert_snapshot!(planned, @r"
    service web: restarted
      environment.TOKEN: another value
      image: nginx:1.29 → nginx:1.30
      (3 replicas, 1 at a time, stop-first)
    service php: updated, and no task is replaced
      deploy.replicas: 1 → 2 (replaces no task)
    service added: created
    service gone: left as it is
    not known: whether a tag leads to another image than at the last deploy, which restarts what uses it (web): a deploy asks the registry again, unless --resolve-image never is said
    not known: what was changed in the swarm beside the old file: a deploy sets it back
    restarted: web; perhaps: none
    ");
    let json = serde_json::to_string_pretty(&planned).unwrap();
    assert!(!json.contains("password"), "{json}");
    insta::assert_json_snapshot!(planned.services[0].changes[1], @r#"
    {
      "field": "image",
      "old": "nginx:1.29",
      "new": "nginx:1.30",
      "how": "changed",
      "does": "restart",
      "file": "new.yml",
      "line": 4,
      "column": 5
    }
    "#);
}

#[test]
fn what_does_not_change_says_so() {
    let planned = planned(OLD, OLD);
    assert!(planned.can_work());
    insta::assert_snapshot!(planned, @r"
    service web: unchanged
    service php: unchanged
    service gone: unchanged
    not known: whether a tag leads to another image than at the last deploy, which restarts what uses it (web, gone): a deploy asks the registry again, unless --resolve-image never is said
    not known: what was changed in the swarm beside the old file: a deploy sets it back
    restarted: none; perhaps: none
    ");
}

#[test]
fn a_file_that_is_none_is_named() {
    let scratch = tempfile::tempdir().unwrap();
    let (old, new) = (
        scratch.path().join("old.yml"),
        scratch.path().join("new.yml"),
    );
    let stack = |extra: &str| format!("services: {{web: {{image: a{extra}}}}}\n");
    std::fs::write(&old, stack("")).unwrap();
    let refused = |new_text: &str| {
        std::fs::write(&new, new_text).unwrap();
        plan(&old, &new, &|_| None).unwrap_err().to_string()
    };
    for (text, expected) in [
        ("a", "new.yml:1:1: expected a stack file"),
        (
            &stack(", deploy: {mode: global, replicas: 2}"),
            "expected no replicas for mode global",
        ),
        (
            &stack(", extends: b"),
            "expected no key that docker stack deploy refuses, found \"extends\"",
        ),
        (
            &stack(", ports: [http]"),
            "expected a port, such as 443:443",
        ),
        (
            "services: {web: {image: a}, new: {image: b, networks: [none]}}",
            "expected something that the file declares under networks",
        ),
        (
            &stack(", env_file: nowhere.env"),
            "expected files that can be read",
        ),
    ] {
        let refused = refused(text);
        assert!(refused.contains(expected), "{refused}");
    }
    std::fs::remove_file(&old).unwrap();
    assert!(
        plan(&old, &new, &|_| None)
            .unwrap_err()
            .to_string()
            .contains("old.yml")
    );
}

/// Each line stands for twice as many values as the one before.
#[test]
fn what_few_lines_stand_for_is_not_written_out() {
    let doubling = |least: &str| {
        let lines = (1..50).map(|it| format!("x-{it}: &x{it} [*x{0}, *x{0}]\n", it - 1));
        let lines: String = lines.collect();
        format!("x-0: &x0 [{least}]\n{lines}services: {{web: {{image: a, gpus: *x49}}}}\n")
    };
    let outcome = |old: &str, new: &str| {
        let planned = planned(&doubling(old), &doubling(new));
        planned.services[0].outcome
    };
    assert_eq!(outcome("a", "a"), Outcome::Unchanged);
    assert_eq!(outcome("a", "b"), Outcome::MayRestart);
}

#[test]
fn variables_and_files_of_variables_are_put_in() {
    let scratch = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = scratch.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    write("old.env", "# a comment\n\nA=1\nB\n");
    write("new.env", "  A=1\nB\nC=${NO}\n");
    let stack =
        |env: &str| format!("services: {{web: {{image: 'a:${{TAG}}', env_file: {env}.env}}}}");
    let (old, new) = (
        write("old.yml", &stack("old")),
        write("new.yml", &stack("new")),
    );
    let set = |name: &str| (name == "B").then(|| "set".to_owned());
    let planned = plan(&old, &new, &set).unwrap();
    let changes = planned.services[0].changes.iter().map(ToString::to_string);
    assert_eq!(changes.collect::<Vec<_>>(), ["environment.C: added"]);
    assert_eq!(planned.unset.len(), 1);
}
