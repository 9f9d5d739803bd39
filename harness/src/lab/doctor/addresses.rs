//! Whether a lab finds a subnet.

use super::{Check, Finding, machine::Machine};

pub(super) const CHECK: Check = Check {
    name: "addresses",
    judge,
};

/// So few that labs side by side may not find one.
const FEW: usize = 4;

fn judge(machine: &Machine) -> Finding {
    const ADVICE: &str = "remove networks that nobody uses (rollover-lab reap, docker network \
                          prune), or set ROLLOVER_LAB_NETWORK to a range that is free here, such \
                          as 10.99.0.0/16";
    let Ok(engine) = &machine.engine else {
        return Finding::unknown("no engine answers");
    };
    let found = format!("{} subnets are free for labs", engine.subnets);
    match engine.subnets {
        0 => Finding::missing(found, ADVICE),
        1..FEW => Finding::limited(found, "run many labs side by side", ADVICE),
        _ => Finding::ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_subnet_no_lab_runs() {
        let with = |subnets| judge(&Machine::with_engine(|engine| engine.subnets = subnets));
        assert!(matches!(with(0), Finding::Missing { .. }));
        assert!(matches!(with(1), Finding::Limited { .. }));
        assert!(matches!(with(FEW), Finding::Ok { .. }));
    }
}
