//! `rollover-lab gate`: checks a change of a stack before it is deployed.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::progress::Progress;
use super::{CouldNot, Verdict, print};
use rollover_lab::gate;
use rollover_lab::lab::Lab;

#[derive(Subcommand, Debug)]
pub(super) enum Gate {
    /// Deploy OLD in a lab, change to NEW under traffic, renew, and fail on a
    /// lost request
    Run(Run),
}

#[derive(Args, Debug)]
pub(super) struct Run {
    /// The stack file that is deployed now
    old: PathBuf,
    /// The stack file that shall be deployed
    new: PathBuf,
}

impl Gate {
    pub(super) async fn run(self) -> Result<Verdict, CouldNot> {
        let Self::Run(run) = self;
        for stack in [&run.old, &run.new] {
            if !stack.is_file() {
                let stack = stack.display();
                return Err(format!("{stack}: expected a stack file, found none").into());
            }
        }
        let progress = Progress::new();
        let lab = progress
            .step("a lab comes up", Lab::builder().nodes(3).start())
            .await?;
        let what = "the old stack is deployed, changed to the new one and renewed, under traffic";
        let verdict = progress
            .step(what, gate::run(&lab, &run.old, &run.new))
            .await;
        progress.step("the lab is taken down", lab.stop()).await?;
        let verdict = verdict?;
        print(&verdict.to_string());
        Ok(if verdict.passed() {
            Verdict::Passed
        } else {
            Verdict::Failed
        })
    }
}
