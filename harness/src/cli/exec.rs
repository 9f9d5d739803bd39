//! `rollover-lab exec`: a command in a node.

use std::io::IsTerminal;
use std::os::unix::process::CommandExt;
use std::process::Command;

use clap::Args;

use super::which::which;
use super::{CouldNot, Verdict};
use rollover_lab::lab::engine_address;

#[derive(Args, Debug)]
pub(super) struct Exec {
    /// The lab; needed where several stand
    #[arg(long)]
    run: Option<String>,

    /// The node, such as node-1
    node: String,

    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<String>,
}

impl Exec {
    /// Becomes `docker exec`: so the exit code, stdin, the terminal and its size
    /// are passed on as they are.
    pub(super) async fn run(self) -> Result<Verdict, CouldNot> {
        let lab = which(self.run.as_deref()).await?;
        let named = lab.nodes.iter().find(|node| node.name == self.node);
        let Some(node) = named else {
            let known: Vec<&str> = lab.nodes.iter().map(|node| node.name.as_str()).collect();
            let (run, node, engine) = (&lab.run, &self.node, engine_address());
            let known = match known.as_slice() {
                [] => format!("no node on the engine at {engine}; see DOCKER_HOST"),
                known => known.join(", "),
            };
            return Err(format!("lab {run} has no {node}; it has {known}").into());
        };
        let mut docker = Command::new("docker");
        docker.args(["--host", &engine_address()]);
        docker.env_remove("DOCKER_CONTEXT");
        docker.args(["exec", "--interactive"]);
        if std::io::stdin().is_terminal() && std::io::stdout().is_terminal() {
            docker.arg("--tty");
        }
        let error = docker.arg(&node.container).args(&self.command).exec();
        Err(format!("run docker: {error}").into())
    }
}
