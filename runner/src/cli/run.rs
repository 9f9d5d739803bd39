//! `rollover run`: the daemon.

use std::pin::pin;
use std::time::Duration;

use clap::Args;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::{error, info, warn};

use super::exclusive::Exclusive;
use super::lease::keeper;
use super::start::{StartError, start};
use super::{Exit, complain};
use crate::clock::now;
use crate::config::Settings;
use crate::metrics::Metrics;
use crate::observe::changes::tell_changes;
use crate::reconcile::{Runner, log_changes};
use crate::report::Report;
use crate::rollouts::Stay;
use crate::state::Keeper;

/// How soon to look again when the swarm could not be read.
const AFTER_AN_ERROR: Duration = Duration::from_secs(10);
/// How soon to look again at the soonest, however much changes.
const BETWEEN_LOOKS: Duration = Duration::from_secs(2);

#[derive(Args, Debug)]
pub(super) struct Run {
    #[command(flatten)]
    settings: Settings,
}

impl Run {
    /// Reconciles at the start, at every time of the schedule, when a service
    /// changes, and in between, until it is told to end.
    pub(super) async fn run(self) -> Exit {
        let mut runner = match start(self.settings).await {
            Ok(runner) => runner,
            Err(error) => {
                complain(&error);
                return Exit::Two;
            }
        };
        let metrics = match listen_for_metrics(&mut runner).await {
            Ok(listener) => listener,
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
        let (docker, changed) = (runner.manager.docker.clone(), Notify::new());
        // Whatever is interrupted here, the next start finds and finishes.
        let teller = runner.teller.clone();
        let mut keeper = keeper(&mut runner);
        tokio::select! {
            () = teller.serve() => {}
            () = answer(metrics) => {}
            () = lead_for_ever(&mut keeper, &mut runner, &changed) => {}
            () = tell_changes(&docker, &changed) => {}
            _ = term.recv() => {}
            _ = interrupt.recv() => {}
        }
        info!("ending, as asked");
        runner.end().await;
        give_up(&mut keeper).await;
        Exit::Ok
    }
}

/// A socket for those who ask for metrics, if any may.
async fn listen_for_metrics(
    runner: &mut Runner,
) -> Result<Option<(Metrics, TcpListener)>, StartError> {
    let Some(address) = runner.settings.metrics_listen()? else {
        return Ok(None);
    };
    let listening = Metrics::listen(address).await;
    let listening = listening.map_err(|error| StartError::Metrics { address, error })?;
    info!("metrics are at http://{address}/metrics");
    runner.metrics = Some(listening.0.clone());
    Ok(Some(listening))
}

async fn answer(metrics: Option<(Metrics, TcpListener)>) {
    match metrics {
        Some((metrics, listener)) => metrics.serve(listener).await,
        None => std::future::pending().await,
    }
}

/// Reconciles whenever the lease is held.
async fn lead_for_ever(keeper: &mut Keeper, runner: &mut Runner, changed: &Notify) {
    let teller = runner.teller.clone();
    loop {
        keeper.acquire(|waits| teller.stands_by(waits)).await;
        info!("holding the lease");
        if let Err(lost) = keeper.while_held(reconcile_for_ever(runner, changed)).await {
            runner.drop_all().await;
            runner.state.stands_by();
            if let Some(metrics) = &runner.metrics {
                metrics.stands_by();
            }
            warn!("{lost}; what was under way here was dropped");
        }
    }
}

/// Leaves the lease to a standby, unless a reconcile by hand goes on under it: that
/// one ends with this container, and the lease lapses.
async fn give_up(keeper: &mut Keeper) {
    match Exclusive::now() {
        Ok(Some(_exclusive)) => keeper.release().await,
        Ok(None) => {}
        Err(error) => error!("cannot tell whether another reconcile runs: {error}"),
    }
}

async fn reconcile_for_ever(runner: &mut Runner, changed: &Notify) {
    // With the engine acme the schedule decides nothing.
    let by_schedule = runner.settings.own_policy().is_none();
    match runner.schedule.next_after(now()).filter(|_| by_schedule) {
        Some(next) => info!("started; certbot is asked next at {next}"),
        None => info!("started"),
    }
    let mut last = Report::default();
    let mut exclusive = None;
    loop {
        let wait = look(runner, &mut exclusive, &mut last).await;
        let next = now().checked_add(wait).ok();
        runner.teller.looks_again(&runner.memory, next);
        until_there_is_something(runner, until_next_look(wait, changed)).await;
    }
}

/// Waits for the next look, or until something that goes on by itself has ended.
async fn until_there_is_something(runner: &mut Runner, next_look: impl Future<Output = ()>) {
    let mut next_look = pin!(next_look);
    let mut soon = None;
    loop {
        let note = tokio::select! {
            () = &mut next_look => return,
            () = runner.rollouts.one_ended() => return,
            () = sleep_until(soon.unwrap_or_else(Instant::now)), if soon.is_some() => return,
            note = runner.orders.note() => note,
        };
        // Of many that end one after the other, each is not worth a look of its own.
        if runner.take_note(note).await {
            if runner.orders.names().is_empty() {
                return;
            }
            soon.get_or_insert(Instant::now() + BETWEEN_LOOKS);
        }
    }
}

/// Waits for as long, or until a service changes; but never less than a little,
/// because what the runner does changes services too.
async fn until_next_look(wait: Duration, changed: &Notify) {
    let least = wait.min(BETWEEN_LOOKS);
    sleep(least).await;
    // A change counts also if it came meanwhile.
    let _ = timeout(wait - least, changed.notified()).await;
}

/// Looks, and acts. No other reconcile in this container begins before it has
/// ended, and all that goes on after it.
async fn look(
    runner: &mut Runner,
    exclusive: &mut Option<Exclusive>,
    last: &mut Report,
) -> Duration {
    if exclusive.is_none() {
        match Exclusive::wait().await {
            Ok(it) => *exclusive = Some(it),
            Err(error) => {
                error!("cannot tell whether another reconcile runs: {error}");
                return AFTER_AN_ERROR;
            }
        }
    }
    runner.teller.looks(now());
    let looked = runner.reconcile(&[], Stay::Shortly).await;
    if !runner.is_at_work() {
        *exclusive = None;
    }
    match looked {
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

#[cfg(test)]
mod tests {
    use super::*;

    async fn waited(changed: &Notify) -> u64 {
        let begin = Instant::now();
        until_next_look(Duration::from_secs(60), changed).await;
        begin.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_wakes_it_soon_and_once() {
        let changed = Notify::new();
        assert_eq!(waited(&changed).await, 60);
        // As while a look was under way.
        changed.notify_one();
        changed.notify_one();
        assert_eq!(waited(&changed).await, 2);
        assert_eq!(waited(&changed).await, 60);
        let (waited, ()) = tokio::join!(waited(&changed), async {
            sleep(Duration::from_secs(30)).await;
            changed.notify_one();
        });
        assert_eq!(waited, 30);
    }
}
