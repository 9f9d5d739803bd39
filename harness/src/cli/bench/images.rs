//! Whether images move into a node once.

use std::collections::BTreeSet;

use super::{CouldNot, Figure};
use rollover_lab::lab::Lab;

/// What moved into the lab's nodes until now.
pub(super) async fn figures(lab: &Lab) -> Result<Vec<Figure>, CouldNot> {
    let pulls = lab.pulls().await?;
    let layers: Vec<_> = pulls.iter().filter(|pull| pull.layer).collect();
    let distinct: BTreeSet<_> = layers
        .iter()
        .map(|pull| (&pull.node, &pull.digest))
        .collect();
    let bytes: u64 = layers.iter().map(|pull| pull.bytes).sum();
    #[expect(clippy::cast_precision_loss, reason = "megabytes are told in tenths")]
    let megabytes = bytes as f64 / 1e6;
    #[expect(clippy::cast_precision_loss, reason = "there are some dozens")]
    let again = (layers.len() - distinct.len()) as f64;
    Ok(vec![
        Figure::of(
            "layers that moved into a node again",
            "",
            vec![again],
            Some(0.0),
        ),
        Figure::of(
            "layers moved into the nodes, all together",
            "MB",
            vec![megabytes],
            None,
        ),
    ])
}
