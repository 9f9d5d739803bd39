//! The verdict on one certificate.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::facts::{Current, Facts, Issued};
use super::history::{FailureClass, Failures, History};
use super::pace::Pace;
use super::time::{DAY, HOUR, after, before};
use super::{backoff, budget};

/// How long files that are no pair may be a lagging volume, and what was issued
/// may not be seen in an emergency.
const LAG: SignedDuration = SignedDuration::from_mins(10);

/// What is to be done about one certificate, and when to look again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Verdict {
    #[serde(flatten)]
    pub(crate) decision: Decision,
    /// When the authority is to be asked of the time of the renewal; a moment in
    /// the past: now. `None`: not for this certificate.
    pub(crate) ask_ari_at: Option<Timestamp>,
}

/// Whether it is to be renewed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "decision")]
pub(crate) enum Decision {
    /// Now.
    Due {
        why: WhyDue,
        /// Whether the order counts against the account's limits, and so is to be
        /// told to [`Pace::ordered`].
        counts: bool,
    },
    /// Not before `until`, for the reason `then`.
    NotDue { until: Timestamp, then: WhyDue },
    /// It is due, and waits.
    Held {
        until: Timestamp,
        by: WhyHeld,
        why: WhyDue,
    },
}

/// Why a certificate is to be renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WhyDue {
    /// A person asked for it.
    Forced,
    /// Nothing is published.
    Missing,
    /// Only a placeholder is.
    Placeholder,
    /// What is published is no pair.
    Broken,
    /// Other names are wanted than it has.
    NamesChanged,
    Expired,
    /// A twentieth of its life is left.
    NearsExpiry,
    /// The authority's window, and the moment in it that was drawn.
    Window {
        start: Timestamp,
        end: Timestamp,
    },
    /// Enough of its life is over, and the authority names no window.
    Age,
}

/// What holds back a renewal that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WhyHeld {
    /// The authority asked to wait.
    RetryAfter { class: FailureClass },
    /// It failed, so often in a row.
    Failed { in_a_row: u32, class: FailureClass },
    /// What was issued is not what is published: a volume lags, or is another.
    Unseen { issued_at: Timestamp },
    /// Its names were issued so often within a week.
    Budget { issued: u32 },
    /// The account has made many orders in the last hours.
    Pace,
}

impl WhyDue {
    /// Whether there is nothing yet that could be renewed.
    pub(crate) fn obtains(self) -> bool {
        match self {
            Self::Missing | Self::Placeholder | Self::NamesChanged => true,
            Self::Forced
            | Self::Broken
            | Self::Expired
            | Self::NearsExpiry
            | Self::Window { .. }
            | Self::Age => false,
        }
    }
}

impl Verdict {
    /// When to look again, if nothing changes until then.
    pub(crate) fn look_at(&self, now: Timestamp) -> Timestamp {
        let decided = match self.decision {
            Decision::Due { .. } => now,
            Decision::NotDue { until, .. } | Decision::Held { until, .. } => until,
        };
        self.ask_ari_at.map_or(decided, |ask| decided.min(ask))
    }

    /// Whether the authority is to be asked of the time of the renewal now.
    pub(crate) fn asks_ari(&self, now: Timestamp) -> bool {
        self.ask_ari_at.is_some_and(|at| at <= now)
    }
}

/// What to do about the certificate of which `facts` and `history` tell, at
/// `now`; `pace` is its account's.
pub(crate) fn verdict(facts: &Facts, history: &History, pace: &Pace, now: Timestamp) -> Verdict {
    let (due_at, why) = due(facts, history, now);
    let decision = if now < due_at {
        Decision::NotDue {
            until: due_at,
            then: why,
        }
    } else {
        decide_due(facts, history, pace, now, why)
    };
    Verdict {
        decision,
        ask_ari_at: ask_ari_at(facts, history, now),
    }
}

/// When it is due, and why.
fn due(facts: &Facts, history: &History, now: Timestamp) -> (Timestamp, WhyDue) {
    let issued = match &facts.current {
        Current::Missing => return (now, WhyDue::Missing),
        Current::Placeholder => return (now, WhyDue::Placeholder),
        Current::Broken { .. } if facts.forced => return (now, WhyDue::Forced),
        Current::Broken { since } => return (after(*since, LAG), WhyDue::Broken),
        Current::Issued(issued) => issued,
    };
    if issued.names != facts.wanted {
        return (now, WhyDue::NamesChanged);
    }
    if facts.forced {
        return (now, WhyDue::Forced);
    }
    if issued.not_after <= now {
        return (now, WhyDue::Expired);
    }
    let window = history.ari().and_then(|ari| ari.window(issued));
    let (planned, why) = match window {
        Some(window) => {
            let (start, end) = (window.start, window.end);
            (window.moment, WhyDue::Window { start, end })
        }
        None => (issued.renewal_at(), WhyDue::Age),
    };
    let nears_expiry = issued.nears_expiry_at();
    if nears_expiry <= now.max(planned) {
        (nears_expiry, WhyDue::NearsExpiry)
    } else {
        (planned, why)
    }
}

