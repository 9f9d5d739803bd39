//! `rollover-lab down`: takes a lab down that was kept.

use clap::Args;
use serde_json::json;

use super::progress::Progress;
use super::which::which;
use super::{CouldNot, Verdict, print};
use rollover_lab::lab::{Life, remove, standing};

#[derive(Args, Debug)]
pub(super) struct Down {
    /// The lab; needed where several stand
    run: Option<String>,

    /// Take down every lab that is kept
    #[arg(long, conflicts_with = "run")]
    all: bool,

    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

impl Down {
    pub(super) async fn run(self) -> Result<Verdict, CouldNot> {
        let runs = if self.all {
            let kept = standing().await?.into_iter();
            let kept = kept.filter(|lab| lab.life == Life::Kept);
            kept.map(|lab| lab.run).collect()
        } else {
            let lab = which(self.run.as_deref()).await?;
            if self.run.is_none() && lab.life != Life::Kept {
                let run = lab.run;
                return Err(format!("lab {run} is not kept; say its name if it is meant").into());
            }
            vec![lab.run]
        };
        let progress = Progress::new();
        for run in &runs {
            let what = format!("the lab {run} is taken down");
            progress.step(&what, remove(run)).await?;
        }
        if self.json {
            print(&serde_json::to_string_pretty(&json!({ "removed": runs }))?);
            return Ok(Verdict::Passed);
        }
        print(&match &runs[..] {
            [] => "no lab is kept".to_owned(),
            runs => format!("gone: {}", runs.join(", ")),
        });
        Ok(Verdict::Passed)
    }
}
