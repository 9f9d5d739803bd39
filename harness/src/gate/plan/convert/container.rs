//! What a container is made from.

use super::super::spec::{Effect, Spec};
use super::written::{printed, texts_or_one, written};
use crate::gate::stack::{Entry, Node, Value, Wrong};

pub(super) fn text(spec: &mut Spec, key: &str, node: &Node) -> Result<(), Wrong> {
    let text = node.text("a text")?;
    if !text.is_empty() {
        spec.show(key, text, Effect::Restart);
    }
    Ok(())
}

/// One that is off is as one that is not set.
pub(super) fn flag(spec: &mut Spec, key: &str, node: &Node) -> Result<(), Wrong> {
    if node.flag()? {
        spec.show(key, true, Effect::Restart);
    }
    Ok(())
}

/// Not set, it is the engine's own setting that holds.
pub(super) fn init(spec: &mut Spec, node: &Node) -> Result<(), Wrong> {
    spec.show("init", node.flag()?, Effect::Restart);
    Ok(())
}

pub(super) fn duration(spec: &mut Spec, path: &str, node: &Node) -> Result<(), Wrong> {
    let duration = node.duration()?;
    spec.show(path, format!("{duration:?}"), Effect::Restart);
    Ok(())
}

/// A command can hold a password. None is as one that is not set.
pub(super) fn words(spec: &mut Spec, key: &str, node: &Node) -> Result<(), Wrong> {
    let words = node.words()?;
    if !words.is_empty() {
        spec.hide(key, format!("{words:?}"), Effect::Restart);
    }
    Ok(())
}

/// Each pair by its name: the values can be anything.
pub(super) fn pairs(spec: &mut Spec, path: &str, node: &Node, does: Effect) -> Result<(), Wrong> {
    for pair in node.pairs()? {
        let path = format!("{path}.{}", pair.key);
        let value = match &pair.node.value {
            Value::Scalar { text, .. } if text == pair.value => printed(pair.node)?,
            _ => pair.value.to_owned(),
        };
        spec.hide(path, value, does);
    }
    Ok(())
}

pub(super) fn texts(spec: &mut Spec, key: &str, node: &Node) -> Result<(), Wrong> {
    let texts = texts_or_one(node)?;
    if !texts.is_empty() {
        spec.show(key, texts.join(", "), Effect::Restart);
    }
    Ok(())
}

/// In any order, and with or without `CAP_` (docker/cli, `opts/capabilities.go`).
pub(super) fn capabilities(spec: &mut Spec, key: &str, node: &Node) -> Result<(), Wrong> {
    let texts = node.texts("a list of capabilities")?.into_iter();
    let mut names: Vec<String> = texts
        .map(|it| it.trim().to_uppercase())
        .map(|it| it.strip_prefix("CAP_").unwrap_or(&it).to_owned())
        .collect();
    names.sort();
    names.dedup();
    if !names.is_empty() {
        spec.show(key, names.join(", "), Effect::Restart);
    }
    Ok(())
}

pub(super) fn health_check(spec: &mut Spec, node: &Node) -> Result<(), Wrong> {
    // An empty one is not the same as none.
    spec.show("healthcheck", "set", Effect::Restart);
    if node.read("disable", Node::flag)? == Some(true) {
        spec.show("healthcheck.disable", true, Effect::Restart);
        return Ok(());
    }
    for entry in node.entries("a mapping")? {
        if !matches!(entry.node.value, Value::Nothing) {
            of_a_health_check(spec, entry)?;
        }
    }
    Ok(())
}

fn of_a_health_check(spec: &mut Spec, entry: &Entry) -> Result<(), Wrong> {
    let path = format!("healthcheck.{}", entry.key);
    match entry.key.as_str() {
        "interval" | "timeout" | "start_period" | "start_interval" => {
            duration(spec, &path, &entry.node)?;
        }
        "retries" => {
            let retries: u64 = entry.node.parsed("a number of checks")?;
            spec.show(path, retries, Effect::Restart);
        }
        "test" => spec.hide(path, test(&entry.node)?, Effect::Restart),
        "disable" => {}
        _ => spec.hide(path, written(&entry.node), Effect::NotKnown),
    }
    Ok(())
}

/// One text is a command for a shell.
fn test(node: &Node) -> Result<String, Wrong> {
    let words = match &node.value {
        Value::Scalar { text, .. } => vec!["CMD-SHELL".to_owned(), text.clone()],
        _ => node.texts("a command: a text or a list of words")?,
    };
    Ok(format!("{words:?}"))
}
