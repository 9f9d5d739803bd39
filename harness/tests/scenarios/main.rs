//! Every scenario, and the control of each, with real parts: a swarm, nginx,
//! certbot, Pebble.
//!
//! Scenarios that take the same kind of lab share one, one after the other: each
//! begins by bringing the stack into the state that it needs, so that any of
//! them can be played alone (`cargo test --test scenarios NAME`). Labs stand side
//! by side, as many as `--test-threads` says, for most of a scenario is waiting.
//! One that is not as it must be leaves what can be known of it under
//! `target/lab-failures/`.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test tells what it measured"
)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use libtest_mimic::{Arguments, Failed, Trial};
use rollover_lab::lab::Lab;
use rollover_lab::report::{self, Run};
use rollover_lab::scenario::{ALL, Labs, Scenario, Shape, all, play};
use tokio::runtime::Runtime;

/// How much is played: see [`Much`].
const PLAY: &str = "ROLLOVER_LAB_PLAY";
/// Half of a scenario is waiting; with one more both cores had nothing to spare, and
/// it was hardly sooner over.
const LABS_AT_ONCE: usize = 3;

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
    let much = match Much::wanted() {
        Ok(much) => much,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::from(2);
        }
    };
    let mut arguments = Arguments::from_args();
    let labs = *arguments.test_threads.get_or_insert(LABS_AT_ONCE);
    let theatre = Arc::new(Theatre::new(labs));
    let conclusion = libtest_mimic::run(&arguments, trials(&theatre, much));
    theatre.end();
    conclusion.exit_code()
}

/// First every scenario, then the controls, which leave more behind; those that
/// take one kind of lab together. Of controls that are the same, one, unless there
/// is time for all.
fn trials(theatre: &Arc<Theatre>, much: Much) -> Vec<Trial> {
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
    let mut turns: Vec<(&'static Scenario, bool)> = Vec::new();
    turns.extend(played.iter().map(|scenario| (*scenario, false)));
    if much != Much::Once {
        turns.extend(controls.map(|(_, scenario)| (*scenario, true)));
    }
    turns.sort_by_key(|(scenario, _)| {
        let shape = (scenario.parameters)().shape();
        played
            .iter()
            .position(|other| (other.parameters)().shape() == shape)
    });
    let trial = |(scenario, control): (&'static Scenario, bool)| {
        let theatre = Arc::clone(theatre);
        let name = if control {
            format!("{}/control", scenario.name)
        } else {
            scenario.name.to_owned()
        };
        Trial::test(name.clone(), move || theatre.play(&name, scenario, control))
    };
    turns.into_iter().map(trial).collect()
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
    /// Those in which nothing is played just now.
    free: Mutex<Vec<Labs>>,
    freed: Condvar,
    played: Mutex<Vec<Run>>,
}

impl Theatre {
    fn new(labs: usize) -> Self {
        let _ = tracing_subscriber::fmt()
            .with_env_filter(tracing_subscriber::EnvFilter::from_env("ROLLOVER_LAB_LOG"))
            .with_writer(std::io::stderr)
            .try_init();
        Self {
            runtime: Runtime::new().expect("a runtime needs no more than threads"),
            free: Mutex::new(std::iter::repeat_with(Labs::default).take(labs).collect()),
            freed: Condvar::new(),
            played: Mutex::default(),
        }
    }

    fn play(&self, name: &str, scenario: &Scenario, control: bool) -> Result<(), Failed> {
        let parameters = (scenario.parameters)();
        let mut taken = self.take(&parameters.shape());
        self.runtime.block_on(async {
            let lab = taken.labs.lab(&parameters).await?;
            let run = play(scenario, control, &parameters, lab).await;
            let (said, good) = (run.to_string(), run.is_as_it_must_be());
            lock(&self.played).push(run);
            if good {
                print!("{said}");
                return Ok(());
            }
            Err(format!("{said}{}", keep(lab, name).await).into())
        })
    }

    /// One that is free: best with a lab of that shape, else with none.
    fn take(&self, shape: &Shape) -> Taken<'_> {
        let mut free = lock(&self.free);
        loop {
            let suits = |wanted: Option<&Shape>| free.iter().position(|labs| labs.up() == wanted);
            let best = suits(Some(shape)).or_else(|| suits(None));
            let place = best.or_else(|| free.len().checked_sub(1));
            if let Some(place) = place {
                return Taken {
                    labs: free.swap_remove(place),
                    from: self,
                };
            }
            let waited = self.freed.wait(free);
            free = waited.unwrap_or_else(PoisonError::into_inner);
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
        for mut labs in lock(&self.free).drain(..) {
            if let Err(error) = self.runtime.block_on(labs.end()) {
                eprintln!("the lab was not taken down: {error}");
            }
        }
    }
}

/// Given back whatever becomes of the test.
struct Taken<'a> {
    labs: Labs,
    from: &'a Theatre,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        lock(&self.from.free).push(std::mem::take(&mut self.labs));
        self.from.freed.notify_one();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps what can be known of a failure.
async fn keep(lab: &Lab, name: &str) -> String {
    let directory = target().join("lab-failures").join(name.replace('/', "-"));
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
