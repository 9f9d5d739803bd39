//! Rollover renews TLS certificates in a Docker Swarm, makes every replica of
//! the load balancer serve the new one, and proves it.
//!
//! The way through: [`reconcile`] looks ([`observe`]), decides ([`decide`],
//! pure), and acts ([`act`]): obtain, publish, roll out, verify. [`agent`] is
//! the part that runs on every node to signal local containers.

mod act;
mod agent;
mod cli;
mod clock;
mod config;
mod decide;
mod docker;
mod http;
mod model;
mod observe;
mod reconcile;
mod report;

use std::process::ExitCode;

use clap::Parser;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    cli::Cli::parse().run().await.into()
}
