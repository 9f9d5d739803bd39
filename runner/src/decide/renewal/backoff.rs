//! How long a failure holds the next attempt back.

use jiff::{SignedDuration, Timestamp};

use super::draw::draw;
use super::facts::{Facts, Issued};
use super::history::Failures;
use super::time::{DAY, HOUR, MINUTE, WEEK, after, part};

/// After the first, second, third failure in a row; then daily. It is what Let's
/// Encrypt asks for.
const WAITS: [SignedDuration; 4] = [
    MINUTE,
    SignedDuration::from_mins(10),
    SignedDuration::from_mins(100),
    DAY,
];
/// Each wait is longer by up to this part, so that what failed together is not
/// tried together.
const JITTER: f64 = 0.1;

/// Until when the runner's own patience holds the next attempt back.
pub(super) fn until(failures: &Failures, facts: &Facts) -> Timestamp {
    let nth = usize::try_from(failures.in_a_row.saturating_sub(1)).unwrap_or(usize::MAX);
    let wait = WAITS.get(nth).copied().unwrap_or(DAY);
    let most = facts
        .current
        .issued()
        .map(|issued| most(issued, failures.at));
    let wait = most.map_or(wait, |most| wait.min(most));
    let about = [
        "backoff",
        &facts.wanted.to_string(),
        &failures.in_a_row.to_string(),
        &failures.at.to_string(),
    ];
    after(failures.at, wait + part(wait, JITTER * draw(&about)))
}

/// No longer than an eighth of what is left until expiry, so that a certificate
/// is never lost to its own patience: a day is nothing to one that lives ninety,
/// and a night to one that lives a week. Hourly at the most often, which is far
/// below an authority's limit on failures; for lives of hours and minutes, a
/// hundredth of them. After the expiry it grows again.
fn most(issued: &Issued, failed: Timestamp) -> SignedDuration {
    let left = issued.not_after.duration_since(failed).abs();
    let least = (issued.life() / 100).clamp(MINUTE, HOUR);
    (left / 8).max(least)
}

/// Until when the authority has asked to wait. More than a week is not believed:
/// no limit lasts longer, and a slip of its pen must not end all renewals.
pub(super) fn asked_to_wait(failures: &Failures) -> Option<Timestamp> {
    let asked = SignedDuration::from_secs(failures.retry_after?);
    Some(after(failures.at, asked.clamp(SignedDuration::ZERO, WEEK)))
}
