//! What this machine's processors have to spare. Labs, what they are asked by, and what
//! else runs here share them: where there is nothing to spare, it may not be the product
//! that is late.

use procfs::{CpuTime, CurrentSI, KernelStats};
use serde::{Deserialize, Serialize};

/// What processors have spent since the machine's start, all of them together, in ticks.
#[derive(Debug, Clone, Copy)]
pub struct Processors {
    all: u64,
    idle: u64,
    stolen: u64,
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
    #[must_use]
    pub fn now() -> Option<Self> {
        KernelStats::current()
            .ok()
            .map(|stats| (&stats.total).into())
    }

    /// As it could have been read.
    #[cfg(test)]
    pub(crate) const fn read(all: u64, idle: u64, stolen: u64) -> Self {
        Self { all, idle, stolen }
    }

    /// How they spent the time since `earlier`; `None` if there was none.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Option<Spent> {
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
    fn shares_are_of_the_time_between() {
        let before = Processors::read(1000, 500, 20);
        let between = Processors::read(1200, 550, 30).since(&before);
        let expected = Spent {
            idle: 0.25,
            stolen: 0.05,
        };
        assert_eq!(between, Some(expected));
        assert_eq!(before.since(&before), None);
    }

    #[test]
    fn this_machine_tells() {
        let now = Processors::now().unwrap();
        assert!(now.all >= now.idle + now.stolen, "{now:?}");
        assert!(now.idle > 0, "{now:?}");
    }
}
