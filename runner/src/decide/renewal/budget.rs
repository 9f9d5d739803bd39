//! How often one set of names may be issued.
//!
//! Let's Encrypt issues five certificates for one exact set of names, and gives
//! back one every 34 hours, with no exemption for who asks. So:
//! - three in a week by themselves: a loop, whatever brings it about, ends there;
//! - a fourth in an emergency: when each success was lost (a full disk, a volume
//!   that went away), one more is worth it. Never a fifth: in any seven days at
//!   most four leave one in the authority's bucket, so that an emergency is never
//!   answered by a refusal, and a person who has mended the cause can still force.
//! - a person who forces is not held; what was forced counts.
//!
//! The authority counts all certificates for the set of names, one with an ECDSA
//! and one with an RSA key too, and not those that it has exempted. So both are
//! counted: what was issued under the certificate's own name, all of it; and what
//! counted at the authority, under whatever name.

use jiff::Timestamp;

use super::facts::Facts;
use super::history::History;
use super::time::{WEEK, after, before};

const BY_ITSELF: usize = 3;
const IN_AN_EMERGENCY: usize = 4;

/// Until when the budget holds an order back, and how many issuances it counts.
pub(super) fn until(facts: &Facts, history: &History, now: Timestamp) -> Option<(Timestamp, u32)> {
    let own = issuances(facts, history, now);
    let own = own.into_iter().map(|(at, _)| at).collect();
    let mut at_the_authority = counted(facts, history, now);
    at_the_authority.extend(facts.shared.issued_since(before(now, WEEK)));
    let limits = [own, at_the_authority].map(|times| limit(facts, times));
    limits.into_iter().flatten().max_by_key(|(until, _)| *until)
}

/// Until when so many issuances hold another one back.
fn limit(facts: &Facts, mut times: Vec<Timestamp>) -> Option<(Timestamp, u32)> {
    times.sort_unstable();
    let period = facts
        .current
        .issued()
        .map_or(WEEK, |issued| issued.budget_period());
    let frees = |allowed: usize| {
        let last_too_many = times.len().checked_sub(allowed)?;
        Some(after(*times.get(last_too_many)?, period))
    };
    let by_itself = frees(BY_ITSELF)?;
    let until = match facts.current.issued() {
        Some(issued) => {
            let emergency = frees(IN_AN_EMERGENCY).unwrap_or(Timestamp::MIN);
            by_itself.min(issued.nears_expiry_at().max(emergency))
        }
        None => by_itself,
    };
    let count = u32::try_from(times.len()).unwrap_or(u32::MAX);
    Some((until, count))
}

/// When the wanted set of names was issued under this certificate's name, as far
/// as the authority counts it.
pub(super) fn counted(facts: &Facts, history: &History, now: Timestamp) -> Vec<Timestamp> {
    let issuances = issuances(facts, history, now).into_iter();
    issuances
        .filter_map(|(at, counts)| counts.then_some(at))
        .collect()
}

/// When the wanted set of names was issued, and whether it counted: what is
/// remembered, and what is published though nothing is remembered of it (made by
/// hand, by an earlier engine, or just before a crash).
fn issuances(facts: &Facts, history: &History, now: Timestamp) -> Vec<(Timestamp, bool)> {
    let since = before(now, WEEK);
    let mut issuances: Vec<(Timestamp, bool)> = history
        .issuances_of(facts.authority, facts.wanted)
        .filter(|&(at, _)| at > since)
        .collect();
    let unknown = facts.current.issued().filter(|issued| {
        issued.names == facts.wanted
            && issued.not_before > since
            && !history.has_issued(issued.fingerprint)
    });
    issuances.extend(unknown.map(|issued| (issued.not_before, true)));
    issuances
}
