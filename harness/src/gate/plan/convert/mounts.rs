//! What a service mounts.

use super::super::spec::{Effect, Spec};
use super::keys::Around;
use super::networks::resolved;
use super::written::written;
use crate::gate::stack::{Entry, Node, Value, Wrong};

/// A mount, in the long form.
struct Mount {
    kind: String,
    source: String,
    target: String,
    /// What else is set: `read-only`, `nocopy`.
    options: Vec<String>,
    /// Whether all of it is understood.
    known: bool,
}

pub(super) fn mounts(spec: &mut Spec, around: &Around<'_>, service: &Node) -> Result<(), Wrong> {
    let Some(volumes) = service.field("volumes")? else {
        return Ok(());
    };
    let mut mounts = Vec::new();
    for volume in volumes.items("a list of volumes")? {
        mounts.push(mount(spec, around, volume)?);
    }
    spec.show_all("volumes", &mounts, Effect::Restart);
    Ok(())
}

/// By its target. What the file declares of a volume goes with the mount, so its
/// change replaces tasks too.
fn mount(spec: &mut Spec, around: &Around<'_>, node: &Node) -> Result<(String, String), Wrong> {
    let mut mount = match &node.value {
        Value::Map(entries) => long(entries)?,
        _ => short(node)?,
    };
    match mount.kind.as_str() {
        "volume" | "cluster" if !mount.source.is_empty() => {
            declared(spec, around, node, &mut mount)?;
        }
        "bind" => mount.source = from_home(around, &mount.source),
        _ => {}
    }
    let Mount {
        kind,
        source,
        target,
        options,
        known,
    } = mount;
    if !known {
        let path = format!("volumes.{target}.options");
        spec.hide(path, written(node), Effect::NotKnown);
    }
    let said = [vec![kind, source], options].concat();
    let said: Vec<_> = said.into_iter().filter(|it| !it.is_empty()).collect();
    Ok((target, said.join(" ")))
}

fn declared(
    spec: &mut Spec,
    around: &Around<'_>,
    node: &Node,
    mount: &mut Mount,
) -> Result<(), Wrong> {
    let key = std::mem::take(&mut mount.source);
    if mount.kind == "cluster" && key.starts_with("group:") {
        mount.source = key;
        return Ok(());
    }
    mount.source = resolved(around.stack, "volumes", &key, node.at)?;
    let declared = around.stack.declared("volumes", &key, node.at)?;
    let path = format!("volumes.{}", mount.target);
    for of_the_volume in ["driver", "driver_opts", "labels"] {
        if let Some(value) = declared.node.field(of_the_volume)? {
            let path = format!("{path}.{of_the_volume}");
            spec.hide(path, written(value), Effect::Restart);
        }
    }
    if declared.external {
        mount.options.push("external".to_owned());
    }
    Ok(())
}

/// As the docker command reads it (docker/cli, `internal/volumespec`).
fn short(node: &Node) -> Result<Mount, Wrong> {
    let expected = "SOURCE:TARGET, perhaps with :ro";
    let parts: Vec<&str> = node.text(expected)?.split(':').collect();
    if parts.contains(&"") {
        return Err(node.wrong(expected));
    }
    let (source, target, options) = match parts[..] {
        [target] => ("", target, ""),
        [source, target] => (source, target, ""),
        [source, target, options] => (source, target, options),
        _ => return Err(node.wrong(expected)),
    };
    let options = options.split(',').filter_map(|option| match option {
        "ro" => Some("read-only".to_owned()),
        "" | "rw" => None,
        other => Some(other.to_owned()),
    });
    let is_path = source.starts_with(['.', '/', '~']);
    let mut options: Vec<_> = options.collect();
    options.sort();
    Ok(Mount {
        kind: if is_path { "bind" } else { "volume" }.to_owned(),
        source: source.to_owned(),
        target: target.to_owned(),
        options,
        known: true,
    })
}

fn long(entries: &[Entry]) -> Result<Mount, Wrong> {
    let mut mount = Mount {
        kind: "volume".to_owned(),
        source: String::new(),
        target: String::new(),
        options: Vec::new(),
        known: true,
    };
    for entry in entries {
        let node = &entry.node;
        match (entry.key.as_str(), &node.value) {
            (_, Value::Nothing) => {}
            ("type", _) => node.text("a text")?.clone_into(&mut mount.kind),
            ("source", _) => node.text("a text")?.clone_into(&mut mount.source),
            ("target", _) => node.text("a text")?.clone_into(&mut mount.target),
            ("read_only", _) if !node.flag()? => {}
            ("read_only", _) => mount.options.push("read-only".to_owned()),
            (_, Value::Map(options)) => more(&mut mount, &entry.key, options)?,
            _ => mount.known = false,
        }
    }
    mount.options.sort();
    Ok(mount)
}

/// What a kind of mount has of its own. A word is what the short form has for it.
fn more(mount: &mut Mount, kind: &str, options: &[Entry]) -> Result<(), Wrong> {
    for option in options {
        match (kind, option.key.as_str()) {
            ("volume", "nocopy") if !option.node.flag()? => {}
            ("volume", "nocopy") => mount.options.push("nocopy".to_owned()),
            ("bind", "propagation") => {
                let how = option.node.text("a text")?.to_owned();
                mount.options.push(how);
            }
            ("tmpfs", "size") | ("volume" | "image", "subpath") => {
                let said = format!("{} {}", option.key, written(&option.node));
                mount.options.push(said);
            }
            _ => mount.known = false,
        }
    }
    // An empty one is not the same as none, but for a named volume.
    if options.is_empty() && kind != "volume" {
        mount.options.push(format!("{kind} {{}}"));
    }
    Ok(())
}

/// Under `~` is the home of whoever deploys. Another relative path is left as it is
/// written: both files are taken to be deployed from one directory.
fn from_home(around: &Around<'_>, source: &str) -> String {
    let home = source.strip_prefix('~').zip((around.variables)("HOME"));
    home.map_or_else(|| source.to_owned(), |(rest, home)| format!("{home}{rest}"))
}
