//! The networks of a service.

use crate::gate::stack::{Node, Spot, Stack, Value, Wrong};

/// On which a service is that names none.
const DEFAULT: &str = "default";

/// The networks that a service is on. Those that the stack makes are told by their
/// keys; others by their names, which are told apart from keys.
pub(super) fn networks(stack: &Stack, service: &Node) -> Result<Vec<String>, Wrong> {
    let named = named(service)?;
    if named.is_empty() {
        return Ok(vec![network(stack, DEFAULT, service.at)?]);
    }
    let networks = named.into_iter().map(|(key, at)| network(stack, key, at));
    networks.collect()
}

fn named(service: &Node) -> Result<Vec<(&str, Spot)>, Wrong> {
    let expected = "a list of networks, or a mapping by their names";
    let Some(networks) = service.field("networks")? else {
        return Ok(Vec::new());
    };
    if let Value::List(items) = &networks.value {
        let names = items.iter().map(|it| Ok((it.text(expected)?, it.at)));
        return names.collect();
    }
    let entries = networks.entries(expected)?.iter();
    Ok(entries.map(|it| (it.key.as_str(), it.at)).collect())
}

fn network(stack: &Stack, key: &str, at: Spot) -> Result<String, Wrong> {
    if key == DEFAULT && !stack.declares("networks", key)? {
        return Ok(key.to_owned());
    }
    let declared = stack.declared("networks", key, at)?;
    Ok(match declared.name {
        Some(name) if declared.external => format!("{name} (external)"),
        Some(name) => format!("{name} (so named)"),
        None => key.to_owned(),
    })
}
