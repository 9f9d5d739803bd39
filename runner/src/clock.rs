//! The only place that asks what time it is.

use std::sync::OnceLock;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// How far ahead a test has put this clock.
static AHEAD: OnceLock<Duration> = OnceLock::new();

/// Puts the clock ahead, once and for all of this process.
pub(crate) fn put_ahead(by: Duration) {
    // Only the first start of a process gets here.
    let _ = AHEAD.set(by);
}

/// The time now.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the place the rule points to"
)]
pub(crate) fn now() -> Timestamp {
    Timestamp::now() + AHEAD.get().copied().unwrap_or_default()
}

/// How long it is from `at` to `until`; nothing if that is past.
pub(crate) fn left(at: Timestamp, until: Timestamp) -> SignedDuration {
    until.duration_since(at).max(SignedDuration::ZERO)
}
