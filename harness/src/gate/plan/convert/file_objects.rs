//! The secrets and configs that a service is given.

use super::super::spec::{Effect, Spec};
use super::keys::Around;
use super::networks::resolved;
use crate::gate::stack::{Node, Value, Wrong};

/// What is set where the file does not.
const MODE: u32 = 0o444;

/// In the order of their names in the swarm (docker/cli, `convertServiceSecrets`).
pub(super) fn references(
    spec: &mut Spec,
    around: &Around<'_>,
    service: &Node,
) -> Result<(), Wrong> {
    for section in ["secrets", "configs"] {
        let Some(list) = service.field(section)? else {
            continue;
        };
        let mut references = Vec::new();
        for item in list.items(&format!("a list of {section}"))? {
            references.push(reference(around, section, item)?);
        }
        references.sort_by(|one, other| one.0.cmp(&other.0));
        let references: Vec<_> = references
            .into_iter()
            .map(|(name, target, rest)| (target, format!("{name} {rest}")))
            .collect();
        spec.show_all(section, &references, Effect::Restart);
    }
    Ok(())
}

/// Its name in the swarm, where the container sees it, and for whom.
fn reference(
    around: &Around<'_>,
    section: &str,
    node: &Node,
) -> Result<(String, String, String), Wrong> {
    let Value::Map(_) = &node.value else {
        let source = node.text("a name, or a mapping with the key source")?;
        let name = resolved(around.stack, section, source, node.at)?;
        return Ok((name, source.to_owned(), whose("0", "0", MODE)));
    };
    let text = |key: &str| Ok::<_, Wrong>(node.text_at(key)?.filter(|it| !it.is_empty()));
    let source = text("source")?.unwrap_or_default();
    let name = resolved(around.stack, section, source, node.at)?;
    let target = text("target")?.unwrap_or(source).to_owned();
    let (uid, gid) = (text("uid")?.unwrap_or("0"), text("gid")?.unwrap_or("0"));
    let mode = node.read("mode", mode)?.unwrap_or(MODE);
    Ok((name, target, whose(uid, gid, mode)))
}

/// YAML has two ways to write an octal number; in quotes it is a decimal one.
fn mode(node: &Node) -> Result<u32, Wrong> {
    let expected = "a file's mode, such as 0440";
    let text = node.text(expected)?;
    let is_plain = matches!(node.value, Value::Scalar { plain: true, .. });
    let octal = text.strip_prefix("0o").or(text.strip_prefix('0'));
    let number = match octal.filter(|it| is_plain && !it.is_empty()) {
        Some(octal) => u32::from_str_radix(octal, 8),
        None => text.parse(),
    };
    number.map_err(|_| node.wrong(expected))
}

fn whose(uid: &str, gid: &str, mode: u32) -> String {
    format!("({uid}:{gid}, {mode:04o})")
}
