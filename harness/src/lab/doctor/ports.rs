//! Whether there are ports for many new connections.

use super::{Check, Finding, machine::Machine};

pub(super) const CHECK: Check = Check {
    name: "ports",
    judge,
};

/// A lab listens at its own addresses only. But each connection to it takes a port
/// here, and who closes it first keeps that for a minute: two hundred a second, all
/// to one server.
const A_MINUTE_OF_TRAFFIC: u32 = 60 * 200;

fn judge(machine: &Machine) -> Finding {
    let Some(ports) = machine.ports else {
        return Finding::ok("the kernel does not say how many connections have one");
    };
    let found =
        format!("{ports} for connections to one server; a lab listens at none of this machine");
    if ports >= A_MINUTE_OF_TRAFFIC {
        return Finding::ok(found);
    }
    Finding::limited(
        found,
        format!(
            "open more than {} new connections a second to one server",
            ports / 60
        ),
        "sysctl -w net.ipv4.ip_local_port_range='32768 60999'",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_ports_are_said_with_what_they_allow() {
        let mut machine = Machine::good();
        machine.ports = Some(1200);
        let Finding::Limited { cannot, .. } = judge(&machine) else {
            panic!("expected it to be limited");
        };
        assert!(cannot.contains("more than 20 new"), "{cannot}");
        machine.ports = None;
        assert!(matches!(judge(&machine), Finding::Ok { .. }));
    }
}
