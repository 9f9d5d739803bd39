//! What the lint finds, and what it refuses.

mod allowances;
mod formats;
mod own_files;
mod reading;
mod rules;
mod variables;

use super::{Linted, lint_text};

/// A stack in which nothing is wrong that a file can tell.
const SOUND: &str = "\
services:
  web:
    image: nginx:1.30
    entrypoint: [nginx, -g, daemon off;]
    healthcheck:
      test: [CMD, curl, -fsSk, https://localhost/]
      interval: 2s
      timeout: 3s
    stop_signal: SIGQUIT
    ports:
      - {target: 443, published: 443}
    volumes:
      - /mnt/certificates:/etc/letsencrypt
    networks: [frontend]
    deploy:
      replicas: 3
      labels:
        rollover.enable: \"true\"
        rollover.domains: example.org
        rollover.strategy: restart
      update_config:
        monitor: 15s
  rollover:
    image: rollover:latest
    networks: [frontend]
    deploy:
      placement:
        constraints: [node.role == manager]
networks:
  frontend:
";

/// That with one thing in it replaced by another.
fn with(from: &str, to: &str) -> String {
    assert!(SOUND.contains(from), "{from} is not in the sound stack");
    SOUND.replacen(from, to, 1)
}

fn lint(text: &str) -> Linted {
    lint_text("stack.yml", text, &|_| None).unwrap()
}

/// Each finding: `stack.yml:1:1 error RO101: found`.
fn said(text: &str) -> String {
    let linted = lint(text);
    let findings = linted.services.iter().flat_map(|it| &it.findings);
    let each = findings.map(|finding| {
        let place = finding.place.as_ref().unwrap();
        format!(
            "{place} {} {}: {}",
            finding.severity, finding.code, finding.found
        )
    });
    each.collect::<Vec<_>>().join("\n")
}

/// What is said to be unknown of that code.
fn not_known(text: &str, code: &str) -> String {
    let linted = lint(text);
    let all = linted.services.iter().flat_map(|it| &it.not_known);
    let of_the_code = all.filter(|it| it.code == code).map(|it| it.what.clone());
    of_the_code.collect::<Vec<_>>().join("; ")
}

/// Why it is not taken for a stack file.
fn refused(text: &str) -> String {
    let refused = lint_text("stack.yml", text, &|_| None).unwrap_err();
    refused.to_string()
}

#[test]
fn nothing_is_found_in_what_is_sound() {
    assert_eq!(said(SOUND), "");
}

#[test]
fn a_finding_says_where_why_and_what_to_do() {
    let linted = lint(&with("replicas: 3", "replicas: 1"));
    insta::assert_snapshot!(linted, @r"
    web: 1 error, no warning
      error RO101 single-replica: 1 replica, which is stopped before the next is started
        at:  stack.yml:16:7
        why: while the one replica is replaced, nobody serves
        do:  run 2 replicas or more, or set order: start-first
      not known RO202 drain-cut-short: no replica was looked into
      not known RO203 no-worker-shutdown-timeout: no replica was looked into
      not known RO204 no-keepalive-min-timeout: no replica was looked into
      not known RO205 keepalive-outlasts-drain: no replica was looked into
      not known RO206 signal-not-passed-on: no replica was looked into
      not known RO301 node-local-certificates: whether the host's directory /mnt/certificates is the same on every node: no replica was looked into
      not known RO302 certificate-unreadable: no replica was looked into
      not known RO402 engine-cuts-connections: which engines the nodes run
    ");
    insta::assert_json_snapshot!(linted.services[0].findings[0], @r#"
    {
      "code": "RO101",
      "rule": "single-replica",
      "severity": "error",
      "service": "web",
      "found": "1 replica, which is stopped before the next is started",
      "why": "while the one replica is replaced, nobody serves",
      "fix": "run 2 replicas or more, or set order: start-first",
      "at": "deploy.replicas",
      "set_by": "web",
      "file": "stack.yml",
      "line": 16,
      "column": 7
    }
    "#);
    assert!(!linted.passed());
}

#[test]
fn warnings_alone_pass() {
    let linted = lint(&with("monitor: 15s", "monitor: 5s"));
    assert_eq!(linted.services[0].findings.len(), 1);
    assert!(linted.passed());
}

#[test]
fn a_file_in_which_nobody_asks_says_so() {
    let linted = lint(&with(
        "rollover.enable: \"true\"",
        "rollover.enable: \"false\"",
    ));
    insta::assert_snapshot!(linted, @"no service asks for a certificate (label rollover.enable=true)");
}
