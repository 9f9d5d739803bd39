//! Rollover renews TLS certificates in a Docker Swarm, makes every replica of
//! the load balancer serve the new one, and proves it.
//!
//! The way through: [`reconcile`] looks ([`observe`]), decides ([`decide`],
//! pure), and acts ([`act`]): obtain, publish, roll out, verify. [`agent`] is
//! the part that runs on every node, next to local containers. [`preflight`]
//! says what would go wrong before it does; it is all that other crates use.

mod act;
mod agent;
mod ahead;
mod cli;
mod clock;
mod config;
mod daemon;
mod decide;
mod docker;
mod http;
mod model;
mod observe;
pub mod preflight;
mod reconcile;
mod report;
mod state;
mod status;

use std::process::ExitCode;

use clap::Parser;

/// What the binary does: reads the command line, runs the command, and says how
/// it ended.
pub async fn main() -> ExitCode {
    cli::Cli::parse().run().await.into()
}
