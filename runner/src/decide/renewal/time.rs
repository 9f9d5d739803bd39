//! Arithmetic of moments that neither overflows nor goes below a second: an
//! authority's numbers are not trusted to be sensible.

use jiff::{SignedDuration, Timestamp};

pub(super) const MINUTE: SignedDuration = SignedDuration::from_secs(60);
pub(super) const HOUR: SignedDuration = SignedDuration::from_hours(1);
pub(super) const DAY: SignedDuration = SignedDuration::from_hours(24);
pub(in crate::decide) const WEEK: SignedDuration = SignedDuration::from_hours(24 * 7);

/// The moment `by` after `at`, or the last that can be written.
pub(super) fn after(at: Timestamp, by: SignedDuration) -> Timestamp {
    let limit = if by.is_negative() {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    };
    at.checked_add(by).unwrap_or(limit)
}

/// The moment `by` before `at`, or the first that can be written.
pub(super) fn before(at: Timestamp, by: SignedDuration) -> Timestamp {
    let limit = if by.is_negative() {
        Timestamp::MAX
    } else {
        Timestamp::MIN
    };
    at.checked_sub(by).unwrap_or(limit)
}

/// A part of a duration, in whole seconds.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a float becomes the nearest integer, and seconds of a life are few"
)]
pub(super) fn part(of: SignedDuration, part: f64) -> SignedDuration {
    SignedDuration::from_secs((of.as_secs() as f64 * part) as i64)
}

/// As it is kept: whole seconds are enough, and shorter to write. Never earlier
/// than it was, so that no wait becomes shorter by it.
pub(super) fn whole(at: Timestamp) -> Timestamp {
    let up = i64::from(at.subsec_nanosecond() > 0);
    Timestamp::from_second(at.as_second().saturating_add(up)).unwrap_or(at)
}
