//! `rollover run`: the daemon.

use std::time::Duration;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;
use tracing::{error, info};

use super::exclusive::Exclusive;
use super::start::start;
use super::{Exit, complain};
use crate::clock::now;
use crate::config::Settings;
use crate::reconcile::{Runner, log_changes};
use crate::report::Report;

/// How soon to look again when the swarm could not be read.
const AFTER_AN_ERROR: Duration = Duration::from_secs(10);

#[derive(Args, Debug)]
pub(super) struct Run {
    #[command(flatten)]
    settings: Settings,
}

impl Run {
    /// Reconciles at the start, at every time of the schedule, and in
    /// between, until it is told to end.
    pub(super) async fn run(self) -> Exit {
        let mut runner = match start(self.settings).await {
            Ok(runner) => runner,
            Err(error) => {
                complain(&error);
                return Exit::Two;
            }
        };
        let (mut term, mut interrupt) = match (
            signal(SignalKind::terminate()),
            signal(SignalKind::interrupt()),
        ) {
            (Ok(term), Ok(interrupt)) => (term, interrupt),
            (Err(error), _) | (_, Err(error)) => {
                complain(&format!("cannot listen for signals: {error}"));
                return Exit::Two;
            }
        };
        // Whatever is interrupted here, the next start finds and finishes.
        tokio::select! {
            () = reconcile_for_ever(&mut runner) => {}
            _ = term.recv() => {}
            _ = interrupt.recv() => {}
        }
        info!("ending, as asked");
        Exit::Ok
    }
}

async fn reconcile_for_ever(runner: &mut Runner) {
    match runner.schedule.next_after(now()) {
        Some(next) => info!("started; the schedule's next renewal look is at {next}"),
        None => info!("started"),
    }
    let mut last = Report::default();
    loop {
        let wait = look(runner, &mut last).await;
        sleep(wait).await;
    }
}

async fn look(runner: &mut Runner, last: &mut Report) -> Duration {
    let _exclusive = match Exclusive::wait().await {
        Ok(exclusive) => exclusive,
        Err(error) => {
            error!("cannot tell whether another reconcile runs: {error}");
            return AFTER_AN_ERROR;
        }
    };
    match runner.reconcile(&[]).await {
        Ok(report) => {
            log_changes(last, &report);
            let wait = runner.look_again(&report, now());
            *last = report;
            wait
        }
        Err(why) => {
            error!("cannot {why}");
            AFTER_AN_ERROR
        }
    }
}
