//! The runner is killed at a step. It comes to one only where it has something to do, and
//! so has a lab of its own.

use std::fmt;
use std::time::Duration;

use libtest_mimic::Trial;
use rollover_lab::fault::{Active, Fault, Pending, RunnerKilled};
use rollover_lab::lab::wait::until;
use rollover_lab::lab::{Lab, LabError};

use crate::Bench;
use crate::cases::Case;
use crate::look::{self, Look};
use crate::stack::{self, runner};

/// It is replaced, and starts.
const TO_START: Duration = Duration::from_secs(120);

pub(crate) fn is_killed() -> Trial {
    let case = Case {
        name: "runner/killed",
        fault: |_| Box::new(Killed(RunnerKilled::at("placeholder_prepared"))),
        broken: no_runner_runs,
        well: the_runner_goes_on,
    };
    Trial::test(case.name, move || {
        let bench = Bench::new(|| Box::pin(stack::up_with_a_target()));
        let tried = bench.try_out(&case);
        bench.end();
        tried
    })
}

/// The runner that stands still there comes to the step because its volume is emptied: a
/// placeholder is missing once more.
#[derive(Debug)]
struct Killed(RunnerKilled);

impl Fault for Killed {
    fn inject<'a>(&'a self, lab: &'a Lab) -> Pending<'a, Active> {
        Box::pin(async move {
            let before = runner(lab).await.ok().map(|runner| runner.id);
            let (active, emptied) = tokio::join!(
                self.0.inject(lab),
                emptied_once_another_runs(lab, before.as_deref())
            );
            emptied?;
            active
        })
    }
}

impl fmt::Display for Killed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The one before would only fill it again.
async fn emptied_once_another_runs(lab: &Lab, before: Option<&str>) -> Result<(), LabError> {
    until("another runner run", TO_START, async || {
        let now = runner(lab).await?.id;
        if Some(now.as_str()) == before {
            return Err("the runner of before runs".to_owned());
        }
        Ok(())
    })
    .await?;
    for directory in ["live", "archive"] {
        lab.volume().certificates().remove(directory)?;
    }
    Ok(())
}

fn no_runner_runs(lab: &Lab) -> Look<'_> {
    Box::pin(async move {
        match runner(lab).await {
            Ok(runner) => Err(format!("the runner {} runs", runner.id)),
            Err(_) => Ok(()),
        }
    })
}

fn the_runner_goes_on(lab: &Lab) -> Look<'_> {
    Box::pin(async move {
        let log = look::runner_log(lab).await?;
        if log.contains("held=") {
            return Err(log);
        }
        Ok(())
    })
}
