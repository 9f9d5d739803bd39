//! How soon a lab is ready for a deploy.

use std::time::Instant;

use serde::Serialize;

use super::{CouldNot, Figure, Progress};
use rollover_lab::lab::{Lab, Stage};
use rollover_lab::volume::Volume;

/// One start of a lab of three nodes.
#[derive(Debug, Serialize)]
pub(super) struct Start {
    pub(super) volume: String,
    pub(super) seconds: f64,
    pub(super) stages: Vec<Stage>,
}

/// Starts as many labs, one after the other.
pub(super) async fn measure(
    progress: &Progress,
    volume: &Volume,
    times: u32,
) -> Result<Vec<Start>, CouldNot> {
    let mut starts = Vec::new();
    for number in 1..=times {
        let begun = Instant::now();
        let start = Lab::builder().volume(volume.clone()).start();
        let what = format!("a lab with {volume} comes up ({number} of {times})");
        let lab = progress.step(&what, start).await?;
        starts.push(Start {
            volume: volume.to_string(),
            seconds: begun.elapsed().as_secs_f64(),
            stages: lab.stages().to_vec(),
        });
        lab.stop().await?;
    }
    Ok(starts)
}

pub(super) fn figure(volume: &Volume, starts: &[Start]) -> Figure {
    let seconds = starts.iter().map(|start| start.seconds).collect();
    let what = format!("lab ready for a deploy, warm, {volume}");
    Figure::seconds(what, seconds, limit(volume))
}

/// In seconds.
fn limit(volume: &Volume) -> Option<f64> {
    match volume {
        Volume::Bind => Some(12.0),
        Volume::Gluster => Some(25.0),
        _ => None,
    }
}
