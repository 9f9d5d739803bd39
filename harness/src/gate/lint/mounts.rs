//! What a service mounts.

use rollover::preflight::{Kept, Mount};

use crate::gate::stack::{Node, Stack, Value, Wrong};

/// What is mounted into the replicas of a service. The key `tmpfs` is not read, as
/// a swarm mounts nothing for it.
pub(super) fn mounts(stack: &Stack, service: &Node) -> Result<Vec<Mount>, Wrong> {
    let each = |key: &str| {
        let list = service.field(key)?;
        let items = list.map(|list| list.items(&format!("a list of {key}")));
        items.unwrap_or(Ok(&[]))
    };
    let mut mounts = Vec::new();
    for volume in each("volumes")? {
        mounts.push(volume_mount(stack, volume)?);
    }
    for secret in each("secrets")? {
        mounts.push(from_raft(stack, "secrets", Mount::secret, secret)?);
    }
    for config in each("configs")? {
        mounts.push(from_raft(stack, "configs", Mount::config, config)?);
    }
    Ok(mounts)
}

fn volume_mount(stack: &Stack, volume: &Node) -> Result<Mount, Wrong> {
    if matches!(volume.value, Value::Map(_)) {
        return long(stack, volume);
    }
    let expected = "SOURCE:TARGET, perhaps with :ro";
    let text = volume.text(expected)?;
    let parts: Vec<&str> = text.split(':').collect();
    if parts.contains(&"") {
        return Err(volume.wrong(expected));
    }
    match parts[..] {
        [target] => Ok(Mount::volume(None, target, Kept::OnTheNode)),
        [source, target] | [source, target, _] if source.starts_with(['.', '/', '~']) => {
            Ok(Mount::bind(source, target))
        }
        [source, target] | [source, target, _] => named(stack, volume, source, target),
        _ => Err(volume.wrong(expected)),
    }
}

fn long(stack: &Stack, volume: &Node) -> Result<Mount, Wrong> {
    let source = volume.text_at("source")?.unwrap_or_default();
    let target = volume.text_at("target")?.unwrap_or_default();
    match volume.text_at("type")?.unwrap_or_default() {
        "volume" | "" if source.is_empty() => Ok(Mount::volume(None, target, Kept::OnTheNode)),
        "volume" | "" => named(stack, volume, source, target),
        "bind" => Ok(Mount::bind(source, target)),
        "tmpfs" => Ok(Mount::tmpfs(target)),
        "cluster" => Ok(Mount::volume(Some(source), target, Kept::Everywhere)),
        _ => Ok(Mount::other(source, target)),
    }
}

/// A volume with a name. One that the stack finds there may have been made by
/// hand, as anything.
fn named(stack: &Stack, at: &Node, source: &str, target: &str) -> Result<Mount, Wrong> {
    let declared = stack.declared("volumes", source, at.at)?;
    let kept = if declared.external {
        Kept::Unclear
    } else {
        let driver = declared.node.text_at("driver")?.unwrap_or_default();
        Kept::by_driver(driver, declared.node.text_at("driver_opts.type")?)
    };
    let name = declared.name.unwrap_or(source);
    Ok(Mount::volume(Some(name), target, kept))
}

/// A secret or a config: by its name alone, or with a target.
fn from_raft(
    stack: &Stack,
    section: &str,
    mount: fn(&str, &str) -> Mount,
    node: &Node,
) -> Result<Mount, Wrong> {
    let (source, target) = match &node.value {
        Value::Map(_) => (
            node.text_at("source")?.unwrap_or_default(),
            node.text_at("target")?,
        ),
        _ => (node.text("a name, or a mapping with the key source")?, None),
    };
    let declared = stack.declared(section, source, node.at)?;
    let name = declared.name.unwrap_or(source);
    let file = target.filter(|it| !it.is_empty()).unwrap_or(source);
    Ok(mount(name, file))
}
