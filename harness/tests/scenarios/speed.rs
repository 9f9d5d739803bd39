//! How fast this machine is just now. It differs from machine to machine, and on one
//! that is shared from hour to hour; where too many labs stand side by side for it, it
//! is not the product that loses requests.

use std::collections::VecDeque;
use std::hint::black_box;
use std::time::{Duration, Instant};

use rollover_lab::machine::Meter;
use rustix::time::{ClockId, clock_gettime};

/// A machine with two processors carries as many labs as [`work`], unoptimized, fits in
/// here: three were tried where it took 9 ms, and were too many where it took 17 ms; five
/// where it took 6.5 ms.
const TOGETHER: Duration = Duration::from_millis(30);
/// How often it is measured, and how far back that counts.
const INTERVAL: Duration = Duration::from_secs(5);
const WINDOW: usize = 6;
/// Another lab is begun beside those that play when so much was idle lately, as a share:
/// the begin of one takes all that there is.
const TO_SPARE: f64 = 0.2;

/// What was measured lately.
#[derive(Default)]
pub(crate) struct Speed {
    last: Option<Instant>,
    took: VecDeque<Duration>,
    meter: Meter,
    spares: bool,
}

impl Speed {
    /// How many labs this machine carries, `most` at the most and one at the least. Asked
    /// again and again, for that is when it is measured.
    pub(crate) fn carries(&mut self, most: usize) -> usize {
        self.look();
        let took: Duration = self.took.iter().sum();
        let each = took.as_secs_f64() / self.took.len() as f64;
        ((TOGETHER.as_secs_f64() / each) as usize).clamp(1, most)
    }

    /// Whether something was left for one more when it was last looked. Only who asks first
    /// is told so, for what then begins is not seen before the next look.
    pub(crate) fn spares(&mut self) -> bool {
        self.look();
        std::mem::take(&mut self.spares)
    }

    fn look(&mut self) {
        if self.last.is_some_and(|last| last.elapsed() < INTERVAL) {
            return;
        }
        self.last = Some(Instant::now());
        self.took.push_back(work());
        if self.took.len() > WINDOW {
            self.took.pop_front();
        }
        let spent = self.meter.spent();
        self.spares = spent.is_none_or(|spent| spent.idle >= TO_SPARE);
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
