//! A service of a stack file, as facts for the rules. What a file leaves to the
//! image, and what only a swarm knows, stays unknown.

use rollover::preflight::defaults::STOP_GRACE;
use rollover::preflight::{Asked, Facts, HealthCheck};

use super::mounts::mounts;
use super::networks::networks;
use crate::gate::stack::{Entry, Node, Stack, Value, Wrong, constraints, replicas, update};

/// What the file says of a service that asks for certificates.
pub(super) fn facts(stack: &Stack, service: &Entry, asked: Asked) -> Result<Facts, Wrong> {
    let node = &service.node;
    let ports = host_ports(node)?;
    let published = ports.iter().filter_map(|port| port.published);
    let mut facts = Facts {
        service: service.key.clone(),
        replicas: replicas(node)?,
        update: Some(update(node)?),
        health_check: health_check(node)?,
        stop_signal: stop_signal(node)?,
        stop_grace: Some(
            node.read("stop_grace_period", Node::duration)?
                .unwrap_or(STOP_GRACE),
        ),
        // One that swarm draws is free on every node at any time.
        host_ports: Some(published.filter(|&port| port != 0).collect()),
        constraints: Some(constraints(node)?),
        command: command(node)?,
        mounts: Some(mounts(stack, node)?),
        networks: Some(networks(stack, node)?),
        ..Facts::default()
    };
    facts.ask(asked, |port| {
        ports.iter().any(|published| published.target == Some(port))
    });
    Ok(facts)
}

/// Known where the file sets the test, or that there is none. The parts that it
/// leaves out are taken for the default, as the image's are not known.
fn health_check(service: &Node) -> Result<Option<HealthCheck>, Wrong> {
    let Some(check) = service.field("healthcheck")? else {
        return Ok(None);
    };
    if check.read("disable", Node::flag)? == Some(true) {
        return Ok(Some(HealthCheck::Absent));
    }
    let Some(test) = check.field("test")? else {
        return Ok(None);
    };
    if let Value::List(words) = &test.value {
        match words.first().map(|word| word.text("a word")).transpose()? {
            None => return Ok(None),
            Some("NONE") => return Ok(Some(HealthCheck::Absent)),
            Some(_) => {}
        }
    }
    let retries = |node: &Node| node.parsed("a number of checks");
    Ok(Some(HealthCheck::with(
        check.read("interval", Node::duration)?,
        check.read("timeout", Node::duration)?,
        check.read("retries", retries)?,
        check.read("start_period", Node::duration)?,
    )))
}

fn stop_signal(service: &Node) -> Result<Option<String>, Wrong> {
    let signal = service.text_at("stop_signal")?;
    Ok(signal.filter(|it| !it.is_empty()).map(str::to_owned))
}

/// Known where the file sets the entry point: the image's is not.
fn command(service: &Node) -> Result<Option<Vec<String>>, Wrong> {
    let words = |key: &str| service.read(key, Node::words);
    let entrypoint = words("entrypoint")?.filter(|words| !words.is_empty());
    let arguments = words("command")?.unwrap_or_default();
    Ok(entrypoint.map(|mut command| {
        command.extend(arguments);
        command
    }))
}

/// A port that is published in mode `host`.
struct HostPort {
    published: Option<u16>,
    target: Option<u16>,
}

/// Only the long form has a mode.
fn host_ports(service: &Node) -> Result<Vec<HostPort>, Wrong> {
    let Some(ports) = service.field("ports")? else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for port in ports.items("a list of ports")? {
        if !matches!(port.value, Value::Map(_)) {
            port.text("a port, such as 443:443, or a mapping with the key target")?;
            continue;
        }
        let number = |node: &Node| node.parsed("a port's number");
        if port.text_at("mode")? == Some("host") {
            found.push(HostPort {
                published: port.read("published", number)?,
                target: port.read("target", number)?,
            });
        }
    }
    Ok(found)
}
