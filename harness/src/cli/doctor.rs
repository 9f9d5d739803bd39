//! `rollover-lab doctor`: what this machine can and cannot do for a lab.

use clap::Args;

use super::progress::Progress;
use super::{CouldNot, Verdict, print};
use rollover_lab::lab::doctor::{self, Diagnosis};

#[derive(Args, Debug)]
pub(super) struct Doctor {
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

impl Doctor {
    pub(super) async fn run(self) -> Result<Verdict, CouldNot> {
        let look = async { Ok::<Diagnosis, CouldNot>(doctor::examine().await) };
        let what = "this machine is looked at, and a container tries what a node needs";
        let diagnosis = Progress::new().step(what, look).await?;
        if self.json {
            print(&serde_json::to_string_pretty(&diagnosis)?);
        } else {
            print(&diagnosis.to_string());
        }
        Ok(if diagnosis.can_run() {
            Verdict::Passed
        } else {
            Verdict::Failed
        })
    }
}
