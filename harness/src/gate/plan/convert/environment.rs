//! The environment of a container.

use std::collections::BTreeMap;

use super::super::spec::{Effect, Spec};
use super::keys::Around;
use super::written::{printed, texts_or_one};
use crate::gate::stack::{Node, Value, Wrong};

/// By name; one that is only named has no value.
type Variables = BTreeMap<String, Option<String>>;

/// What the files of `env_file` say, and over it what `environment` says. A variable
/// that has no value, or an empty one, takes that of whoever deploys (docker/cli,
/// `loader.go`, `updateEnvironment`).
pub(super) fn environment(
    spec: &mut Spec,
    around: &Around<'_>,
    service: &Node,
) -> Result<(), Wrong> {
    let mut all = Variables::new();
    if let Some(files) = service.field("env_file")? {
        for file in texts_or_one(files)? {
            let text = std::fs::read_to_string(around.directory.join(&file));
            let text = text.map_err(|_| files.wrong("files that can be read"))?;
            all.extend(of_a_file(&text));
        }
    }
    if let Some(environment) = service.field("environment")? {
        all.extend(of_the_service(environment)?);
    }
    for (name, value) in all {
        let given = (around.variables)(&name);
        let value = match value {
            Some(value) if !value.is_empty() => Some(value),
            // One that is empty is not one without a value.
            empty => given.or(empty),
        };
        let value = value.map_or_else(String::new, |value| format!("={value}"));
        spec.hide(format!("environment.{name}"), value, Effect::Restart);
    }
    Ok(())
}

fn of_the_service(environment: &Node) -> Result<Variables, Wrong> {
    if let Value::List(items) = &environment.value {
        let pairs = items.iter().map(|item| {
            let text = item.text("KEY=VALUE, or KEY")?;
            Ok(pair(text))
        });
        return pairs.collect();
    }
    let entries = environment.entries("a mapping, or a list of KEY=VALUE")?;
    let pairs = entries.iter().map(|entry| {
        let value = match &entry.node.value {
            Value::Nothing => None,
            _ => Some(printed(&entry.node)?),
        };
        Ok((entry.key.clone(), value))
    });
    pairs.collect()
}

/// As the docker command reads such a file (docker/cli, `pkg/kvfile/kvfile.go`).
fn of_a_file(text: &str) -> Variables {
    let lines = text.lines().map(str::trim_start);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(pair).collect()
}

fn pair(text: &str) -> (String, Option<String>) {
    match text.split_once('=') {
        Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
        None => (text.to_owned(), None),
    }
}
