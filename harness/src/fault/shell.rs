//! Small scripts that run in a node.

use crate::lab::{LabError, Node, Output};

/// Runs a script with its arguments (`$1`, `$2`, …) in the node; an error when
/// it fails.
pub(super) async fn run(node: &Node, script: &str, arguments: &[&str]) -> Result<Output, LabError> {
    let output = node
        .exec(&[&["sh", "-euc", script, "sh"], arguments].concat())
        .await?;
    let first = script.trim().lines().next().unwrap_or_default();
    output.succeeded(&format!("{first} … {arguments:?} on {}", node.name()))
}
