//! `rollover-lab gate`: checks a stack, or a change of one, before it is deployed.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;

use super::progress::Progress;
use super::{CouldNot, Verdict, bundle, complain, print};
use rollover_lab::gate::{self, GateVerdict, Linted, StackError, UnsetVariable};
use rollover_lab::lab::Lab;

#[derive(Subcommand, Debug)]
pub(super) enum Gate {
    /// Say what in a stack file would lose requests or fail, with the fix: exit 0
    /// when no error was found, 1 when one was, 2 when it is no stack file
    Lint(Lint),
    /// Say what the deploy of NEW over OLD does to each service, and which it restarts:
    /// exit 0 when it can work, 1 when something in it cannot, 2 when one is no stack
    /// file
    Plan(Plan),
    /// Deploy OLD in a lab, change to NEW under traffic, renew, and fail on a
    /// lost request
    Run(Run),
}

#[derive(Args, Debug)]
pub(super) struct Lint {
    /// The stack file, as `docker stack deploy` takes it; variables in it are
    /// those of the environment
    stack: PathBuf,

    /// The form of what is printed
    #[arg(long, value_enum, default_value = "human")]
    format: Format,

    /// Print the findings as one JSON document: short for --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// For people
    Human,
    /// One JSON document
    Json,
    /// SARIF 2.1.0, as code scanning takes it
    Sarif,
    /// Workflow commands, which GitHub shows beside the lines
    Github,
    /// JUnit, a test case for each rule
    Junit,
}

#[derive(Args, Debug)]
pub(super) struct Plan {
    /// The stack file that is deployed now
    old: PathBuf,
    /// The stack file that shall be deployed; variables in both are those of the
    /// environment
    new: PathBuf,

    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(super) struct Run {
    /// The stack file that is deployed now
    old: PathBuf,
    /// The stack file that shall be deployed
    new: PathBuf,

    /// Print one JSON document, with each request
    #[arg(long)]
    json: bool,
}

/// The verdict as a document.
#[derive(Serialize)]
struct Judged<'a> {
    passed: bool,
    #[serde(flatten)]
    verdict: &'a GateVerdict,
}

impl Gate {
    pub(super) async fn run(self) -> Result<Verdict, CouldNot> {
        match self {
            Self::Lint(lint) => lint.run(),
            Self::Plan(plan) => plan.run(),
            Self::Run(run) => run.run().await,
        }
    }
}

impl Lint {
    fn run(self) -> Result<Verdict, CouldNot> {
        let linted = lint(&self.stack)?;
        let format = if self.json { Format::Json } else { self.format };
        print(format.told(&linted)?.trim_end());
        Ok(judged(linted.passed()))
    }
}

impl Format {
    fn told(self, linted: &Linted) -> Result<String, CouldNot> {
        Ok(match self {
            Self::Human => linted.to_string(),
            Self::Json => serde_json::to_string_pretty(linted)?,
            Self::Sarif => gate::sarif(linted)?,
            Self::Github => gate::github(linted),
            Self::Junit => gate::junit(linted)?,
        })
    }
}

impl Plan {
    fn run(self) -> Result<Verdict, CouldNot> {
        let planned = gate::plan(&self.old, &self.new, &variable)?;
        tell_unset(&planned.unset);
        if self.json {
            print(&serde_json::to_string_pretty(&planned)?);
        } else {
            print(planned.to_string().trim_end());
        }
        Ok(judged(planned.can_work()))
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
        ahead(&progress, &self.old, &self.new);
        let lab = progress
            .step("a lab comes up", Lab::builder().nodes(3).start())
            .await?;
        let what = "the old stack is deployed, changed to the new one and renewed, under traffic";
        let verdict = progress
            .step(what, gate::run(&lab, &self.old, &self.new))
            .await;
        if !verdict.as_ref().is_ok_and(GateVerdict::passed) {
            bundle::leave(&progress, &lab, &bundle::of(&lab)).await;
        }
        progress.step("the lab is taken down", lab.stop()).await?;
        let verdict = verdict?;
        let passed = verdict.passed();
        print(&match self.json {
            true => serde_json::to_string(&Judged {
                passed,
                verdict: &verdict,
            })?,
            false => verdict.to_string(),
        });
        Ok(judged(passed))
    }
}

/// Says what the rules find in the new stack, and what its deploy does. Nothing of
/// it decides: the run judges by lost requests, and deploys with variables of its own.
fn ahead(progress: &Progress, old: &Path, new: &Path) {
    let found = told(lint(new));
    progress.say(&format!("the rules on the new stack:\n{found}"));
    let planned = told(gate::plan(old, new, &variable));
    progress.say(&format!("what its deploy does:\n{planned}"));
}

fn told(looked: Result<impl ToString, StackError>) -> String {
    match looked {
        Ok(found) => found.to_string().trim_end().to_owned(),
        Err(error) => format!("cannot: {error}"),
    }
}

fn lint(stack: &Path) -> Result<Linted, StackError> {
    let linted = gate::lint(stack, &variable)?;
    tell_unset(&linted.unset);
    Ok(linted)
}

fn variable(name: &str) -> Option<String> {
    Some(std::env::var_os(name)?.to_string_lossy().into_owned())
}

fn tell_unset(unset: &[UnsetVariable]) {
    for unset in unset {
        complain(&unset.to_string());
    }
}

fn judged(passed: bool) -> Verdict {
    if passed {
        Verdict::Passed
    } else {
        Verdict::Failed
    }
}
