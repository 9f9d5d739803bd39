//! How a person gets at a lab that stands.

use std::fmt::Write;

use rollover_lab::lab::{Lab, Node};
use serde::Serialize;

/// How to get at a lab: what `up` and `run --keep` print.
#[derive(Debug, Serialize)]
pub(super) struct Access {
    run: String,
    /// For `docker`: the first manager's socket.
    docker_host: String,
    nodes: Vec<Reach>,
    /// The lab's files on this machine.
    directory: String,
    /// Where every node mounts the volume.
    volume: &'static str,
    acme_directory: Option<String>,
    site: Option<Page>,
}

#[derive(Debug, Serialize)]
struct Reach {
    name: String,
    address: String,
    docker_host: String,
    manager: bool,
}

/// The stack that was deployed, as a browser sees it.
#[derive(Debug, Serialize)]
struct Page {
    domain: String,
    /// The authority to trust, in PEM.
    root: String,
}

impl Access {
    pub(super) fn to(lab: &Lab) -> Self {
        let managers = lab.managers().len();
        let reach = |(number, node): (usize, &Node)| Reach {
            name: node.name().to_owned(),
            address: node.address().to_string(),
            docker_host: socket(node),
            manager: number < managers,
        };
        Self {
            run: lab.run().to_owned(),
            docker_host: socket(lab.manager()),
            nodes: lab.nodes().iter().enumerate().map(reach).collect(),
            directory: lab.directory().display().to_string(),
            volume: rollover_lab::volume::MOUNT_POINT,
            acme_directory: lab.pebble().map(rollover_lab::acme::Pebble::directory_url),
            site: None,
        }
    }

    /// The same with the stack that serves `domain` in it.
    pub(super) fn with_site(mut self, domain: &str, root: String) -> Self {
        self.site = Some(Page {
            domain: domain.to_owned(),
            root,
        });
        self
    }

    /// For people.
    pub(super) fn told(&self) -> String {
        let mut text = String::new();
        let first = &self.nodes[0];
        let mut line = |what: &str, value: &str| {
            let _ = writeln!(text, "{what:<9}{value}");
        };
        line("lab", &self.run);
        line(
            "docker",
            &format!("export DOCKER_HOST={}", self.docker_host),
        );
        for node in &self.nodes {
            let role = if node.manager { "manager" } else { "worker" };
            line(&node.name, &format!("{:<16}{role}", node.address));
        }
        line("volume", &format!("{} in every node", self.volume));
        line("files", &self.directory);
        if let Some(acme) = &self.acme_directory {
            line("acme", acme);
        }
        if let Some(page) = &self.site {
            let Page { domain, root } = page;
            let address = &first.address;
            let curl =
                format!("curl --cacert {root} --resolve {domain}:443:{address} https://{domain}/");
            line("curl", &curl);
            let browser = format!(
                "chromium --user-data-dir={}/browser --host-resolver-rules='MAP {domain} \
                 {address}' https://{domain}/ (its authority: {root})",
                self.directory
            );
            line("browser", &browser);
        } else {
            let browser = format!("http://{}:PORT/ for a port in mode: host", first.address);
            line("browser", &browser);
        }
        let run = &self.run;
        line(
            "shell",
            &format!("rollover-lab exec --run {run} node-1 -- bash"),
        );
        line("end", &format!("rollover-lab down {run}"));
        text.trim_end().to_owned()
    }
}

fn socket(node: &Node) -> String {
    format!("unix://{}", node.socket().display())
}
