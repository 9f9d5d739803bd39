//! Which Docker the nodes of a lab run.

use super::{Check, Finding, machine::Machine, release};

pub(super) const CHECK: Check = Check {
    name: "nodes",
    judge,
};

fn judge(machine: &Machine) -> Finding {
    let said = match &machine.trial {
        Ok(trial) => trial.get("dockerd").map_or("", String::as_str),
        Err(why) => return Finding::unknown(why),
    };
    // "Docker version 28.5.2+dfsg4, build ..."
    let version = said
        .strip_prefix("Docker version ")
        .and_then(|rest| rest.split(',').next())
        .unwrap_or(said);
    release::judge(
        format!("they run Docker {version}"),
        version,
        "the nodes' Docker",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_that_cut_connections_are_named() {
        let machine = Machine::with_trial("dockerd", "Docker version 25.0.13, build 1");
        assert!(matches!(judge(&machine), Finding::Limited { .. }));
    }
}
