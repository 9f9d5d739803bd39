//! Whether there is room for images and nodes.

use super::{
    Check, Finding,
    machine::{Machine, gibibytes},
};

pub(super) const CHECK: Check = Check {
    name: "disk",
    judge,
};

/// What three nodes with the stack's images take while they live.
const THREE_NODES: u64 = 2 << 30;

fn judge(machine: &Machine) -> Finding {
    let free = match &machine.engine {
        Ok(engine) => engine.disk,
        Err(_) => return Finding::unknown("no engine answers"),
    };
    let Some(free) = free else {
        return Finding::ok("the engine's directory cannot be seen from here");
    };
    let found = format!("{} free where the engine keeps images", gibibytes(free));
    if free >= THREE_NODES {
        return Finding::ok(found);
    }
    Finding::limited(
        found,
        format!(
            "count on a lab of three nodes with the stack, which takes up to {}",
            gibibytes(THREE_NODES)
        ),
        "make room (rollover-lab reap, docker system prune)",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_room_is_said() {
        let with = |disk| judge(&Machine::with_engine(|engine| engine.disk = disk));
        assert!(matches!(with(Some(1 << 30)), Finding::Limited { .. }));
        assert!(matches!(with(None), Finding::Ok { .. }));
    }
}
