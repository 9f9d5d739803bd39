//! A value as it is written, for what is compared and not understood.

use std::collections::HashMap;
use std::fmt::Write;

use sha2::{Digest, Sha256};

use crate::gate::stack::{Node, Value, Wrong};

/// What has more values than that is told by a digest: aliases share values, and few
/// lines could stand for more text than any machine holds.
const MOST: usize = 10_000;

/// The same for two values only if they are the same to whoever reads them; the
/// order of keys does not count.
pub(in crate::gate::plan) fn written(node: &Node) -> String {
    let mut left = MOST;
    match is_small(node, &mut left) {
        true => text(node, &mut |below| written_below(below)),
        false => digest(node, &mut HashMap::new()),
    }
}

/// Whether no more values than are left are in it.
fn is_small(node: &Node, left: &mut usize) -> bool {
    if *left == 0 {
        return false;
    }
    *left -= 1;
    match &node.value {
        Value::List(items) => items.iter().all(|item| is_small(item, left)),
        Value::Map(entries) => entries.iter().all(|entry| is_small(&entry.node, left)),
        Value::Nothing | Value::Scalar { .. } => true,
    }
}

fn written_below(node: &Node) -> String {
    text(node, &mut written_below)
}

/// With each value below it as `below` has it.
fn text(node: &Node, below: &mut dyn FnMut(&Node) -> String) -> String {
    match &node.value {
        Value::Nothing => "null".to_owned(),
        Value::Scalar { text, plain: true } => text.clone(),
        Value::Scalar { text, .. } => format!("{text:?}"),
        Value::List(items) => {
            let items: Vec<_> = items.iter().map(|item| below(item)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Map(entries) => {
            let entries = entries.iter();
            let entries = entries.map(|it| format!("{:?}: {}", it.key, below(&it.node)));
            let mut entries: Vec<_> = entries.collect();
            entries.sort();
            format!("{{{}}}", entries.join(", "))
        }
    }
}

/// Of each value once, however many share it.
fn digest(node: &Node, done: &mut HashMap<*const Node, String>) -> String {
    let key = std::ptr::from_ref(node);
    if let Some(digest) = done.get(&key) {
        return digest.clone();
    }
    let text = text(node, &mut |below| self::digest(below, done));
    let mut digest = String::new();
    for byte in Sha256::digest(text) {
        let _ = write!(digest, "{byte:02x}");
    }
    done.insert(key, digest.clone());
    digest
}

/// A list of texts, or one alone.
pub(super) fn texts_or_one(node: &Node) -> Result<Vec<String>, Wrong> {
    match &node.value {
        Value::Scalar { text, .. } => Ok(vec![text.clone()]),
        _ => node.texts("a text or a list of texts"),
    }
}

/// An amount of memory in bytes, as the docker command reads it (`RAMInBytes` of
/// docker/go-units); what it would refuse is left as it is written.
pub(super) fn bytes(text: &str) -> String {
    let ends = |c: char| !(c.is_ascii_digit() || c == '.');
    let (number, unit) = text.split_at(text.find(ends).unwrap_or(text.len()));
    let unit = unit.trim_start().to_lowercase();
    let unit = unit.strip_suffix('b').unwrap_or(&unit);
    let unit = unit.strip_suffix('i').unwrap_or(unit);
    let power = match unit {
        "" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return text.to_owned(),
    };
    match number.parse::<f64>() {
        Ok(number) => format!("{} bytes", (number * 1024_f64.powi(power)).trunc()),
        Err(_) => text.to_owned(),
    }
}

/// A part of a processor's time, in billionths.
pub(super) fn processors(text: &str) -> String {
    match text.parse::<f64>() {
        Ok(number) => format!("{number}"),
        Err(_) => text.to_owned(),
    }
}
