//! The networks that a service is on.

use super::super::spec::{Effect, Spec};
use super::keys::Around;
use super::written::written;
use crate::gate::stack::{Entry, Node, Spot, Stack, Value, Wrong};

/// On which a service is that names none.
pub(in crate::gate::plan) const DEFAULT: &str = "default";

/// Each network by what the swarm has it by, in the order of those names.
pub(super) fn networks(spec: &mut Spec, around: &Around<'_>, service: &Entry) -> Result<(), Wrong> {
    let attached = attached(&service.node)?;
    let mut networks = Vec::new();
    for (name, settings) in attached {
        let target = resolved(around.stack, "networks", name, service.at)?;
        networks.push((target, settings));
    }
    networks.sort_by(|one, other| one.0.cmp(&other.0));
    for (target, settings) in networks {
        spec.show(format!("networks.{target}"), "attached", Effect::Restart);
        if let Some(settings) = settings {
            of_a_network(spec, &target, settings)?;
        }
    }
    Ok(())
}

fn of_a_network(spec: &mut Spec, target: &str, settings: &Node) -> Result<(), Wrong> {
    for entry in settings.entries("a mapping")? {
        let path = format!("networks.{target}.{}", entry.key);
        match entry.key.as_str() {
            "aliases" => {
                let aliases = entry.node.texts("a list of names")?;
                if !aliases.is_empty() {
                    spec.show(path, aliases.join(", "), Effect::Restart);
                }
            }
            "driver_opts" => spec.hide(path, written(&entry.node), Effect::Restart),
            "ipv4_address" | "ipv6_address" => {
                spec.show(path, written(&entry.node), Effect::Ignored);
            }
            _ => spec.hide(path, written(&entry.node), Effect::NotKnown),
        }
    }
    Ok(())
}

fn attached(service: &Node) -> Result<Vec<(&str, Option<&Node>)>, Wrong> {
    let expected = "a list of networks, or a mapping by their names";
    let Some(networks) = service.field("networks")? else {
        return Ok(vec![(DEFAULT, None)]);
    };
    let attached: Vec<_> = if let Value::List(items) = &networks.value {
        let names = items.iter().map(|item| Ok((item.text(expected)?, None)));
        names.collect::<Result<_, Wrong>>()?
    } else {
        let entries = networks.entries(expected)?.iter();
        let settings = entries.map(|it| (it.key.as_str(), Some(&*it.node)));
        settings.collect()
    };
    Ok(match attached.is_empty() {
        true => vec![(DEFAULT, None)],
        false => attached,
    })
}

/// The networks that a service names.
pub(in crate::gate::plan) fn network_names(service: &Node) -> Result<Vec<&str>, Wrong> {
    Ok(attached(service)?.into_iter().map(|it| it.0).collect())
}

/// What the swarm has something of the file by. What the file gives no name is
/// called after the stack, which no file names.
pub(super) fn resolved(stack: &Stack, section: &str, key: &str, at: Spot) -> Result<String, Wrong> {
    if section == "networks" && key == DEFAULT && !stack.declares(section, key)? {
        return Ok(key.to_owned());
    }
    let declared = stack.declared(section, key, at)?;
    Ok(match declared.name {
        Some(name) => format!("\"{name}\""),
        None => key.to_owned(),
    })
}
