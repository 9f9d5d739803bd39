//! Which control groups there are.

use super::{Check, Finding, machine::Machine};

pub(super) const CHECK: Check = Check {
    name: "cgroups",
    judge,
};

/// Both kinds work, so there is nothing to complain of; it is what somebody asks
/// first when a container behaves oddly.
fn judge(machine: &Machine) -> Finding {
    match &machine.engine {
        Ok(engine) if engine.cgroup_version.is_empty() => Finding::ok("the engine does not say"),
        Ok(engine) => Finding::ok(format!("version {}", engine.cgroup_version)),
        Err(_) => Finding::unknown("no engine answers"),
    }
}
