//! Whether there are enough cores.

use super::{Check, Finding, machine::Machine};

pub(super) const CHECK: Check = Check {
    name: "cores",
    judge,
};

/// On one core the traffic and what it measures take it from each other.
const FOR_TRAFFIC: usize = 2;

fn judge(machine: &Machine) -> Finding {
    let found = format!("{} for this process", machine.cores);
    if machine.cores >= FOR_TRAFFIC {
        return Finding::ok(found);
    }
    Finding::limited(
        found,
        "keep traffic on its schedule beside a cluster: many runs will not count",
        "give it two cores or more",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_core_is_not_enough_for_traffic() {
        let mut machine = Machine::good();
        machine.cores = 1;
        assert!(matches!(judge(&machine), Finding::Limited { .. }));
    }
}
