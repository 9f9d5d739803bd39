//! Whether a Docker engine answers, and which.

use super::{Check, Finding, machine::Machine, release};

pub(super) const CHECK: Check = Check {
    name: "engine",
    judge,
};

fn judge(machine: &Machine) -> Finding {
    match &machine.engine {
        Ok(engine) if engine.rootless => Finding::missing(
            format!("{} at {} runs without root", engine.version, engine.address),
            "set DOCKER_HOST to an engine that runs as root: nodes need capabilities that a \
             rootless one cannot give",
        ),
        Ok(engine) => release::judge(
            format!("{} at {}", engine.version, engine.address),
            &engine.version,
            "this engine",
        ),
        Err(why) => Finding::missing(
            format!("none answers ({why})"),
            "run ci/engine, or install one (Debian: apt-get install docker.io) and start it",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_an_engine_no_lab_runs() {
        let mut machine = Machine::good();
        machine.engine = Err("no such file".to_owned());
        assert!(matches!(judge(&machine), Finding::Missing { .. }));
    }

    #[test]
    fn one_that_cuts_connections_is_named() {
        let machine = Machine::with_engine(|engine| engine.version = "29.1.4".to_owned());
        assert!(matches!(judge(&machine), Finding::Limited { .. }));
    }

    #[test]
    fn a_rootless_one_will_not_do() {
        let machine = Machine::with_engine(|engine| engine.rootless = true);
        assert!(matches!(judge(&machine), Finding::Missing { .. }));
    }
}