fn decide_due(
    facts: &Facts,
    history: &History,
    pace: &Pace,
    now: Timestamp,
    why: WhyDue,
) -> Decision {
    let counts = !is_exempt(facts, history, now);
    let emergency = emergency_from(facts);
    let paced = counts && !facts.forced && emergency.is_none_or(|from| now < from);
    let held = [
        retry_after(facts, history),
        failed(facts, history),
        unseen(facts, history),
        budgeted(facts, history, now),
        paced.then(|| (pace.free_at(), WhyHeld::Pace)),
    ];
    let longest = held.into_iter().flatten().max_by_key(|(until, _)| *until);
    match longest {
        Some((until, by)) if now < until => Decision::Held { until, by, why },
        _ => Decision::Due { why, counts },
    }
}

/// Nothing overrides it, not even a person: what is asked before is refused, and
/// may be held against the account.
fn retry_after(facts: &Facts, history: &History) -> Option<(Timestamp, WhyHeld)> {
    let asked = failures(facts, history).filter_map(|failures| {
        let class = failures.class;
        let until = backoff::asked_to_wait(failures)?;
        Some((until, WhyHeld::RetryAfter { class }))
    });
    asked.max_by_key(|(until, _)| *until)
}

fn failed(facts: &Facts, history: &History) -> Option<(Timestamp, WhyHeld)> {
    if facts.forced {
        return None;
    }
    let held = failures(facts, history).map(|failures| {
        let (in_a_row, class) = (failures.in_a_row, failures.class);
        let until = backoff::until(failures, facts);
        (until, WhyHeld::Failed { in_a_row, class })
    });
    held.max_by_key(|(until, _)| *until)
}

/// Its own, and those of others that would meet it as well.
fn failures<'a>(facts: &'a Facts, history: &'a History) -> impl Iterator<Item = &'a Failures> {
    let own = history.failures_with(facts.authority);
    own.into_iter().chain(facts.shared.failures())
}

fn budgeted(facts: &Facts, history: &History, now: Timestamp) -> Option<(Timestamp, WhyHeld)> {
    if facts.forced {
        return None;
    }
    let (until, issued) = budget::until(facts, history, now)?;
    Some((until, WhyHeld::Budget { issued }))
}

/// A certificate that was issued and is not what is published is a fault to tell
/// of, not a reason to order again: the volume lags, or another one is mounted.
/// After a day it is taken to be gone; sooner, if what is published nears its
/// expiry.
fn unseen(facts: &Facts, history: &History) -> Option<(Timestamp, WhyHeld)> {
    let last = history.last()?;
    let seen = facts.current.issued().is_some_and(|issued| {
        let earlier = issued.not_before < before(last.at, HOUR * 2);
        issued.fingerprint == last.certificate
            || (last.replaced != Some(issued.fingerprint) && !earlier)
    });
    if seen || facts.forced {
        return None;
    }
    let gone = after(last.at, DAY);
    let until = match emergency_from(facts) {
        Some(from) => gone.min(from.max(after(last.at, LAG))),
        None => gone,
    };
    let issued_at = last.at;
    Some((until, WhyHeld::Unseen { issued_at }))
}

/// From when on what is published nears its expiry, or has passed it.
fn emergency_from(facts: &Facts) -> Option<Timestamp> {
    facts.current.issued().map(Issued::nears_expiry_at)
}

/// Whether an authority with renewal windows counts this order against nothing:
/// it replaces a certificate within the window that it was told. After the end of
/// the window Let's Encrypt counts it again, though only against the limit on one
/// set of names.
fn is_exempt(facts: &Facts, history: &History, now: Timestamp) -> bool {
    let issued = facts.current.issued();
    let window = issued.and_then(|issued| history.ari()?.window(issued));
    window.is_some_and(|window| window.start <= now && now < window.end)
}

/// When to ask the authority of the time of the renewal. Never for one that has
/// expired, or that was replaced (RFC 9773, section 4.3).
pub(crate) fn ask_ari_at(facts: &Facts, history: &History, now: Timestamp) -> Option<Timestamp> {
    let issued = facts.current.issued()?;
    let replaced = history.last().and_then(|last| last.replaced);
    if issued.not_after <= now || replaced == Some(issued.fingerprint) {
        return None;
    }
    let known = history.ari().filter(|ari| ari.is_about(issued.fingerprint));
    Some(known.map_or(Timestamp::MIN, |ari| ari.ask_at()))
}
