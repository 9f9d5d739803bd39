//! Token buckets, as Let's Encrypt counts its limits.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// So many within so many seconds: a bucket that begins full, and is refilled one
/// by one, evenly, over that time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limit {
    pub(crate) count: u32,
    pub(crate) seconds: u32,
}

impl Limit {
    pub(crate) fn is_sensible(&self) -> bool {
        self.count > 0 && self.seconds > 0
    }

    /// How long one of them takes to come back.
    fn refill(&self) -> SignedDuration {
        let nanos = i64::from(self.seconds) * 1_000_000_000 / i64::from(self.count.max(1));
        SignedDuration::from_nanos(nanos)
    }

    fn all(&self) -> SignedDuration {
        SignedDuration::from_secs(i64::from(self.seconds))
    }
}

/// What is left of a limit. One number tells it: when the bucket is full again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    full_at: Timestamp,
}

impl Default for Bucket {
    fn default() -> Self {
        Self {
            full_at: Timestamp::UNIX_EPOCH,
        }
    }
}

impl Bucket {
    /// How long to wait until there is one to take at `at`; `None`: there is one.
    pub(crate) fn wait(&self, limit: Limit, at: Timestamp) -> Option<SignedDuration> {
        let missing = self.full_at.duration_since(at);
        let too_many = missing - (limit.all() - limit.refill());
        too_many.is_positive().then_some(too_many)
    }

    /// Takes one.
    pub(crate) fn take(&mut self, limit: Limit, at: Timestamp) {
        let full_at = self.full_at.max(at).checked_add(limit.refill());
        self.full_at = full_at.unwrap_or(Timestamp::MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Let's Encrypt documents its limit on exact sets: five at once, then one
    /// every 34 hours (33.6, precisely).
    #[test]
    fn a_bucket_begins_full_and_gives_back_one_by_one() {
        let limit = Limit {
            count: 5,
            seconds: 7 * 86_400,
        };
        let (mut bucket, mut now) = (Bucket::default(), Timestamp::UNIX_EPOCH);
        for _ in 0..5 {
            assert_eq!(bucket.wait(limit, now), None);
            bucket.take(limit, now);
        }
        let refill = SignedDuration::from_secs(33 * 3600 + 36 * 60);
        assert_eq!(bucket.wait(limit, now), Some(refill));
        now += refill;
        assert_eq!(bucket.wait(limit, now), None);
        bucket.take(limit, now);
        assert_eq!(bucket.wait(limit, now), Some(refill));
        now += limit.all();
        for _ in 0..5 {
            assert_eq!(bucket.wait(limit, now), None, "it is full again");
            bucket.take(limit, now);
        }
        assert!(bucket.wait(limit, now).is_some(), "and not more than full");
    }
}
