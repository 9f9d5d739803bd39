//! Whether images move into a node once.

use std::collections::BTreeSet;

use super::figure::Judged;
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
    Ok(vec![
        figure(
            "layers that moved into a node again",
            "",
            layers.len() - distinct.len(),
            Some(0.0),
        ),
        Figure {
            what: "layers moved into the nodes, all together".to_owned(),
            unit: "MB",
            values: vec![megabytes],
            limit: None,
            judged: Judged::Most,
            lost: None,
        },
    ])
}

fn figure(what: &str, unit: &'static str, count: usize, limit: Option<f64>) -> Figure {
    #[expect(clippy::cast_precision_loss, reason = "there are some dozens")]
    let value = count as f64;
    Figure {
        what: what.to_owned(),
        unit,
        values: vec![value],
        limit,
        judged: Judged::Most,
        lost: None,
    }
}
