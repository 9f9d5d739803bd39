//! `rollover-lab gate`: checks a stack, or a change of one, before it is deployed.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::progress::Progress;
use super::{CouldNot, Verdict, complain, print};
use rollover_lab::gate::{self, LintError, Linted};
use rollover_lab::lab::Lab;

#[derive(Subcommand, Debug)]
pub(super) enum Gate {
    /// Say what in a stack file would lose requests or fail, with the fix: exit 0
    /// when no error was found, 1 when one was, 2 when it is no stack file
    Lint(Lint),
    /// Deploy OLD in a lab, change to NEW under traffic, renew, and fail on a
    /// lost request
    Run(Run),
}

#[derive(Args, Debug)]
pub(super) struct Lint {
    /// The stack file, as `docker stack deploy` takes it; variables in it are
    /// those of the environment
    stack: PathBuf,

    /// Print the findings as one JSON document
    #[arg(long)]
    json: bool,
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
        match self {
            Self::Lint(lint) => lint.run(),
            Self::Run(run) => run.run().await,
        }
    }
}

impl Lint {
    fn run(self) -> Result<Verdict, CouldNot> {
        let linted = lint(&self.stack)?;
        if self.json {
            print(&serde_json::to_string_pretty(&linted)?);
        } else {
            print(linted.to_string().trim_end());
        }
        Ok(judged(linted.passed()))
    }
}

impl Run {
    async fn run(self) -> Result<Verdict, CouldNot> {
        for stack in [&self.old, &self.new] {
            if !stack.is_file() {
                let stack = stack.display();
                return Err(format!("{stack}: expected a stack file, found none").into());
            }
        }
        let progress = Progress::new();
        ahead(&progress, &self.new);
        let lab = progress
            .step("a lab comes up", Lab::builder().nodes(3).start())
            .await?;
        let what = "the old stack is deployed, changed to the new one and renewed, under traffic";
        let verdict = progress
            .step(what, gate::run(&lab, &self.old, &self.new))
            .await;
        progress.step("the lab is taken down", lab.stop()).await?;
        let verdict = verdict?;
        print(&verdict.to_string());
        Ok(judged(verdict.passed()))
    }
}

/// Says what the rules find in the new stack. Nothing of it decides: the run judges
/// by lost requests, and deploys with variables of its own.
fn ahead(progress: &Progress, stack: &Path) {
    let found = match lint(stack) {
        Ok(linted) => linted.to_string(),
        Err(error) => format!("cannot: {error}"),
    };
    progress.say(&format!(
        "the rules on the new stack:\n{}",
        found.trim_end()
    ));
}

fn lint(stack: &Path) -> Result<Linted, LintError> {
    let variable = |name: &str| Some(std::env::var_os(name)?.to_string_lossy().into_owned());
    let linted = gate::lint(stack, &variable)?;
    for unset in &linted.unset {
        complain(&unset.to_string());
    }
    Ok(linted)
}

fn judged(passed: bool) -> Verdict {
    if passed {
        Verdict::Passed
    } else {
        Verdict::Failed
    }
}
