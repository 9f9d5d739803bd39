//! What comes when. A year of ten thousand certificates is some fifteen million
//! events, so that each is one number: the second, and what comes then.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use jiff::{SignedDuration, Timestamp};

/// Something that comes at its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The account may order again.
    Pace,
    /// The daemon starts anew.
    Restart,
    /// A certificate is looked at.
    Look(usize),
}

/// Events in the order of their seconds.
pub(super) struct Queue {
    start: Timestamp,
    events: BinaryHeap<Reverse<u64>>,
}

impl Event {
    fn number(self) -> u64 {
        match self {
            Self::Pace => 0,
            Self::Restart => 1,
            Self::Look(nth) => nth as u64 + 2,
        }
    }

    fn of(number: u64) -> Self {
        match number {
            0 => Self::Pace,
            1 => Self::Restart,
            // It was a usize before.
            nth => Self::Look(usize::try_from(nth - 2).unwrap_or(usize::MAX)),
        }
    }
}

impl Queue {
    pub(super) fn new(start: Timestamp) -> Self {
        Self {
            start,
            events: BinaryHeap::new(),
        }
    }

    /// Puts an event at the first full second from `at` on, and says which. What
    /// is too far away to be written comes at the last that can be: after the end
    /// of any simulation.
    pub(super) fn push(&mut self, at: Timestamp, event: Event) -> Timestamp {
        let since = at.duration_since(self.start);
        let up = i64::from(since.subsec_nanos() > 0);
        let second = since.as_secs().saturating_add(up);
        let second = u32::try_from(second.max(0)).unwrap_or(u32::MAX);
        let number = event.number() & u64::from(u32::MAX);
        self.events.push(Reverse(u64::from(second) << 32 | number));
        self.moment(second)
    }

    pub(super) fn pop(&mut self) -> Option<(Timestamp, Event)> {
        let Reverse(next) = self.events.pop()?;
        let second = u32::try_from(next >> 32).unwrap_or(u32::MAX);
        Some((self.moment(second), Event::of(next & u64::from(u32::MAX))))
    }

    fn moment(&self, second: u32) -> Timestamp {
        let since = SignedDuration::from_secs(second.into());
        self.start.checked_add(since).unwrap_or(Timestamp::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_by_their_seconds() {
        let start: Timestamp = "2026-12-01T00:00:00Z".parse().unwrap();
        let mut queue = Queue::new(start);
        let second = SignedDuration::from_secs(1);
        queue.push(start + second * 3, Event::Restart);
        let at = queue.push(start + second * 3 / 2, Event::Look(7));
        assert_eq!(at, start + second * 2, "never before it was meant to");
        queue.push(start - second, Event::Pace);
        queue.push(Timestamp::MAX, Event::Look(0));
        let mut come = std::iter::from_fn(|| queue.pop());
        assert_eq!(come.next(), Some((start, Event::Pace)));
        assert_eq!(come.next(), Some((start + second * 2, Event::Look(7))));
        assert_eq!(come.next(), Some((start + second * 3, Event::Restart)));
        assert!(
            come.next()
                .is_some_and(|(at, _)| at > start + SignedDuration::from_hours(24 * 36_500))
        );
        assert_eq!(come.next(), None);
    }
}
