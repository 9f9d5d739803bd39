//! `rollover-lab bench`: the figures, measured side by side in one run.

mod clients;
mod cpu;
mod figure;
mod fleet;
mod images;
mod issuing;
mod reconcile;
mod released;
mod replicas;
mod rollouts;
mod starts;
mod traffic;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::progress::Progress;
use super::{CouldNot, Verdict, print};
use figure::Figure;
use rollover_lab::lab::{Lab, Stage};
use rollover_lab::volume::Volume;
use starts::Start;

#[derive(Args, Debug)]
pub(super) struct Bench {
    /// What to measure; may be given several times. Default: all
    #[arg(long, value_name = "PART", value_enum)]
    only: Vec<Part>,

    /// How many renewals by signal, certificates of each client, reconciles, and stretches
    /// of traffic
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    times: u32,

    /// How many labs are started with each volume
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    starts: u32,

    /// A volume to start labs with; may be given several times
    #[arg(long = "volume", value_name = "VOLUME", default_values = ["bind", "gluster"])]
    volumes: Vec<Volume>,

    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// What can be measured by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// How soon a lab is ready for a deploy.
    Starts,
    /// From a new file to the proof that every replica serves it.
    Rollouts,
    /// How much longer thirty replicas take than three.
    Replicas,
    /// How long a certificate takes, beside other clients; and a thousand.
    Issuing,
    /// What a look at ten thousand certificates takes, of which none is due.
    Reconcile,
    /// Whether the traffic keeps its schedule beside a lab, and what that takes.
    Traffic,
}

/// All that was measured.
#[derive(Debug, Serialize)]
struct Measured {
    figures: Vec<Figure>,
    starts: Vec<Start>,
}

impl Bench {
    pub(super) async fn run(self) -> Result<Verdict, CouldNot> {
        let progress = Progress::new();
        if self.measures_stack() {
            // Whatever is built and pushed for the first time is not warm.
            let cold = progress.step("a lab comes up, to warm up", Lab::builder().start());
            cold.await?.stop().await?;
        }
        let mut measured = Measured {
            figures: Vec::new(),
            starts: Vec::new(),
        };
        let starts_of: &[Volume] = if self.measures(Part::Starts) {
            &self.volumes
        } else {
            &[]
        };
        for volume in starts_of {
            let starts = starts::measure(&progress, volume, self.starts).await?;
            measured.figures.push(starts::figure(volume, &starts));
            measured.starts.extend(starts);
        }
        if self.measures(Part::Rollouts) {
            let figures = rollouts::measure(&progress, self.times).await?;
            measured.figures.extend(figures);
        }
        if self.measures(Part::Replicas) {
            let figures = replicas::measure(&progress, self.times).await?;
            measured.figures.extend(figures);
        }
        if self.measures(Part::Issuing) {
            let figures = issuing::measure(&progress, self.times).await?;
            measured.figures.extend(figures);
        }
        if self.measures(Part::Reconcile) {
            let figures = reconcile::measure(&progress, self.times).await?;
            measured.figures.extend(figures);
        }
        if self.measures(Part::Traffic) {
            let figures = traffic::measure(&progress, self.times).await?;
            measured.figures.extend(figures);
        }
        print(&if self.json {
            serde_json::to_string_pretty(&measured)?
        } else {
            measured.told()
        });
        Ok(if measured.figures.iter().all(Figure::met) {
            Verdict::Passed
        } else {
            Verdict::Failed
        })
    }
}

impl Bench {
    fn measures(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }

    /// Whether something is measured of a lab with the stack's images in it.
    fn measures_stack(&self) -> bool {
        let parts = [Part::Starts, Part::Rollouts, Part::Replicas];
        parts.into_iter().any(|part| self.measures(part))
    }
}

impl Measured {
    fn told(&self) -> String {
        let mut text = figure::table(&self.figures);
        for volume in volumes(&self.starts) {
            let mut of_volume = self.starts.iter().filter(|start| start.volume == volume);
            let longest = of_volume
                .by_ref()
                .max_by(|a, b| a.seconds.total_cmp(&b.seconds));
            if let Some(longest) = longest {
                text += &format!("\n\nwhere the time went, {volume}, the longest start");
                text += &stages(&longest.stages);
            }
        }
        text
    }
}

fn volumes(starts: &[Start]) -> Vec<&str> {
    let mut volumes: Vec<&str> = starts.iter().map(|start| start.volume.as_str()).collect();
    volumes.dedup();
    volumes
}

fn stages(stages: &[Stage]) -> String {
    let line = |stage: &Stage| {
        format!(
            "\n  {:<26}{:>5.1} s from {:>4.1} s",
            stage.name, stage.took, stage.from
        )
    };
    stages.iter().map(line).collect()
}
