//! Bodies that take their time.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// How a lane's bodies go: not too fast, and never standing still for too long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// How long a body is made to take.
    pub(super) lasting: Duration,
    /// How long may pass without a byte.
    pub(super) patience: Duration,
}

impl Pace {
    /// As fast as it goes, until the deadline.
    pub(super) const UNLIMITED: Self = Self {
        lasting: Duration::ZERO,
        patience: Duration::MAX,
    };

    /// Begins a body of this length, now.
    pub(super) fn begin(self, length: u64) -> Turns {
        let slowly = !self.lasting.is_zero() && length > 0;
        Turns {
            began: Instant::now(),
            rate: slowly.then(|| length as f64 / self.lasting.as_secs_f64()),
            done: 0,
        }
    }
}

/// When how much of a body may go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turns {
    began: Instant,
    /// Bytes a second; `None`: as fast as it goes.
    rate: Option<f64>,
    done: u64,
}

impl Turns {
    /// Waits until some more may go; returns how much at most.
    pub(super) async fn next(&self) -> u64 {
        /// As much as a TLS record carries.
        const MOST: f64 = 16384.0;
        /// So many turns a second: even enough, and few enough.
        const TURNS: f64 = 20.0;
        let Some(rate) = self.rate else {
            return MOST as u64;
        };
        let most = (rate / TURNS).ceil().min(MOST);
        let due = (self.done as f64 + most) / rate;
        sleep_until(self.began + Duration::from_secs_f64(due)).await;
        most as u64
    }

    /// So many more bytes have gone.
    pub(super) fn went(&mut self, bytes: u64) {
        self.done += bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn time_for(length: u64, lasting: Duration) -> Duration {
        let patience = Duration::from_secs(5);
        let mut turns = Pace { lasting, patience }.begin(length);
        let began = Instant::now();
        while turns.done < length {
            let most = turns.next().await;
            turns.went(most.min(length - turns.done));
        }
        began.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_takes_as_long_as_it_is_made_to() {
        for length in [40, 1_000, 3_000_000] {
            let took = time_for(length, Duration::from_secs(4)).await;
            assert!(took >= Duration::from_secs(4), "{length}: {took:?}");
            assert!(took <= Duration::from_millis(4_200), "{length}: {took:?}");
        }
        assert_eq!(time_for(1_000_000, Duration::ZERO).await, Duration::ZERO);
    }
}
