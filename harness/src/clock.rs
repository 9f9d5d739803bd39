//! The only place of the harness that asks what time it is.

use jiff::Timestamp;

/// The time now.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the place the rule points to"
)]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}
