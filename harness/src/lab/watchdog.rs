//! Taking labs down when the process is told to end.
//!
//! testcontainers has a watchdog too; it stops one container after the other and
//! waits for each (half a minute for three nodes that run tasks), and knows
//! nothing of networks and directories.

use std::{
    io,
    sync::{Mutex, OnceLock, PoisonError, mpsc},
    thread,
    time::Duration,
};

use futures_util::future::join_all;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Engine, owner::Owner, reap};

/// Then the process ends whether all is gone or not; the next lab finds the rest.
const DEADLINE: Duration = Duration::from_secs(30);

static WATCHED: Mutex<Vec<(Engine, Owner)>> = Mutex::new(Vec::new());
static THREAD: OnceLock<()> = OnceLock::new();

/// Removes the run when this process gets SIGINT, SIGTERM, SIGQUIT or SIGHUP, and
/// then ends the process.
pub(crate) fn watch(engine: &Engine, owner: &Owner) {
    THREAD.get_or_init(|| {
        let (listening, ready) = mpsc::channel();
        thread::spawn(move || run(&listening));
        // Without an answer the thread has ended, and has said why.
        let _ = ready.recv();
    });
    watched().push((engine.clone(), owner.clone()));
}

/// Forgets the run: it is gone, or shall outlive the process.
pub(crate) fn forget(owner: &Owner) {
    watched().retain(|(_, watched)| watched.run != owner.run);
}

fn watched() -> std::sync::MutexGuard<'static, Vec<(Engine, Owner)>> {
    WATCHED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn run(listening: &mpsc::Sender<()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let ended = runtime.and_then(|runtime| runtime.block_on(wait_and_remove(listening)));
    match ended {
        // As a shell says it of one that a signal has ended.
        Ok(kind) => std::process::exit(128 + kind.as_raw_value()),
        Err(error) => tracing::warn!(%error, "a signal will not take the lab down"),
    }
}

async fn wait_and_remove(listening: &mpsc::Sender<()>) -> io::Result<SignalKind> {
    let kinds = [
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::quit(),
        SignalKind::hangup(),
    ];
    let [mut interrupt, mut terminate, mut quit, mut hangup] = install(kinds)?;
    let _ = listening.send(());
    let index = tokio::select! {
        _ = interrupt.recv() => 0,
        _ = terminate.recv() => 1,
        _ = quit.recv() => 2,
        _ = hangup.recv() => 3,
    };
    let labs = watched().clone();
    tracing::info!(labs = labs.len(), "told to end: taking the labs down");
    let removals = labs.iter().map(|(engine, owner)| async {
        if let Err(error) = reap::remove_run(engine, owner).await {
            tracing::warn!(run = owner.run, %error, "the lab was not removed whole");
        }
    });
    if tokio::time::timeout(DEADLINE, join_all(removals))
        .await
        .is_err()
    {
        tracing::warn!("removing the labs takes too long; the next lab removes the rest");
    }
    Ok(kinds[index])
}

fn install(kinds: [SignalKind; 4]) -> io::Result<[Signal; 4]> {
    let [first, second, third, fourth] = kinds.map(signal);
    Ok([first?, second?, third?, fourth?])
}
