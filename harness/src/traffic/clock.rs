//! The only place in the traffic that asks what time it is on the wall.
//!
//! Everything inside a run is measured by a monotonic clock; the wall clock is
//! read once, at the run's start, to place the run beside Docker's events.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The run's own clock: it stands at zero until the schedule begins.
#[derive(Debug, Default)]
pub(super) struct RunClock {
    epoch: OnceLock<(Instant, jiff::Timestamp)>,
}

impl RunClock {
    /// Starts the clock; returns the moment it counts from.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the traffic's clock.rs: outcomes are joined with Docker's events by wall-clock time"
    )]
    pub(super) fn start(&self) -> Instant {
        self.epoch
            .get_or_init(|| (Instant::now(), jiff::Timestamp::now()))
            .0
    }

    /// Time since the schedule began; zero while connections are warmed up.
    pub(super) fn now(&self) -> Duration {
        self.epoch
            .get()
            .map_or(Duration::ZERO, |(start, _)| start.elapsed())
    }

    /// When the schedule began, on the wall; `None` before it did.
    pub(super) fn started_at(&self) -> Option<jiff::Timestamp> {
        self.epoch.get().map(|(_, wall)| *wall)
    }
}
