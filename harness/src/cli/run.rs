//! `rollover-lab run`: plays scenarios, and says what was found.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::access::Access;
use super::progress::Progress;
use super::{CouldNot, Verdict, bundle, print};
use rollover_lab::lab::Lab;
use rollover_lab::report::{self, Run as Played};
use rollover_lab::scenario::{ALL, Kind, Labs, Overrides, Scenario, all, find, play};

/// Some scenarios, or all.
#[derive(Args, Debug)]
pub(super) struct Run {
    /// The scenarios to play; none named: those that every test run plays
    #[arg(value_name = "SCENARIO")]
    names: Vec<String>,

    /// With none named: those too that take long
    #[arg(long)]
    full: bool,

    /// List the scenarios, what each shows and how its control is made wrong
    #[arg(long)]
    list: bool,

    /// Play the controls, each of which must turn red
    #[arg(long)]
    control: bool,

    /// Where to write report.html, report.json and junit.xml
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,

    /// Print one JSON document: the runs whole, as report.json has them
    #[arg(long)]
    json: bool,

    /// Leave the last lab up, and say how to get at it
    #[arg(long)]
    keep: bool,

    #[command(flatten)]
    wanted: Overrides,
}

impl Run {
    pub(super) async fn run(self) -> Result<Verdict, CouldNot> {
        let named: Result<Vec<_>, _> = self.names.iter().map(|name| find(name)).collect();
        let scenarios: Vec<&Scenario> = match named? {
            named if named.is_empty() && (self.full || self.list) => all().collect(),
            named if named.is_empty() => ALL.iter().collect(),
            named => named,
        };
        if self.list {
            print(&match self.json {
                true => serde_json::to_string_pretty(&listed(&scenarios))?,
                false => list(&scenarios),
            });
            return Ok(Verdict::Passed);
        }
        let progress = Progress::new();
        let mut labs = Labs::default();
        let mut played = Vec::new();
        let mut ended = Ok(());
        for scenario in scenarios {
            match self.one(&progress, &mut labs, scenario).await {
                Ok(run) => played.push(run),
                // What was played until then is told all the same.
                Err(error) => {
                    ended = Err(error);
                    break;
                }
            }
        }
        self.tell(&played)?;
        match labs.take() {
            Some(lab) if self.keep => {
                let access = Access::to(&lab);
                lab.detach()?;
                match self.json {
                    true => progress.say(&access.told()),
                    false => print(&format!("\n{}", access.told())),
                }
            }
            Some(lab) => progress.step("the lab is taken down", lab.stop()).await?,
            None => {}
        }
        ended?;
        Ok(if played.iter().all(Played::is_as_it_must_be) {
            Verdict::Passed
        } else {
            Verdict::Failed
        })
    }

    fn tell(&self, played: &[Played]) -> Result<(), CouldNot> {
        if let Some(directory) = self.report.as_deref().filter(|_| !played.is_empty()) {
            report::write(directory, played)?;
        }
        if self.json {
            print(&serde_json::to_string(played)?);
        } else if !played.is_empty() {
            print(&summary(played, self.report.as_deref()));
        }
        Ok(())
    }

    async fn one(
        &self,
        progress: &Progress,
        labs: &mut Labs,
        scenario: &Scenario,
    ) -> Result<Played, CouldNot> {
        let parameters = self.wanted.over((scenario.parameters)());
        let lab = progress.step("a lab is up", labs.lab(&parameters)).await?;
        let what = if self.control {
            format!("{} (control)", scenario.name)
        } else {
            scenario.name.to_owned()
        };
        let run = progress
            .judged(
                &what,
                play(scenario, self.control, &parameters, lab),
                Played::is_as_it_must_be,
            )
            .await;
        if !run.is_as_it_must_be() {
            let directory = self.bundle_directory(lab);
            let directory = directory.join(scenario.name.replace('/', "-"));
            bundle::leave(progress, lab, &directory).await;
        }
        if run.spoils() {
            labs.spoil();
        }
        Ok(run)
    }

    /// Beside the report, or where temporary files go.
    fn bundle_directory(&self, lab: &Lab) -> PathBuf {
        match &self.report {
            Some(directory) => directory.join("bundle"),
            None => bundle::of(lab),
        }
    }
}

fn list(scenarios: &[&Scenario]) -> String {
    let told = scenarios.iter().map(|scenario| {
        let control = &scenario.control;
        format!(
            "{}\n    {}\n    control: {} ({})",
            scenario.name,
            scenario.about,
            control.wrong,
            control.kinds()
        )
    });
    told.collect::<Vec<_>>().join("\n")
}

fn listed(scenarios: &[&Scenario]) -> Vec<Value> {
    let listed = scenarios.iter().map(|scenario| {
        let control = &scenario.control;
        let kinds = control.found_by.iter().map(Kind::to_string);
        json!({
            "scenario": scenario.name,
            "about": scenario.about,
            "control": {"wrong": control.wrong, "found_by": kinds.collect::<Vec<_>>()},
        })
    });
    listed.collect()
}

fn summary(played: &[Played], report: Option<&Path>) -> String {
    let mut text: String = played.iter().map(Played::to_string).collect();
    if let Some(directory) = report {
        text += &format!("the report: {}\n", directory.join("report.html").display());
    }
    text.trim_end().to_owned()
}
