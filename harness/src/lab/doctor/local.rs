//! Whether the engine runs on this machine.

use super::{Check, Finding, machine::Machine};

pub(super) const CHECK: Check = Check {
    name: "local",
    judge,
};

/// Nodes are reached at their own addresses and by sockets in directories that
/// are shared with them: neither goes across machines, nor into the virtual
/// machine of Docker Desktop. One kernel tells one machine.
fn judge(machine: &Machine) -> Finding {
    let here = &machine.kernel.release;
    match &machine.engine {
        Err(_) => Finding::unknown("no engine answers"),
        Ok(engine) if engine.kernel == *here => {
            Finding::ok(format!("the engine runs here, on kernel {here}"))
        }
        Ok(engine) => Finding::missing(
            format!(
                "the engine runs on another machine or in a virtual one (kernel {}, here {here})",
                engine.kernel
            ),
            "run the lab on the machine that the engine runs on",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_elsewhere_will_not_do() {
        let machine = Machine::with_engine(|engine| engine.kernel = "6.10-linuxkit".to_owned());
        assert!(matches!(judge(&machine), Finding::Missing { .. }));
    }
}
