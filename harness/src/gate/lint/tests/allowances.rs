//! Findings that a comment in the file allows.

use rollover::preflight::Severity;

use super::{SOUND, lint, said, with};

const ONE: &str = "replicas: 1";
const COMMENT: &str = "# rollover-lab: allow RO101 because the licence is for one";

/// The sound stack with one replica, in lines of its own.
fn one_replica(lines: &[&str]) -> String {
    with("replicas: 3", &lines.join("\n      "))
}

/// What is wrong with the comments: `1:1 warning RL002: found`.
fn complaints(text: &str) -> String {
    let linted = lint(text);
    let each = linted.complaints.iter().map(|it| {
        let (place, code) = (&it.place, it.kind.code());
        let (line, column) = (place.line, place.column);
        format!("{line}:{column} {} {code}: {}", it.severity, it.found)
    });
    each.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_comment_allows_what_is_found_on_its_line_or_the_next() {
    let beside = format!("{ONE}    {COMMENT}");
    for lines in [
        vec![COMMENT, ONE],
        vec![&beside],
        vec![COMMENT, "# which will end", ONE],
        vec!["# rollover-lab: allow RO102 because", COMMENT, ONE],
    ] {
        let text = one_replica(&lines);
        let linted = lint(&text);
        assert_eq!(said(&text), "", "{text}");
        assert_eq!(linted.allowed.len(), 1, "{text}");
        assert_eq!(linted.allowed[0].reason, "the licence is for one");
    }
}

#[test]
fn what_is_allowed_is_told_with_the_reason_and_passes() {
    let linted = lint(&one_replica(&[COMMENT, ONE]));
    assert!(linted.passed());
    let told = linted.to_string();
    let told: Vec<_> = told
        .lines()
        .filter(|it| !it.contains("not known"))
        .collect();
    insta::assert_snapshot!(told.join("\n"), @r"
    web: no error, no warning
    1 finding is allowed by the file:
      stack.yml:17:7: RO101 single-replica: the licence is for one
    ");
    let json = serde_json::to_value(&linted).unwrap();
    assert_eq!(json["services"][0]["findings"], serde_json::json!([]));
    assert_eq!(json["allowed"][0]["code"], "RO101");
    assert_eq!(json["allowed"][0]["line"], 17);
    assert_eq!(json["allowed"][0]["reason"], "the licence is for one");
}

#[test]
fn elsewhere_it_allows_nothing_and_that_is_told() {
    for lines in [
        vec![COMMENT, "mode: replicated", ONE],
        vec![COMMENT, "", ONE],
        vec![ONE, COMMENT],
        vec!["# rollover-lab: allow RO102 because two are too many", ONE],
    ] {
        let text = one_replica(&lines);
        assert!(said(&text).contains("RO101"), "{text}");
        assert!(complaints(&text).contains("warning RL002"), "{text}");
    }
    let unused = with("replicas: 3", &format!("{COMMENT}\n      replicas: 3"));
    assert_eq!(
        complaints(&unused),
        "16:7 warning RL002: a comment that allows RO101, which is not found there"
    );
    assert!(lint(&unused).passed());
}

#[test]
fn without_a_reason_or_a_rule_it_is_an_error() {
    let wrong = [
        "# rollover-lab: allow RO101",
        "# rollover-lab: allow RO101 because",
        "# rollover-lab: allow RO101, one is enough",
        "# rollover-lab: allow RO999 because nobody has it",
        "# rollover-lab: allow single-replica because of its name",
        "# rollover-lab: ignore RO101 because of another word",
        "# rollover-lab:",
    ];
    let text = one_replica(&[&wrong[..], &[ONE]].concat());
    assert!(said(&text).contains("RO101"));
    insta::assert_snapshot!(complaints(&text), @r#"
    16:7 error RL001: a comment that allows RO101 without a reason
    17:7 error RL001: a comment that allows RO101 without a reason
    18:7 error RL001: a comment that allows "RO101,", which is no code
    19:7 error RL001: a comment that allows "RO999", which is no code
    20:7 error RL001: a comment that allows "single-replica", which is no code
    21:7 error RL001: a comment that says "ignore RO101 because of another word"
    22:7 error RL001: a comment that says ""
    "#);
    let only_wrong = with("replicas: 3", &format!("replicas: 3 {}", wrong[0]));
    let linted = lint(&only_wrong);
    assert!(!linted.passed());
    insta::assert_snapshot!(linted.complaints[0], @r"
    error RL001 wrong-allowance: a comment that allows RO101 without a reason
        at:  stack.yml:16:19
        why: it reads as if it allowed something, and allows nothing
        do:  write allow CODE because REASON, with a code of docs/rules.md
    ");
}

#[test]
fn what_stands_in_a_text_is_no_comment() {
    for text in [
        format!("x-a: '{COMMENT}'\n"),
        format!("x-a: \"a {COMMENT}\"\n"),
        format!("x-a: |\n  {COMMENT}\n  b {COMMENT}\n"),
        format!("x-a: >-\n  a\n  {COMMENT}\n\n"),
    ] {
        assert_eq!(complaints(&format!("{text}{SOUND}")), "", "{text}");
    }
    for text in [
        format!("x-a: |\n  a\n{COMMENT}\n"),
        format!("x-a: >\n  a\n\n{COMMENT}\n"),
        format!("x-a: '#' {COMMENT}\n"),
        format!("x-a: 'it''s' {COMMENT}\n"),
        format!("x-a: \"\\\"\" {COMMENT}\n"),
        format!("{COMMENT}\n"),
    ] {
        let complaints = complaints(&format!("{text}{SOUND}"));
        assert!(complaints.contains("warning RL002"), "{text}");
    }
}

/// Of two services that share a line, each is told.
#[test]
fn it_allows_all_that_is_found_of_that_rule_on_the_line() {
    let shared = with("replicas: 3", "<<: *one").replacen(
        "services:",
        &format!("x-one: &one\n  {COMMENT}\n  {ONE}\nservices:"),
        1,
    );
    let (before, rest) = shared.split_once("  rollover:\n").unwrap();
    let (_, web) = before.split_once("  web:\n").unwrap();
    let both = format!("{before}  other:\n{web}  rollover:\n{rest}");
    let linted = lint(&both);
    assert_eq!(linted.services.len(), 2);
    assert_eq!(linted.allowed.len(), 2);
    let errors = |it: &rollover::preflight::Checked| it.count(Severity::Error);
    assert_eq!(linted.services.iter().map(errors).sum::<usize>(), 0);
}
