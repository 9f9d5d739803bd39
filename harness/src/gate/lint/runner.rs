//! Which service of a stack file runs the runner.

use rollover::preflight::Runner;

use super::networks::networks;
use crate::gate::stack::{Entry, Node, Stack, Wrong, constraints};

const NAME: &str = "rollover";
/// Only the runner reads such variables.
const SETTING: &str = "ROLLOVER_";

/// The service that runs the runner. It is known by the name of its image or of
/// the program that it starts, or else by its settings, for an image can be called
/// anything.
pub(super) fn of(stack: &Stack) -> Result<Option<Runner>, Wrong> {
    let services = stack.services()?;
    let found = match first(services, is_named)? {
        None => first(services, has_settings)?,
        found => found,
    };
    found.map(|entry| read(stack, entry)).transpose()
}

fn first(
    services: &[Entry],
    is_it: fn(&Node) -> Result<bool, Wrong>,
) -> Result<Option<&Entry>, Wrong> {
    for service in services {
        if is_it(&service.node)? {
            return Ok(Some(service));
        }
    }
    Ok(None)
}

fn read(stack: &Stack, service: &Entry) -> Result<Runner, Wrong> {
    Ok(Runner {
        service: service.key.clone(),
        networks: networks(stack, &service.node)?,
        constraints: constraints(&service.node)?,
    })
}

fn is_named(service: &Node) -> Result<bool, Wrong> {
    if service.text_at("image")?.map(repository) == Some(NAME) {
        return Ok(true);
    }
    for key in ["entrypoint", "command"] {
        let words = service.read(key, Node::words)?.unwrap_or_default();
        if let Some(program) = words.first() {
            return Ok(program.rsplit('/').next() == Some(NAME));
        }
    }
    Ok(false)
}

fn has_settings(service: &Node) -> Result<bool, Wrong> {
    let Some(environment) = service.field("environment")? else {
        return Ok(false);
    };
    let variables = environment.pairs()?;
    Ok(variables.iter().any(|it| it.key.starts_with(SETTING)))
}

/// `rollover` of `registry:5000/team/rollover:1.0@sha256:…`.
fn repository(image: &str) -> &str {
    let name = image.split('@').next().unwrap_or(image);
    let last = name.rsplit('/').next().unwrap_or(name);
    last.split(':').next().unwrap_or(last)
}
