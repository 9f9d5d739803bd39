//! Every scenario, and the control of each, with real parts: a swarm, nginx,
//! certbot, Pebble.
//!
//! Scenarios that take the same kind of lab share one, one after the other: each
//! begins by bringing the stack into the state that it needs, so that any of
//! them can be played alone (`cargo test --test scenarios NAME`). Labs stand side
//! by side, for most of a scenario is waiting: as many as `--test-threads` says, or
//! fewer where the machine is slow ([speed]); what is played next in one that is free,
//! its [`Bill`] knows.
//! One that is not as it must be leaves what can be known of it under
//! `target/lab-failures/`.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test tells what it measured"
)]

mod bill;
mod speed;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bill::{Bill, Turn};
use libtest_mimic::{Arguments, Failed, Trial};
use rollover_lab::lab::{Lab, failures};
use rollover_lab::report::{self, Run};
use rollover_lab::scenario::{ALL, Labs, Overrides, Scenario, all, play};
use rollover_lab::with_causes;
use tokio::runtime::Runtime;

/// How much is played: see [`Much`].
const PLAY: &str = "ROLLOVER_LAB_PLAY";
/// Half of a scenario is waiting; with five both cores of a fast machine had nothing to
/// spare.
const LABS_AT_ONCE: usize = 5;
/// How often it is seen whether the machine carries one more.
const INTERVAL: Duration = Duration::from_secs(1);

/// How much is played.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Much {
    /// `once`: every scenario of [`ALL`].
    Once,
    /// `controls`, as without a word: and that its control turns red.
    Controls,
    /// `full`: those too that take long.
    Full,
}

impl Much {
    fn wanted() -> Result<Self, String> {
        match std::env::var(PLAY).unwrap_or_default().as_str() {
            "once" => Ok(Self::Once),
            "" | "controls" => Ok(Self::Controls),
            "full" => Ok(Self::Full),
            other => Err(format!("{PLAY}={other}: expected once, controls or full")),
        }
    }
}

fn main() -> ExitCode {
    let wanted = Much::wanted().and_then(|much| Ok((much, Overrides::from_environment()?)));
    let (much, overrides) = match wanted {
        Ok(wanted) => wanted,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::from(2);
        }
    };
    let mut arguments = Arguments::from_args();
    let labs = arguments.test_threads.unwrap_or(LABS_AT_ONCE);
    let played = turns(much, &overrides);
    let wanted = |turn: &Turn| {
        let trial = Trial::test(&turn.name, || Ok(()));
        !arguments.is_filtered_out(&trial)
    };
    let bill = Bill::new(played.iter().filter(|turn| wanted(turn)).cloned(), labs);
    // Each waits in a thread of its own until it is its turn.
    arguments.test_threads = Some(played.len());
    let theatre = Arc::new(Theatre::new(bill));
    let trial = |turn: Turn| {
        let theatre = Arc::clone(&theatre);
        Trial::test(turn.name.clone(), move || theatre.play(&turn))
    };
    let conclusion = libtest_mimic::run(&arguments, played.into_iter().map(trial).collect());
    theatre.end();
    conclusion.exit_code()
}

/// First every scenario, then the controls, which leave more behind. Of controls that
/// are the same, one, unless there is time for all.
fn turns(much: Much, wanted: &Overrides) -> Vec<Turn> {
    let full = much == Much::Full;
    let played: Vec<_> = if full {
        all().collect()
    } else {
        ALL.iter().collect()
    };
    let controls = played.iter().enumerate().filter(|(place, scenario)| {
        let before = &played[..*place];
        full || !before.iter().any(|other| same_control(other, scenario))
    });
    let controls: Vec<_> = match much {
        Much::Once => Vec::new(),
        _ => controls
            .map(|(_, scenario)| Turn::new(scenario, true, wanted))
            .collect(),
    };
    let scenarios = played
        .iter()
        .map(|scenario| Turn::new(scenario, false, wanted));
    scenarios.chain(controls).collect()
}

/// Whether two scenarios are one played at several steps, made wrong in the same
/// way: then one control shows for both that it would be found.
fn same_control(one: &Scenario, other: &Scenario) -> bool {
    let family = |scenario: &Scenario| scenario.name.split_once('/').map(|(family, _)| family);
    family(one).is_some()
        && family(one) == family(other)
        && one.control.wrong == other.control.wrong
}

/// The labs that are up, and all that was played.
struct Theatre {
    runtime: Runtime,
    bill: Mutex<Bill>,
    changed: Condvar,
    played: Mutex<Vec<Run>>,
}

impl Theatre {
    fn new(bill: Bill) -> Self {
        let _ = tracing_subscriber::fmt()
            .with_env_filter(tracing_subscriber::EnvFilter::from_env("ROLLOVER_LAB_LOG"))
            .with_writer(std::io::stderr)
            .try_init();
        Self {
            runtime: Runtime::new().expect("a runtime needs no more than threads"),
            bill: Mutex::new(bill),
            changed: Condvar::new(),
            played: Mutex::default(),
        }
    }

    fn play(&self, turn: &Turn) -> Result<(), Failed> {
        let mut taken = self.take(turn);
        let mut spoilt = true;
        let ended = self.runtime.block_on(async {
            let lab = taken.labs.lab(&turn.parameters).await;
            let lab = lab.map_err(|error| with_causes(&error))?;
            let run = play(turn.scenario, turn.control, &turn.parameters, lab).await;
            let (said, good) = (run.to_string(), run.is_as_it_must_be());
            spoilt = run.spoils();
            lock(&self.played).push(run);
            if good {
                print!("{said}");
                return Ok(());
            }
            Err(format!("{said}{}", keep(lab, &turn.name).await).into())
        });
        if spoilt {
            taken.labs.spoil();
        }
        ended
    }

    /// The lab that it is to be played in, when its turn has come.
    fn take<'a>(&'a self, turn: &'a Turn) -> Taken<'a> {
        let mut bill = lock(&self.bill);
        loop {
            if let Some(labs) = bill.lab_for(turn) {
                // Another is the next one now.
                self.changed.notify_all();
                return Taken {
                    labs,
                    turn,
                    from: self,
                };
            }
            let waited = self.changed.wait_timeout(bill, INTERVAL);
            (bill, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Writes the report and takes the lab down.
    fn end(&self) {
        let played = lock(&self.played);
        let directory = target().join("lab-report");
        if !played.is_empty() {
            match report::write(&directory, &played) {
                Ok(()) => println!("the report is in {}", directory.display()),
                Err(error) => eprintln!("there is no report: {error}"),
            }
        }
        for mut labs in lock(&self.bill).labs() {
            if let Err(error) = self.runtime.block_on(labs.end()) {
                eprintln!("the lab was not taken down: {}", with_causes(&error));
            }
        }
    }
}

/// Given back whatever becomes of the test.
struct Taken<'a> {
    labs: Labs,
    turn: &'a Turn,
    from: &'a Theatre,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let labs = std::mem::take(&mut self.labs);
        lock(&self.from.bill).give_back(self.turn, labs);
        self.from.changed.notify_all();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps what can be known of a failure.
async fn keep(lab: &Lab, name: &str) -> String {
    let directory = failures().join(name.replace('/', "-"));
    match lab.bundle(&directory).await {
        Ok(()) => format!("logs and states of the lab: {}", directory.display()),
        Err(error) => format!("nothing more is known: {error}"),
    }
}

fn target() -> PathBuf {
    // Cargo makes target/tmp for tests.
    let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
    tmp.parent().unwrap_or(tmp).to_owned()
}
