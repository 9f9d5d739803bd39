//! What this machine's processors have to spare. Labs, what they are asked by, and what
//! else runs here share them: where there is nothing to spare, it may not be the product
//! that is late.
//!
//! ```
//! let mut meter = rollover_lab::machine::Meter::default();
//! assert_eq!(meter.spent(), None, "the first time");
//! let sum = (0..3_000_000u64).fold(0, u64::wrapping_add);
//! if let Some(spent) = meter.spent() {
//!     println!("{sum}; {:.0} % idle meanwhile", spent.idle * 100.0);
//! }
//! ```

use procfs::{CpuTime, CurrentSI, KernelStats};
use serde::{Deserialize, Serialize};

/// What processors have spent since the machine's start, all of them together, in ticks.
#[derive(Debug, Clone, Copy)]
struct Processors {
    all: u64,
    idle: u64,
    stolen: u64,
}

/// Tells how processors spent the time since it was asked last.
#[derive(Debug, Default)]
pub struct Meter(Option<Processors>);

impl Meter {
    /// How they spent it; `None` the first time, and where the kernel does not tell.
    pub fn spent(&mut self) -> Option<Spent> {
        self.then(Processors::now())
    }

    fn then(&mut self, now: Option<Processors>) -> Option<Spent> {
        let before = std::mem::replace(&mut self.0, now)?;
        now?.since(before)
    }
}

/// How processors spent a time, each as a share of all of it, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spent {
    /// They had nothing to do.
    pub idle: f64,
    /// They had, and the host of this virtual machine gave them to others.
    pub stolen: f64,
}

impl Processors {
    /// Up to now; `None` where the kernel does not tell.
    fn now() -> Option<Self> {
        let stats = KernelStats::current().ok()?;
        Some((&stats.total).into())
    }

    fn since(self, earlier: Self) -> Option<Spent> {
        let all = self.all.checked_sub(earlier.all).filter(|all| *all > 0)?;
        let share = |now: u64, then: u64| now.saturating_sub(then) as f64 / all as f64;
        Some(Spent {
            idle: share(self.idle, earlier.idle),
            stolen: share(self.stolen, earlier.stolen),
        })
    }
}

/// Time of guests is counted by the kernel within that of users, too.
impl From<&CpuTime> for Processors {
    fn from(time: &CpuTime) -> Self {
        let idle = time.idle + time.iowait.unwrap_or(0);
        let stolen = time.steal.unwrap_or(0);
        let interrupts = time.irq.unwrap_or(0) + time.softirq.unwrap_or(0);
        Self {
            all: time.user + time.nice + time.system + idle + interrupts + stolen,
            idle,
            stolen,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_the_time_since_it_was_asked_last() {
        let read = |all, idle, stolen| Some(Processors { all, idle, stolen });
        let mut meter = Meter::default();
        assert_eq!(meter.then(read(1000, 500, 20)), None, "the first time");
        let spent = meter.then(read(1200, 550, 30));
        let expected = Spent {
            idle: 0.25,
            stolen: 0.05,
        };
        assert_eq!(spent, Some(expected));
        assert_eq!(meter.then(read(1200, 550, 30)), None, "no time");
        assert_eq!(meter.then(None), None, "the kernel did not tell");
        assert_eq!(meter.then(read(1500, 550, 30)), None);
    }

    #[test]
    fn this_machine_tells() {
        let now = Processors::now().unwrap();
        assert!(now.all >= now.idle + now.stolen, "{now:?}");
        assert!(now.idle > 0, "{now:?}");
    }
}
