//! The command line: one file a subcommand.

mod access;
mod bench;
mod bundle;
mod demo;
mod doctor;
mod down;
mod exec;
mod gate;
mod progress;
mod reap;
mod run;
mod status;
mod up;
mod which;

use std::error::Error;
use std::io::{ErrorKind, IsTerminal, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use rollover_lab::with_causes;

/// A real multi-node Docker Swarm in containers: renews a certificate in it
/// under traffic, and says what was lost and why.
#[derive(Parser, Debug)]
#[command(name = "rollover-lab", version, about, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,

    /// Log what the lab does to stderr
    #[arg(long, short, global = true)]
    verbose: bool,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Say what this machine can and cannot do for a lab, and what to do about it
    Doctor(doctor::Doctor),
    /// Bring a lab up and leave it, for hands-on work
    Up(up::Up),
    /// Take a lab down that was left up
    Down(down::Down),
    /// Say which labs stand, and in what state
    Status(status::Status),
    /// Run a command in a node of a lab; its exit code is passed on
    Exec(exec::Exec),
    /// Show the whole way: a lab, the stack, a renewal under traffic
    Demo(demo::Demo),
    /// Play scenarios, and say what was found
    Run(run::Run),
    /// Check a stack file, or a change of one, before it is deployed
    #[command(subcommand)]
    Gate(gate::Gate),
    /// Measure: the lab's start, rollouts, issuing beside other clients, a large
    /// reconcile, the lab's own traffic
    Bench(bench::Bench),
    /// Remove what labs of killed runs have left
    Reap(reap::Reap),
}

/// How a command ended: 0, or 1 for what was found wanting.
pub(crate) enum Verdict {
    Passed,
    Failed,
}

/// Why a command could not be carried out: exit code 2.
type CouldNot = Box<dyn Error + Send + Sync>;

impl Cli {
    pub(crate) async fn run(self) -> ExitCode {
        log_to_stderr(self.verbose);
        let ended = match self.command {
            Command::Doctor(doctor) => doctor.run().await,
            Command::Up(up) => up.run().await,
            Command::Down(down) => down.run().await,
            Command::Status(status) => status.run().await,
            Command::Exec(exec) => exec.run().await,
            Command::Demo(demo) => demo.run().await,
            Command::Run(run) => run.run().await,
            Command::Gate(gate) => gate.run().await,
            Command::Bench(bench) => bench.run().await,
            Command::Reap(reap) => reap.run().await,
        };
        match ended {
            Ok(Verdict::Passed) => ExitCode::SUCCESS,
            Ok(Verdict::Failed) => ExitCode::from(1),
            Err(error) => {
                complain(&with_causes(error.as_ref()));
                ExitCode::from(2)
            }
        }
    }
}

fn log_to_stderr(verbose: bool) {
    let level = if verbose { "info" } else { "error" };
    let filter = tracing_subscriber::EnvFilter::try_from_env("ROLLOVER_LAB_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && !no_colour)
        .with_target(false)
        .init();
}

/// What time it is.
#[expect(
    clippy::disallowed_methods,
    reason = "ages of labs are all that a person is told by the clock"
)]
fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

/// Prints a result to stdout. Whoever reads it may have had enough, as `head` has.
fn print(text: &str) {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            complain(&format!("cannot write to stdout: {error}"));
        }
        _ => {}
    }
}

/// Prints why a command could not be carried out to stderr.
#[expect(clippy::print_stderr, reason = "errors belong on stderr")]
fn complain(text: &str) {
    eprintln!("rollover-lab: {text}");
}
