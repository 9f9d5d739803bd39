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

/// Not to be taken for a list, say.
fn is_a_word(text: &str) -> bool {
    let of_a_word = |c: char| c.is_ascii_alphanumeric() || "._-/%".contains(c);
    text.chars().all(of_a_word)
}

/// With each value below it as `below` has it.
fn text(node: &Node, below: &mut dyn FnMut(&Node) -> String) -> String {
    match &node.value {
        Value::Nothing => "null".to_owned(),
        Value::Scalar { text, plain: true } if is_a_word(text) => text.clone(),
        Value::Scalar { text, plain: true } => format!("plain {text:?}"),
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

/// The text that the docker command makes of a value of a mapping. A number or a date
/// that is written in another way than it is printed in is told apart from such a
/// text: `1.0` is printed as `1`.
pub(super) fn printed(node: &Node) -> Result<String, Wrong> {
    let text = node.text("a text")?;
    let is_plain = matches!(node.value, Value::Scalar { plain: true, .. });
    Ok(match text {
        _ if is_plain && is_printed_otherwise(text) => format!("plain {text:?}"),
        _ => text.to_owned(),
    })
}

fn is_printed_otherwise(text: &str) -> bool {
    let is_as_printed = text.parse::<i64>().is_ok_and(|it| it.to_string() == text);
    let digits = text.trim_start_matches(['+', '-', '.']);
    let is_like_a_number = digits.starts_with(|c: char| c.is_ascii_digit());
    let lower = text.to_lowercase();
    let is_special = lower.ends_with(".inf") || lower == ".nan";
    // An address is a text.
    let is_none = text.matches('.').count() > 1;
    !is_as_printed && !is_none && (is_like_a_number || is_special)
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
