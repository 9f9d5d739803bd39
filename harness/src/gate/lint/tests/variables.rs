//! Variables in a stack file.

use super::super::lint_text;
use super::{refused, with};

/// What the label `rollover.domains` becomes, as the finding of a label that is
/// wrong tells it, with `SET` set to a value and `EMPTY` to none.
fn becomes(written: &str) -> String {
    let text = with("example.org", &format!("'{written}'"));
    let linted = lint_text("stack.yml", &text, &|name| match name {
        "SET" => Some("/set".to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    });
    match linted {
        Err(refused) => refused.to_string(),
        Ok(linted) => {
            let found = &linted.services[0].findings[0].found;
            let (_, value) = found.split_once("rollover.domains=\"").unwrap();
            value.split_once("\": expected").unwrap().0.to_owned()
        }
    }
}

#[test]
fn variables_are_put_in_as_docker_does() {
    for (written, expected) in [
        ("$SET", "/set"),
        ("${SET}.a", "/set.a"),
        ("a.$SET.$SET", "a./set./set"),
        ("${SET:-b}${SET-b}", "/set/set"),
        ("/${EMPTY:-b}", "/b"),
        ("/${EMPTY-b}", "/"),
        ("/${NOT_SET:-b}", "/b"),
        ("/${NOT_SET-b:c}", "/b:c"),
        ("/${NOT_SET-}", "/"),
        ("${SET:?why}${SET?why}", "/set/set"),
        ("/${EMPTY?why}", "/"),
        ("$$SET", "$SET"),
        ("$${SET}", "${SET}"),
        ("/${NOT_SET:-$SET}", "/$SET"),
        // As docker has it: without braces the default goes to the end.
        ("/$NOT_SET:-a b", "/a b"),
    ] {
        assert_eq!(becomes(written), expected, "{written}");
    }
}

#[test]
fn what_has_to_be_set_and_is_not_is_refused_with_its_place() {
    insta::assert_snapshot!(becomes("${NOT_SET:?the name}"), @"stack.yml:19:27: expected the variable NOT_SET to be set (the name), found no value");
    insta::assert_snapshot!(becomes("${EMPTY:?}"), @"stack.yml:19:27: expected the variable EMPTY to be set, found no value");
}

#[test]
fn what_is_no_variable_is_refused() {
    for written in [
        "$", "a$", "$1", "${}", "${1}", "${SET", "${SET:}", "${SET!}", "$-",
    ] {
        let refused = becomes(written);
        assert!(
            refused.starts_with("stack.yml:19:27: expected a variable"),
            "{refused}"
        );
    }
    insta::assert_snapshot!(becomes("a$.b"), @r#"stack.yml:19:27: expected a variable after $, such as ${NAME} or ${NAME:-default} ($$ is one $), found "a$.b""#);
}

#[test]
fn each_variable_without_a_value_is_told_once_and_where() {
    let text = with("nginx:1.30", "${IMAGE}:${TAG:-1.30}${IMAGE}") + "x-other: $UNUSED\n";
    let linted = lint_text("stack.yml", &text, &|_| None).unwrap();
    let told: Vec<_> = linted.unset.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(told.join("\n"), @"stack.yml:3:12: the variable IMAGE is not set and has no default: taken as empty");
}

#[test]
fn keys_and_what_is_no_section_are_left_alone() {
    let text = with("services:", "x-own: ${\nservices:").replacen("rollover:\n", "$rollover:\n", 1);
    assert!(lint_text("stack.yml", &text, &|_| None).is_ok());
    // Where an alias brings it into a section, it is looked at.
    let text = with("services:", "x-own: &own ${\nservices:");
    let refused = refused(&text.replacen("nginx:1.30", "*own", 1));
    assert!(
        refused.starts_with("stack.yml:1:8: expected a variable"),
        "{refused}"
    );
}

/// A number that a variable stands for is a number.
#[test]
fn values_are_read_after_variables_are_put_in() {
    let text = with("replicas: 3", "replicas: ${REPLICAS:-1}");
    assert!(super::said(&text).contains("RO101"));
    let text = with("replicas: 3", "replicas: ${REPLICAS}");
    insta::assert_snapshot!(refused(&text), @r#"stack.yml:16:17: expected a number of replicas, found """#);
}
