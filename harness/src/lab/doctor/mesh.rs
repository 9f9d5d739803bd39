//! Whether swarm's routing mesh and virtual addresses work.

use super::{
    Check, Finding,
    machine::{Machine, Part},
};

pub(super) const CHECK: Check = Check {
    name: "mesh",
    judge,
};

/// The mesh is IPVS in the kernel. Without it dockerd only logs a line, and
/// published ports and service addresses answer nothing.
fn judge(machine: &Machine) -> Finding {
    const CANNOT: &str = "reach a service by the routing mesh or by its virtual address";
    match machine.kernel.ipvs {
        Part::Ready => Finding::ok("the kernel has IPVS"),
        Part::Loadable => Finding::limited(
            "IPVS is not loaded, and a node cannot load it",
            CANNOT,
            "modprobe ip_vs",
        ),
        Part::None => Finding::limited(
            "the kernel has no IPVS",
            CANNOT,
            "publish ports with mode: host, and use tasks.NAME or endpoint_mode: dnsrr between \
             services, as stack.yml does in a lab; for the mesh itself take a kernel with ip_vs",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_that_is_not_loaded_is_as_good_as_none_for_a_node() {
        let mut machine = Machine::good();
        for part in [Part::Loadable, Part::None] {
            machine.kernel.ipvs = part;
            assert!(matches!(judge(&machine), Finding::Limited { .. }));
        }
    }
}
