//! What programs have taken of the processors, as proc(5) has it: `stat`, whose times are
//! in hundredths of a second.

use std::{fs, time::Duration};

use super::super::CouldNot;

/// Time in user mode and in the kernel, counted from the field after the name.
const OWN: [usize; 2] = [11, 12];
/// The same of children that have ended and were waited for.
const OF_CHILDREN: [usize; 2] = [13, 14];

/// What the traffic's threads have taken until now.
pub(super) fn of_the_traffic() -> Result<Duration, CouldNot> {
    let mut taken = Duration::ZERO;
    for thread in fs::read_dir("/proc/self/task")? {
        // A thread may end while we look.
        let Ok(stat) = fs::read_to_string(thread?.path().join("stat")) else {
            continue;
        };
        if name(&stat).is_some_and(|name| name == "traffic") {
            taken += time(&stat, OWN)?;
        }
    }
    Ok(taken)
}

/// What the programs have taken that this one has started and that have ended.
pub(super) fn of_ended_children() -> Result<Duration, CouldNot> {
    time(&fs::read_to_string("/proc/self/stat")?, OF_CHILDREN)
}

fn name(stat: &str) -> Option<&str> {
    Some(stat.rsplit_once(')')?.0.split_once('(')?.1)
}

fn time(stat: &str, fields: [usize; 2]) -> Result<Duration, CouldNot> {
    let (_, rest) = stat.rsplit_once(')').unwrap_or(("", stat));
    let all: Vec<&str> = rest.split_whitespace().collect();
    let mut hundredths = 0;
    for field in fields {
        let text = all.get(field).copied().unwrap_or_default();
        hundredths += text.parse::<u64>().map_err(|error| {
            format!("read a thread's times: expected a number in field {field}: {error}: {stat}")
        })?;
    }
    Ok(Duration::from_millis(hundredths * 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str =
        "41 (traffic) S 1 41 41 0 -1 4194304 90 0 0 0 25 17 300 8 20 0 3 0 100 0 0 18446744";

    #[test]
    fn times_are_read_behind_a_name_that_may_have_anything_in_it() {
        for stat in [STAT.to_owned(), STAT.replace("traffic", "a) b (c")] {
            assert_eq!(time(&stat, OWN).unwrap(), Duration::from_millis(420));
            assert_eq!(
                time(&stat, OF_CHILDREN).unwrap(),
                Duration::from_millis(3080)
            );
        }
        assert_eq!(name(STAT), Some("traffic"));
        assert!(time("41 (traffic) S", OWN).is_err());
    }

    #[test]
    fn this_machine_tells_them() {
        of_the_traffic().unwrap();
        of_ended_children().unwrap();
    }
}
