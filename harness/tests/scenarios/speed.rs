//! How fast this machine is just now. It differs from machine to machine, and on one
//! that is shared from hour to hour; where too many labs stand side by side for it, it
//! is not the product that loses requests.

use std::collections::VecDeque;
use std::hint::black_box;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// What [`work`] takes at most, unoptimized, of a processor of a machine of which two carry
/// the labs that were tried. It took 9 ms there, and 17 ms where they were too many.
const USUAL: Duration = Duration::from_millis(10);
/// How often it is measured, and how far back that counts.
const INTERVAL: Duration = Duration::from_secs(5);
const WINDOW: usize = 6;

/// What was measured lately.
#[derive(Default)]
pub(crate) struct Speed {
    last: Option<Instant>,
    took: VecDeque<Duration>,
}

impl Speed {
    /// How many this machine carries of what the usual one carries `many` of; one at the
    /// least. Asked again and again, for that is when it is measured.
    pub(crate) fn of(&mut self, many: usize) -> usize {
        if self.last.is_none_or(|last| last.elapsed() >= INTERVAL) {
            self.last = Some(Instant::now());
            self.took.push_back(work());
            if self.took.len() > WINDOW {
                self.took.pop_front();
            }
        }
        let took: Duration = self.took.iter().sum();
        let usual = USUAL.as_secs_f64() * self.took.len() as f64;
        let carried = many as f64 * usual / took.as_secs_f64();
        (carried as usize).clamp(1, many)
    }
}

/// A piece of work that is always the same, and the processor's time that it took: what
/// else goes on here does not count.
fn work() -> Duration {
    let begun = spent();
    let mut next = 1_u64;
    let numbers = std::iter::repeat_with(|| {
        next = next.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        next >> 20
    });
    let mut numbers: Vec<u64> = numbers.take(20_000).collect();
    numbers.sort_unstable();
    black_box(numbers);
    spent() - begun
}

fn spent() -> Duration {
    let spent = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(spent.tv_sec.unsigned_abs(), spent.tv_nsec as u32)
}
