//! Whether there is enough memory.

use super::{
    Check, Finding,
    machine::{Machine, gibibytes},
};

pub(super) const CHECK: Check = Check {
    name: "memory",
    judge,
};

/// What three nodes with the stack take, and room beside them.
const THREE_NODES: u64 = 1 << 30;

fn judge(machine: &Machine) -> Finding {
    let Some(memory) = machine.memory else {
        return Finding::ok("the kernel does not say how much is free");
    };
    let found = format!("{} can be had", gibibytes(memory));
    if memory >= THREE_NODES {
        return Finding::ok(found);
    }
    Finding::limited(
        found,
        format!(
            "count on a lab of three nodes with the stack, which takes up to {}",
            gibibytes(THREE_NODES)
        ),
        "end other programs, or take fewer nodes (--nodes 1)",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_memory_is_said() {
        let mut machine = Machine::good();
        machine.memory = Some(1 << 29);
        assert!(matches!(judge(&machine), Finding::Limited { .. }));
        machine.memory = None;
        assert!(matches!(judge(&machine), Finding::Ok { .. }));
    }
}
