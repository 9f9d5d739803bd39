//! Rollover renews TLS certificates in a Docker Swarm, makes every replica of
//! the load balancer serve the new one, and proves it.
//!
//! The way through: [`reconcile`] looks ([`observe`]), decides ([`decide`],
//! pure), and acts ([`act`]): obtain, publish, roll out, verify. [`agent`] is
//! the part that runs on every node, next to local containers. [`preflight`]
//! says what would go wrong before it does; that and [`acme`], the engine alone,
//! are all that other crates use.

mod act;
mod agent;
mod ahead;
mod alone;
mod ask;
mod cli;
mod clock;
mod config;
mod daemon;
mod decide;
mod docker;
mod http;
mod metrics;
mod model;
mod observe;
mod obtain;
mod orders;
pub mod preflight;
mod progress;
mod reconcile;
mod report;
mod rollouts;
mod serve;
mod simulate;
mod state;
mod status;
mod versions;

/// The engine `acme`, alone: what a test needs to try it against a server.
pub mod acme {
    pub use crate::act::issue::acme::{
        AcmeError, AcmeErrorClass, AcmeProblem, AcmeSubproblem, RenewalWindow,
    };
    pub use crate::alone::{Engine, Obtained};
}

use std::process::ExitCode;

use clap::Parser;

/// What the binary does: reads the command line, runs the command, and says how
/// it ended.
pub async fn main() -> ExitCode {
    cli::Cli::parse().run().await.into()
}
