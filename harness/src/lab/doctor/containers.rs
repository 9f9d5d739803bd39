//! Whether a container may do what a Docker daemon does.

use super::{Check, Finding, machine::Machine};

pub(super) const CHECK: Check = Check {
    name: "containers",
    judge,
};

/// What dockerd does for every task: mounts, control groups, a file system of
/// layers, and the three kinds of link that an overlay network is made of.
const NEEDED: [&str; 7] = [
    "mount", "cgroup", "overlay", "bridge", "veth", "vxlan", "iptables",
];

fn judge(machine: &Machine) -> Finding {
    let trial = match &machine.trial {
        Ok(trial) => trial,
        Err(why) if machine.engine.is_err() || why.contains("is not there") => {
            return Finding::unknown(why);
        }
        Err(why) => {
            return Finding::missing(
                format!("one such as a node does not start ({why})"),
                "let the engine run containers with all capabilities of this machine",
            );
        }
    };
    let refused: Vec<String> = NEEDED
        .iter()
        .filter_map(|&name| match trial.get(name).map(String::as_str) {
            Some("ok") => None,
            outcome => Some(format!("{name} {}", outcome.unwrap_or("was not tried"))),
        })
        .collect();
    if refused.is_empty() {
        return Finding::ok(format!(
            "one may do what a daemon does: {}",
            NEEDED.join(", ")
        ));
    }
    Finding::missing(
        refused.join("; "),
        "take a kernel that has it (overlay, bridge, veth, vxlan, iptables' nat), and an engine \
         that lets containers use it",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_may_not_do_it_names_what() {
        let machine = Machine::with_trial("vxlan", "failed: Error: Unknown device type.");
        let Finding::Missing { found, .. } = judge(&machine) else {
            panic!("expected it to be missing");
        };
        assert_eq!(found, "vxlan failed: Error: Unknown device type.");
    }

    #[test]
    fn what_could_not_be_tried_is_not_called_missing() {
        let mut machine = Machine::good();
        machine.trial = Err("the image x is not there to try it with".to_owned());
        assert!(matches!(judge(&machine), Finding::Limited { .. }));
        machine.trial = Err("run sh: operation not permitted".to_owned());
        assert!(matches!(judge(&machine), Finding::Missing { .. }));
    }
}
