//! Whether there is a `docker` that deploys stacks.

use super::{Check, Finding, machine::Machine};

pub(super) const CHECK: Check = Check {
    name: "client",
    judge,
};

fn judge(machine: &Machine) -> Finding {
    const INSTALL: &str = "install Docker's command line (Debian: apt-get install docker-cli, \
                           where it is not part of docker.io)";
    match &machine.client {
        Ok(client) if client.stack => {
            Finding::ok(format!("docker {} with docker stack", client.version))
        }
        Ok(client) => Finding::missing(
            format!("docker {} has no docker stack", client.version),
            INSTALL,
        ),
        Err(why) => Finding::missing(
            format!("there is no docker to run ({})", why.trim()),
            INSTALL,
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::machine::Client;
    use super::*;

    #[test]
    fn a_client_without_stacks_will_not_do() {
        let mut machine = Machine::good();
        machine.client = Ok(Client {
            version: "20.10".to_owned(),
            stack: false,
        });
        assert!(matches!(judge(&machine), Finding::Missing { .. }));
        machine.client = Err("no such file".to_owned());
        assert!(matches!(judge(&machine), Finding::Missing { .. }));
    }
}
