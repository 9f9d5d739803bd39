//! How fast one account orders. Let's Encrypt takes 300 orders of an account in
//! three hours: a first deploy of a thousand certificates would spend that in
//! minutes, and then every order after it.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::time::{after, before};

/// How many orders may go at once: half of what Let's Encrypt has in its bucket.
const BURST: i32 = 150;
/// How often one more may go: 80 an hour, where Let's Encrypt gives back 100.
const INTERVAL: SignedDuration = SignedDuration::from_secs(45);

/// The orders of one account that count against its limits: those that renew
/// within the authority's window (RFC 9773) do not.
///
/// A bucket as one number: the moment at which it will be full again. After a
/// restart it is [counted](Self::of) from what is kept of each certificate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Pace {
    full_at: Timestamp,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            full_at: Timestamp::MIN,
        }
    }
}

impl Pace {
    /// That after these orders, in any order.
    pub(crate) fn of(mut orders: Vec<Timestamp>) -> Self {
        orders.sort_unstable();
        let mut pace = Self::default();
        for at in orders {
            pace.ordered(at);
        }
        pace
    }

    /// When the next order may go.
    pub(crate) fn free_at(&self) -> Timestamp {
        before(self.full_at, INTERVAL * (BURST - 1))
    }

    /// Remembers an order of `at`.
    pub(crate) fn ordered(&mut self, at: Timestamp) {
        self.full_at = after(self.full_at.max(at), INTERVAL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_goes_at_once_and_then_one_every_interval() {
        let (mut pace, start) = (Pace::default(), Timestamp::UNIX_EPOCH);
        let mut now = start;
        for _ in 0..BURST {
            assert!(pace.free_at() <= now);
            pace.ordered(now);
        }
        for nth in 1..10 {
            assert_eq!(pace.free_at(), start + INTERVAL * nth);
            now = pace.free_at();
            pace.ordered(now);
        }
        // However it is told of them.
        let orders = (0..BURST).map(|_| start);
        let orders = (1..10).map(|nth| start + INTERVAL * nth).chain(orders);
        assert_eq!(Pace::of(orders.collect()), pace);
        let later = now + INTERVAL * BURST;
        assert!(pace.free_at() <= later);
    }
}
