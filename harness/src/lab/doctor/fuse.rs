//! Whether nodes can mount file systems of user space.

use super::{Check, Finding, machine::Machine};

pub(super) const CHECK: Check = Check {
    name: "fuse",
    judge,
};

fn judge(machine: &Machine) -> Finding {
    let refused = match &machine.trial {
        Ok(trial) if trial.get("fuse").is_some_and(|outcome| outcome == "ok") => {
            return Finding::ok("nodes can open /dev/fuse");
        }
        Ok(trial) => trial.get("fuse").cloned().unwrap_or_default(),
        Err(_) if machine.kernel.fuse_device => {
            return Finding::ok("/dev/fuse is there; not tried in a node");
        }
        Err(_) => "there is no /dev/fuse".to_owned(),
    };
    Finding::limited(
        format!("nodes cannot open /dev/fuse ({refused})"),
        "mount GlusterFS: labs with --volume bind or lagging only",
        "load the kernel's module (modprobe fuse)",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_node_was_refused_counts_more_than_what_the_machine_has() {
        let machine = Machine::with_trial("fuse", "failed: Operation not permitted");
        assert!(matches!(judge(&machine), Finding::Limited { .. }));
    }
}
