//! What is taken for a stack file, and what is not.

use proptest::prelude::*;

use super::super::lint_text;
use super::{SOUND, lint, refused, said, with};

#[test]
fn what_is_no_stack_file_is_refused_with_place_and_what_was_expected() {
    let refusals = [
        "",
        "a",
        "[a]",
        "version: '3.8'\n",
        "services:\n",
        "services: [web]\n",
        "services: {web: nginx}\n",
        "services:\n  web: {deploy: [a]}\n",
        "services:\n  web:\n    image: a\n   command: b\n",
        "services: {web: {image: a}, web: {image: b}}\n",
        "services: {web: {a: *b}}\n",
        "services: &all {web: {a: *all}}\n",
        "services: {web: {<<: [a]}}\n",
        "services: {[a]: b}\n",
        "services: \"\n",
        "services:\n\tweb: a\n",
    ];
    let refusals = refusals.map(refused);
    insta::assert_snapshot!(refusals.join("\n"), @r#"
    stack.yml:1:1: expected a stack file: a mapping with the key services, found none
    stack.yml:1:1: expected a stack file: a mapping with the key services, found "a"
    stack.yml:1:1: expected a stack file: a mapping with the key services, found a list
    stack.yml:1:1: expected a stack file: a mapping with the key services, found none
    stack.yml:1:1: expected a stack file: a mapping with the key services, found none
    stack.yml:1:11: expected a mapping of services by name, found a list
    stack.yml:1:17: expected a mapping, found "nginx"
    stack.yml:2:17: expected a mapping, found a list
    stack.yml:4:4: expected YAML, found an error: while parsing a block mapping, did not find expected key
    stack.yml:1:29: expected each key once in a mapping, found a second "web"
    stack.yml:1:21: expected YAML, found an error: while parsing node, found unknown anchor
    stack.yml:1:26: expected an alias of what stands before it, found one of itself
    stack.yml:1:23: expected a mapping to merge, or a list of them, found "a"
    stack.yml:1:12: expected a text as the key, found a list
    stack.yml:1:11: expected YAML, found an error: while scanning a quoted scalar, found unexpected end of stream
    stack.yml:2:2: expected YAML, found an error: tabs disallowed within this context (block indentation)
    "#);
}

#[test]
fn a_value_that_is_none_of_those_that_may_stand_there_is_refused() {
    let refusals = [
        ("replicas: 3", "replicas: three"),
        ("replicas: 3", "replicas: -1"),
        ("replicas: 3", "mode: everywhere"),
        ("monitor: 15s", "monitor: 15"),
        ("monitor: 15s", "order: any"),
        ("monitor: 15s", "failure_action: cry"),
        ("interval: 2s", "retries: many"),
        ("interval: 2s", "disable: maybe"),
        ("[nginx, -g, daemon off;]", "nginx 'a"),
        ("[nginx, -g, daemon off;]", "{a: b}"),
        ("{target: 443,", "{mode: host, target: https,"),
        (
            "/mnt/certificates:/etc/letsencrypt",
            "certificates:/etc/letsencrypt",
        ),
        ("/mnt/certificates:/etc/letsencrypt", "a:/b:c:d"),
        ("/mnt/certificates:/etc/letsencrypt", ":/b"),
        ("networks: [frontend]", "networks: [backend]"),
        ("networks: [frontend]", "secrets: [a]"),
        ("rollover.enable: \"true\"", "rollover.enable: true"),
        (
            "rollover.domains: example.org",
            "rollover.domains: [example.org]",
        ),
    ];
    let refusals = refusals.map(|(from, to)| refused(&with(from, to)));
    insta::assert_snapshot!(refusals.join("\n"), @r#"
    stack.yml:16:17: expected a number of replicas, found "three"
    stack.yml:16:17: expected a number of replicas, found "-1"
    stack.yml:16:13: expected replicated, global, replicated-job or global-job, found "everywhere"
    stack.yml:22:18: expected a duration, such as 30s or 1m30s, found "15"
    stack.yml:22:16: expected stop-first or start-first, found "any"
    stack.yml:22:25: expected pause, continue or rollback, found "cry"
    stack.yml:7:16: expected a number of checks, found "many"
    stack.yml:7:16: expected true or false, found "maybe"
    stack.yml:4:17: expected a command: a text or a list of words, found "nginx 'a"
    stack.yml:4:17: expected a command: a text or a list of words, found a mapping
    stack.yml:11:30: expected a port's number, found "https"
    stack.yml:13:9: expected something that the file declares under volumes, found "certificates"
    stack.yml:13:9: expected SOURCE:TARGET, perhaps with :ro, found "a:/b:c:d"
    stack.yml:13:9: expected SOURCE:TARGET, perhaps with :ro, found ":/b"
    stack.yml:14:16: expected something that the file declares under networks, found "backend"
    stack.yml:14:15: expected something that the file declares under secrets, found "a"
    stack.yml:18:26: expected rollover.enable to be a text ("true", in quotes), found true
    stack.yml:19:27: expected a text, found a list
    "#);
}

#[test]
fn keys_that_nobody_knows_are_no_error() {
    let text = with(
        "    image: nginx:1.30\n",
        "    image: nginx:1.30\n    shine: [a, {b: c}]\n",
    );
    assert_eq!(said(&(text + "x-own: {a: b}\nother: 1\n")), "");
}

/// The place is where the value is written, not where it is used.
#[test]
fn anchors_and_merge_keys_are_followed() {
    let text = with(
        "      labels:
        rollover.enable: \"true\"
        rollover.domains: example.org
        rollover.strategy: restart
",
        "      labels:
        <<: [*labels, *others]
        rollover.strategy: restart
",
    );
    let anchors = "\
x-others: &others {rollover.domains: a.example, rollover.delay: soon}
x-labels: &labels
  rollover.enable: \"true\"
  rollover.domains: example.org
  rollover.strategy: signal
";
    let found = said(&format!("{anchors}{text}"));
    insta::assert_snapshot!(found, @r#"stack.yml:1:49 error RO001: service web: label rollover.delay="soon": expected a duration, such as 30s or 1m30s; everything else goes on"#);
}

/// As the second service of the scenario `check/bad` has it.
#[test]
fn a_mapping_is_merged_where_it_is_written_and_can_be_used_again() {
    let text = with(
        "      labels:\n",
        "      labels:\n        <<: &more {rollover.delay: soon}\n",
    );
    let again = text.replacen(
        "      placement:",
        "      labels: *more\n      placement:",
        1,
    );
    assert!(said(&again).contains("rollover.delay"), "{}", said(&again));
}

#[test]
fn only_the_first_document_is_read() {
    assert_eq!(said(&format!("{SOUND}---\n[\n")), "");
    assert_eq!(said(&format!("---\n{SOUND}...\n")), "");
    assert_eq!(said(&format!("\u{feff}{SOUND}")), "");
}

#[test]
fn what_would_be_too_much_for_any_machine_is_refused_or_shared() {
    for deep in ["[", "{a: ", "- ", "? "] {
        let text = format!("services: \n  {}", deep.repeat(5000));
        assert!(refused(&text).starts_with("stack.yml:2:"), "{deep}");
    }
    let chain = (1..200).map(|n| format!("x{n}: &x{n} [*x{}]\n", n - 1));
    let chain = format!("x0: &x0 a\n{}", chain.collect::<String>());
    assert!(refused(&chain).contains("at most 64 levels"));
    // 2^60 values, if each alias were a copy.
    let laughs = (1..60).map(|n| format!("  x{n}: &x{n} [*x{0}, *x{0}]\n", n - 1));
    let laughs = format!("networks:\n  x0: &x0 a\n{}", laughs.collect::<String>());
    let text = SOUND.replacen(
        "networks:\n  frontend:\n",
        &format!("{laughs}  frontend:\n"),
        1,
    );
    assert_eq!(lint(&text).services.len(), 1);
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in ".{0,200}") {
        let _ = lint_text("stack.yml", &text, &|_| None);
    }

    #[test]
    fn nor_does_what_looks_like_yaml(text in r#"(services:|[ a\n:\-\[\]{}#&*!|>'"%@`$<?,~]){0,80}"#) {
        let _ = lint_text("stack.yml", &text, &|_| None);
    }

    #[test]
    fn nor_a_stack_file_with_something_else_in_its_middle(
        from in 0..SOUND.len(),
        cut in 0..40_usize,
        put in r#"[ a0\n:\-\[\]{}&*!|>'"$<?,~]{0,6}"#,
    ) {
        let end = SOUND.len().min(from + cut);
        let text = format!("{}{put}{}", &SOUND[..from], &SOUND[end..]);
        let _ = lint_text("stack.yml", &text, &|_| None);
    }
}
