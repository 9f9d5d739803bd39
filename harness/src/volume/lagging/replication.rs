//! The thread that carries changes while the lab is up.

use std::{
    sync::mpsc::{self, Receiver, RecvTimeoutError, Sender},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::{carrier::Carrier, side::Side};
use crate::lab::{At, LabError};

/// Between two looks for changes: far below any delay that matters, and looking
/// through some hundred files takes less than a thousandth of a second.
const LOOK: Duration = Duration::from_millis(25);

/// Carries changes until it is dropped.
#[derive(Debug)]
pub(super) struct Replication {
    /// Dropped first: that is what ends the thread.
    running: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Replication {
    /// Begins, in a thread whose name says for which lab.
    pub(super) fn start(run: &str, sides: Vec<Side>) -> Result<Self, LabError> {
        let (running, ended) = mpsc::channel();
        let thread = thread::Builder::new()
            // The kernel shows 15 characters of it.
            .name(format!("lag-{run}"))
            .spawn(move || keep_carrying(Carrier::new(sides), &ended))
            .at("start a thread for the volume that lags", "")?;
        Ok(Self {
            running: Some(running),
            thread: Some(thread),
        })
    }
}

impl Drop for Replication {
    fn drop(&mut self) {
        drop(self.running.take());
        if let Some(thread) = self.thread.take() {
            // One that panicked has ended too, and has said why.
            let _ = thread.join();
        }
    }
}

fn keep_carrying(mut carrier: Carrier, ended: &Receiver<()>) {
    let mut next_look = Instant::now();
    loop {
        let now = Instant::now();
        carrier.carry(now);
        if now >= next_look {
            let found = carrier.look();
            carrier.plan(found, Instant::now());
            next_look = now + LOOK;
        }
        let look = next_look.saturating_duration_since(now);
        let wait = carrier.next(now).map_or(look, |step| step.min(look));
        if ended.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
            return;
        }
    }
}
