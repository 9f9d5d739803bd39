//! The command line: one file a subcommand.

mod account;
mod agent;
mod check;
#[cfg(test)]
mod docs;
mod exclusive;
mod healthcheck;
mod lease;
mod once;
mod plan;
mod rollout;
mod run;
mod simulate;
mod start;
mod status;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::act::job::REFUSED;

/// Renews TLS certificates in a Docker Swarm, makes every replica of the load
/// balancer serve the new one, and proves it by a TLS probe of each.
#[derive(Parser, Debug)]
#[command(version, about, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Renew what is due and keep every replica on the published certificate
    Run(run::Run),
    /// Do now what is to be done, once
    Once(once::Once),
    /// Say what would be done now and why, and do nothing
    Plan(plan::Plan),
    /// Say how every certificate, target and replica stands: exit 0 if each
    /// replica serves what is published, 1 if not, 2 if it could not look
    Status(status::Status),
    /// Have every replica of a service reload (signal) or be replaced (restart,
    /// secret) now, in any hour, and see that it serves what is published: exit 0 if
    /// each does, 1 if not, 2 if there is no such service
    Rollout(rollout::Rollout),
    /// Say what would lose requests or fail in the swarm as it is, with the fix:
    /// exit 0 when no error was found, 1 when one was, 2 when it could not look
    Check(check::Check),
    /// Say what would become of so many certificates in so many days, by the
    /// runner's own policy and a model of an authority: exit 0 when each was issued,
    /// none expired and no limit was hit, 1 otherwise, 2 on wrong usage
    Simulate(simulate::Simulate),
    /// Give the account at the certificate authority another key (engine acme):
    /// exit 0 when that is done, 1 when it failed, 2 when it was not begun
    Account(account::Account),
    /// Say whether `rollover run` in this container does its work, for a container's
    /// HEALTHCHECK: exit 0 if it does or stands by, 1 if not
    Healthcheck(healthcheck::Healthcheck),
    /// Carry out an order on this node, inside a job
    #[command(hide = true)]
    Agent(agent::Agent),
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All is well.
    Ok,
    /// Something failed, or a problem was found.
    Failed,
    /// It could not even start: wrong usage, a wrong setting, no engine. With
    /// `--detailed-exit-code` also: something was changed.
    Two,
    /// Of an agent alone: a replica did not take the new certificate.
    Refused,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Ok => Self::SUCCESS,
            Exit::Failed => Self::from(1),
            Exit::Two => Self::from(2),
            Exit::Refused => Self::from(REFUSED),
        }
    }
}

impl Cli {
    /// Runs the command to its end.
    pub(crate) async fn run(self) -> Exit {
        match self.command {
            Command::Run(run) => run.run().await,
            Command::Once(once) => once.run().await,
            Command::Plan(plan) => plan.run().await,
            Command::Status(status) => status.run().await,
            Command::Rollout(rollout) => rollout.run().await,
            Command::Check(check) => check.run().await,
            Command::Simulate(simulate) => simulate.run(),
            Command::Account(account) => account.run().await,
            Command::Healthcheck(healthcheck) => healthcheck.run().await,
            Command::Agent(agent) => agent.run().await,
        }
    }
}

/// Prints a result for a person or a program to stdout.
#[expect(clippy::print_stdout, reason = "results belong on stdout")]
fn print(text: &str) {
    print!("{text}");
}

/// Prints why a command could not do its work to stderr.
#[expect(clippy::print_stderr, reason = "errors belong on stderr")]
fn complain(error: &dyn std::fmt::Display) {
    eprintln!("rollover: {error}");
}
