//! Whether containers can have every capability.

use super::{Check, Finding, machine::Machine};

pub(super) const CHECK: Check = Check {
    name: "privileges",
    judge,
};

/// Nodes do without; so this is said, and takes nothing away. Whether they may
/// do what they need is what [`containers`](super::containers) tries.
fn judge(machine: &Machine) -> Finding {
    Finding::ok(if machine.privileged {
        "nodes are privileged containers"
    } else {
        "this machine has no CAP_SYS_RESOURCE, so no privileged containers; nodes get all other \
         capabilities one by one"
    })
}
