//! A value as it is written, for what is compared and not understood.

use crate::gate::stack::{Node, Value, Wrong};

/// The same for two values only if they are the same to whoever reads them; the
/// order of keys does not count.
pub(in crate::gate::plan) fn written(node: &Node) -> String {
    match &node.value {
        Value::Nothing => "null".to_owned(),
        Value::Scalar { text, plain: true } => text.clone(),
        Value::Scalar { text, .. } => format!("{text:?}"),
        Value::List(items) => {
            let items: Vec<_> = items.iter().map(|item| written(item)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Map(entries) => {
            let entries = entries.iter();
            let entries = entries.map(|it| format!("{:?}: {}", it.key, written(&it.node)));
            let mut entries: Vec<_> = entries.collect();
            entries.sort();
            format!("{{{}}}", entries.join(", "))
        }
    }
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
