//! What the machine had to spare while traffic was driven.

use std::convert::Infallible;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::{MissedTickBehavior, interval};

use super::clock::RunClock;
use super::outcome::micros;
use crate::machine::{Meter, Spent};

/// The kernel counts in hundredths of a second.
const INTERVAL: Duration = Duration::from_millis(500);
/// Below this share of idle time, processors have nothing to spare.
const LEAST: f64 = 0.05;

/// How this machine's processors spent a time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MachineSeen {
    /// Its begin.
    #[serde(with = "micros")]
    pub from: Duration,
    /// Its end.
    #[serde(with = "micros")]
    pub until: Duration,
    /// How.
    #[serde(flatten)]
    pub spent: Spent,
}

impl MachineSeen {
    fn lasted(&self) -> Duration {
        self.until.saturating_sub(self.from)
    }
}

/// Looks, until it is dropped. Where the kernel does not tell, nothing is seen.
pub(super) async fn look(clock: &RunClock, seen: &mut Vec<MachineSeen>) -> Infallible {
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut meter, mut from) = (Meter::default(), clock.now());
    loop {
        ticks.tick().await;
        let until = clock.now();
        let spent = meter.spent();
        seen.extend(spent.map(|spent| MachineSeen { from, until, spent }));
        from = until;
    }
}

/// How long there was nothing to spare.
pub(super) fn busy(seen: &[MachineSeen]) -> Duration {
    let busy = seen.iter().filter(|it| it.spent.idle < LEAST);
    busy.map(MachineSeen::lasted).sum()
}

/// Whether there was nothing to spare between two moments, as a whole.
pub(super) fn is_busy(seen: &[MachineSeen], from: Duration, until: Duration) -> bool {
    let meanwhile = seen.iter().filter(|it| it.from < until && from < it.until);
    let (mut lasted, mut idle) = (0.0, 0.0);
    for it in meanwhile {
        let seconds = it.lasted().as_secs_f64();
        lasted += seconds;
        idle += it.spent.idle * seconds;
    }
    lasted > 0.0 && idle / lasted < LEAST
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// A second each.
    fn seen(idle: &[f64]) -> Vec<MachineSeen> {
        let each = idle.iter().zip(0..).map(|(&idle, n)| MachineSeen {
            from: SECOND * n,
            until: SECOND * (n + 1),
            spent: Spent { idle, stolen: 0.0 },
        });
        each.collect()
    }

    #[test]
    fn a_machine_is_busy_when_all_of_a_time_left_nothing_to_spare() {
        let seen = seen(&[0.5, 0.0, 0.06, 0.01, 0.9]);
        assert_eq!(busy(&seen), SECOND * 2);
        assert!(is_busy(&seen, SECOND, SECOND * 4));
        assert!(
            !is_busy(&seen, SECOND / 2, SECOND * 4),
            "it began in a quiet second"
        );
        assert!(!is_busy(&seen, SECOND * 9, SECOND * 10), "nobody looked");
    }
}
