//! What programs have taken of the processors, in user mode and in the kernel.

use std::time::Duration;

use procfs::process::{Process, Stat};

use super::CouldNot;

/// What a process, or a thread, has taken until now.
pub(super) fn of(stat: &Stat) -> Duration {
    time(stat.utime + stat.stime)
}

/// What the traffic's threads have taken until now.
pub(super) fn of_the_traffic() -> Result<Duration, CouldNot> {
    let threads = Process::myself()?.tasks()?;
    // A thread may end while we look.
    let stats = threads.filter_map(|thread| thread.ok()?.stat().ok());
    Ok(stats
        .filter(|it| it.comm == "traffic")
        .map(|it| of(&it))
        .sum())
}

/// What the programs have taken that this one has started and that have ended.
pub(super) fn of_ended_children() -> Result<Duration, CouldNot> {
    let stat = Process::myself()?.stat()?;
    // The kernel's numbers are signed, and none is below zero.
    Ok(time((stat.cutime + stat.cstime).unsigned_abs()))
}

fn time(ticks: u64) -> Duration {
    Duration::from_secs_f64(ticks as f64 / procfs::ticks_per_second() as f64)
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;

    use super::*;

    #[test]
    fn what_the_threads_of_traffic_take_is_counted_and_no_others() {
        let works = || {
            let before = of_the_traffic().unwrap();
            let mut turns = 0_u64;
            while of_the_traffic().unwrap() == before && turns < 10_000 {
                turns = black_box(turns + 1);
            }
            of_the_traffic().unwrap() > before
        };
        let named = |name: &str| std::thread::Builder::new().name(name.to_owned());
        assert!(named("traffic").spawn(works).unwrap().join().unwrap());
        assert!(!named("other").spawn(works).unwrap().join().unwrap());
    }

    #[test]
    fn children_that_were_waited_for_are_counted() {
        let before = of_ended_children().unwrap();
        let works = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done";
        let mut child = std::process::Command::new("sh");
        assert!(child.args(["-c", works]).status().unwrap().success());
        assert!(of_ended_children().unwrap() > before);
    }
}
