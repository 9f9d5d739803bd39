//! Every fault in a real lab: it is seen to be broken from outside, it is well
//! again after its end, and also after a panic while it was in force.
//!
//! They share labs, one after the other in each (`cargo test --test faults NAME`);
//! a lab in which one has failed is taken down, for the next would find it broken.

#![expect(clippy::print_stderr, reason = "a test tells what failed")]

mod cases;
mod left;
mod link;
mod look;
mod runner;
mod service;
mod stack;
mod unsupported;
mod volume;

use std::pin::Pin;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cases::{Case, cases};
use futures_util::future::join_all;
use libtest_mimic::{Arguments, Failed, Trial};
use rollover_lab::event::BandKind;
use rollover_lab::lab::wait::until;
use rollover_lab::lab::{Lab, LabError, failures};
use rollover_lab::volume::Volume;
use rollover_lab::with_causes;
use tokio::runtime::Runtime;

/// From the end of a fault until the swarm has every task running again.
const TO_BE_WELL: Duration = Duration::from_secs(120);
/// Most of a fault is waiting; more labs would be slow ones on two cores.
const LABS_AT_ONCE: usize = 4;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(LABS_AT_ONCE);
    let bench = Arc::new(Bench::new(|| Box::pin(stack::up(Volume::Bind))));
    let gluster = Arc::new(Bench::new(|| Box::pin(stack::up(Volume::Gluster))));
    let trial = |bench: &Arc<Bench>, case: Case| {
        let bench = Arc::clone(bench);
        Trial::test(case.name, move || bench.try_out(&case))
    };
    let mut trials = Vec::new();
    // What takes long, and a lab of its own, comes first: in the end it would be alone.
    // Of those on GlusterFS each comes when the one before has left its lab.
    trials.push(left::a_paused_task());
    trials.push(runner::is_killed());
    let (cases, on_gluster) = (cases(), volume::on_gluster());
    let between = cases.len().div_ceil(on_gluster.len());
    let (mut cases, mut on_gluster) = (cases.into_iter(), on_gluster.into_iter().peekable());
    while on_gluster.peek().is_some() {
        trials.extend(on_gluster.next().map(|case| trial(&gluster, case)));
        trials.extend(cases.by_ref().take(between).map(|case| trial(&bench, case)));
    }
    trials.push(unsupported::volume_frozen(&bench));
    trials.push(unsupported::link_late(&bench));
    let conclusion = libtest_mimic::run(&arguments, trials);
    bench.end();
    gluster.end();
    conclusion.exit_code()
}

/// A lab that comes up.
type BringingUp = Pin<Box<dyn Future<Output = Result<Lab, LabError>>>>;

/// The labs in which nothing is broken just now.
struct Bench {
    up: fn() -> BringingUp,
    runtime: Runtime,
    free: Mutex<Vec<Lab>>,
}

impl Bench {
    fn new(up: fn() -> BringingUp) -> Self {
        let _ = tracing_subscriber::fmt()
            .with_env_filter(tracing_subscriber::EnvFilter::from_env("ROLLOVER_LAB_LOG"))
            .with_writer(std::io::stderr)
            .try_init();
        Self {
            up,
            runtime: Runtime::new().expect("a runtime needs no more than threads"),
            free: Mutex::default(),
        }
    }

    fn try_out(&self, case: &Case) -> Result<(), Failed> {
        self.with_lab(case.name, |runtime, lab| tried(case, runtime, lab))
    }

    fn with_lab(
        &self,
        name: &str,
        test: impl FnOnce(&Runtime, &Lab) -> Result<(), Failed>,
    ) -> Result<(), Failed> {
        let free = self.free().pop();
        let lab = match free {
            Some(lab) => lab,
            None => self.runtime.block_on((self.up)())?,
        };
        let tested = test(&self.runtime, &lab);
        match &tested {
            Ok(()) => self.free().push(lab),
            Err(_) => self.runtime.block_on(async {
                keep(&lab, name).await;
                take_down(lab).await;
            }),
        }
        tested
    }

    fn free(&self) -> MutexGuard<'_, Vec<Lab>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self) {
        let labs: Vec<Lab> = self.free().drain(..).collect();
        let gone = labs.into_iter().map(take_down);
        self.runtime.block_on(join_all(gone));
    }
}

/// Keeps what can be known of a failure.
async fn keep(lab: &Lab, name: &str) {
    let directory = failures().join(name.replace('/', "-"));
    match lab.bundle(&directory).await {
        Ok(()) => eprintln!(
            "{name}: logs and states of the lab: {}",
            directory.display()
        ),
        Err(error) => eprintln!("{name}: nothing more is known: {}", with_causes(&error)),
    }
}

async fn take_down(lab: Lab) {
    if let Err(error) = lab.stop().await {
        eprintln!("the lab was not taken down: {}", with_causes(&error));
    }
}

/// Ended as it should be, and by a panic.
fn tried(case: &Case, runtime: &Runtime, lab: &Lab) -> Result<(), Failed> {
    runtime.block_on(ended(case, lab))?;
    panicked(case, lab)?;
    runtime.block_on(well(case, lab, "after a panic"))
}

/// Broken once it is injected, well once it has ended, and written down.
async fn ended(case: &Case, lab: &Lab) -> Result<(), Failed> {
    well(case, lab, "before the fault").await?;
    let fault = (case.fault)(lab);
    let active = fault.inject(lab).await;
    let active = active.map_err(|error| with_causes(&error))?;
    (case.broken)(lab)
        .await
        .map_err(|why| format!("not broken: {why}"))?;
    active.end().await.map_err(|error| with_causes(&error))?;
    well(case, lab, "after the end").await?;
    let notes = lab.journal().notes();
    let band = notes.bands.last().ok_or("the fault was not written down")?;
    let told = (
        band.kind,
        band.name.as_str(),
        band.until.is_some(),
        &band.note,
    );
    if told != (BandKind::Fault, &*fault.to_string(), true, &None) {
        return Err(format!("written down as {band:?}").into());
    }
    Ok(())
}

/// A test panics in a runtime of its own while the fault is in force.
fn panicked(case: &Case, lab: &Lab) -> Result<(), Failed> {
    let test = || {
        let runtime = Runtime::new().expect("a runtime needs no more than threads");
        runtime.block_on(async {
            let fault = (case.fault)(lab);
            let active = fault.inject(lab).await.expect("it was injected before");
            (case.broken)(lab).await.expect("it was broken before");
            std::hint::black_box(&active);
            // Without the hook, whose backtrace would look like a failure.
            std::panic::resume_unwind(Box::new(OnPurpose));
        });
    };
    let ended = std::thread::scope(|scope| scope.spawn(test).join());
    match ended {
        Err(payload) if payload.is::<OnPurpose>() => Ok(()),
        // What it says is above.
        Err(_) => Err("the test panicked before it should".into()),
        Ok(()) => Err("the test did not panic".into()),
    }
}

struct OnPurpose;

async fn well(case: &Case, lab: &Lab, when: &str) -> Result<(), Failed> {
    let what = format!("all be well {when}");
    until(what, TO_BE_WELL, async || (case.well)(lab).await).await?;
    Ok(())
}
