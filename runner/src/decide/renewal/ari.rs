//! What the authority says of the time of a renewal (RFC 9773).

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::draw::draw;
use super::facts::Issued;
use super::time::{DAY, MINUTE, after, part, whole};
use crate::model::Fingerprint;

/// How soon to ask again after an error that will last, or an answer that does
/// not say when (RFC 9773, section 4.3.3).
const LONG_TERM: SignedDuration = SignedDuration::from_hours(6);

/// An answer to the question when to renew a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AriAnswer {
    /// The window, if the answer has one that can be read.
    pub(crate) window: Option<(Timestamp, Timestamp)>,
    /// When to ask again, if the answer says so.
    pub(crate) retry_after: Option<SignedDuration>,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AriFailure {
    /// It may be another in a moment: no connection, a timeout, 5xx.
    Temporary { retry_after: Option<SignedDuration> },
    /// It will be the same tomorrow: the authority has no such service, does not
    /// know the certificate, or answers with something else.
    LongTerm,
}

/// What was last heard of one certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ari {
    /// The certificate that it is about, and no other.
    certificate: Fingerprint,
    ask_at: Timestamp,
    #[serde(default, skip_serializing_if = "is_zero")]
    failures: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    window: Option<Window>,
}

/// A window, and the moment in it that was drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Window {
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
    pub(super) moment: Timestamp,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it so")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl Ari {
    /// Nothing is known yet of `certificate`.
    pub(super) fn of(certificate: Fingerprint) -> Self {
        Self {
            certificate,
            ask_at: Timestamp::MIN,
            failures: 0,
            window: None,
        }
    }

    pub(super) fn is_about(&self, certificate: Fingerprint) -> bool {
        self.certificate == certificate
    }

    pub(super) fn answered(&mut self, at: Timestamp, answer: &AriAnswer) {
        self.failures = 0;
        let again = answer.retry_after.map(clamped).unwrap_or(LONG_TERM);
        self.ask_at = whole(after(at, again));
        // What has no end after its start is to be taken as no window.
        let window = answer.window.filter(|(start, end)| start < end);
        let kept = self
            .window
            .filter(|kept| window == Some((kept.start, kept.end)));
        self.window = kept.or_else(|| window.map(|window| self.draw(window)));
    }

    /// What was heard before stays: it is better than nothing.
    pub(super) fn failed(&mut self, at: Timestamp, failure: AriFailure) {
        self.failures = self.failures.saturating_add(1);
        let again = match failure {
            AriFailure::LongTerm => LONG_TERM,
            AriFailure::Temporary { retry_after } => {
                let doubled = MINUTE * 2_i32.saturating_pow(self.failures.min(10) - 1);
                let asked = retry_after.map_or(MINUTE, clamped);
                doubled.min(LONG_TERM).max(asked)
            }
        };
        self.ask_at = whole(after(at, again));
    }

    fn draw(&self, (start, end): (Timestamp, Timestamp)) -> Window {
        let window = format!("{start}/{end}");
        let drawn = draw(&["window", &self.certificate.to_string(), &window]);
        let moment = after(start, part(end.duration_since(start), drawn));
        Window { start, end, moment }
    }

    pub(super) fn ask_at(&self) -> Timestamp {
        self.ask_at
    }

    /// The window, if it can be meant for this certificate: one that ended before
    /// the certificate began is a mistake, and believing it would be to order
    /// again at once, and again.
    pub(super) fn window(&self, issued: &Issued) -> Option<&Window> {
        let window = self.window.as_ref()?;
        (self.is_about(issued.fingerprint) && window.end > issued.not_before).then_some(window)
    }
}

/// `Retry-After` is both the least and the most; but less than a minute is too
/// often, and more than a day too seldom to hear of a revocation.
fn clamped(retry_after: SignedDuration) -> SignedDuration {
    retry_after.clamp(MINUTE, DAY)
}
