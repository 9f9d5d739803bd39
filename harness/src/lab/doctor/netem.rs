//! Whether links can be made slow.

use super::{Check, Finding, machine::Machine};

pub(super) const CHECK: Check = Check {
    name: "netem",
    judge,
};

fn judge(machine: &Machine) -> Finding {
    let refused = match &machine.trial {
        Ok(trial) if trial.get("netem").is_some_and(|outcome| outcome == "ok") => {
            return Finding::ok("nodes can make their links slow");
        }
        Ok(trial) => trial.get("netem").cloned().unwrap_or_default(),
        Err(why) => return Finding::unknown(why),
    };
    Finding::limited(
        format!("nodes cannot make their links slow ({refused})"),
        "inject the fault of a slow link",
        "load the kernel's module (modprobe sch_netem); lanes of traffic take a delay without it",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_without_it_is_limited() {
        let machine = Machine::with_trial("netem", "failed: Specified qdisc kind is unknown");
        assert!(matches!(judge(&machine), Finding::Limited { .. }));
    }
}
