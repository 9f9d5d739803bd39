//! The ports that a service publishes.

use std::fmt;

use super::super::spec::{Effect, Spec};
use crate::gate::stack::{Node, Value, Wrong};

/// A published port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::gate::plan) struct Published {
    /// On the node, or in the whole swarm; `0` if swarm draws one.
    pub(in crate::gate::plan) port: String,
    target: String,
    pub(in crate::gate::plan) protocol: String,
    mode: String,
}

impl Published {
    /// Whether the whole swarm has it, not each node by itself.
    pub(in crate::gate::plan) fn is_ingress(&self) -> bool {
        self.mode == "ingress"
    }
}

impl fmt::Display for Published {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            port,
            target,
            protocol,
            mode,
        } = self;
        write!(f, "{port}:{target}/{protocol} {mode}")
    }
}

/// In any order (docker/cli, `convertEndpointSpec`).
pub(super) fn ports(spec: &mut Spec, service: &Node) -> Result<(), Wrong> {
    let mut ports = published(service)?;
    ports.sort();
    if !ports.is_empty() {
        let ports: Vec<_> = ports.iter().map(ToString::to_string).collect();
        spec.show("ports", ports.join(", "), Effect::Restart);
    }
    Ok(())
}

/// All that a service publishes.
pub(in crate::gate::plan) fn published(service: &Node) -> Result<Vec<Published>, Wrong> {
    let Some(ports) = service.field("ports")? else {
        return Ok(Vec::new());
    };
    let mut published = Vec::new();
    for port in ports.items("a list of ports")? {
        match &port.value {
            Value::Map(_) => published.push(long(port)?),
            _ => published.extend(short(port)?),
        }
    }
    Ok(published)
}

fn long(port: &Node) -> Result<Published, Wrong> {
    let text = |key: &str, default: &str| {
        let text = port.text_at(key)?.filter(|it| !it.is_empty());
        Ok::<_, Wrong>(text.unwrap_or(default).to_lowercase())
    };
    Ok(Published {
        port: text("published", "0")?,
        target: text("target", "0")?,
        protocol: text("protocol", "tcp")?,
        mode: text("mode", "ingress")?,
    })
}

/// `[IP:][PUBLISHED:]TARGET[/PROTOCOL]`, each perhaps a range. The address is not
/// looked at.
fn short(port: &Node) -> Result<Vec<Published>, Wrong> {
    let expected = "a port, such as 443:443, or a mapping with the key target";
    let text = port.text(expected)?;
    let (numbers, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let mut parts = numbers.rsplit(':');
    let target = parts.next().unwrap_or_default();
    let published = parts.next().unwrap_or("0");
    let targets = range(target).ok_or_else(|| port.wrong(expected))?;
    let ports = range(published).ok_or_else(|| port.wrong(expected))?;
    let drawn = ports == [0];
    if !drawn && ports.len() != targets.len() {
        return Err(port.wrong("as many published ports as targets"));
    }
    let each = targets.iter().enumerate().map(|(index, target)| Published {
        port: ports.get(index).unwrap_or(&0).to_string(),
        target: target.to_string(),
        protocol: protocol.to_lowercase(),
        mode: "ingress".to_owned(),
    });
    Ok(each.collect())
}

fn range(text: &str) -> Option<Vec<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last): (u16, u16) = (first.parse().ok()?, last.parse().ok()?);
    Some((first..=last).collect())
}
