//! A stack file held against the rules of the runner's preflight, before anything
//! is deployed.
//!
//! Each service that asks for certificates becomes
//! [`Facts`](rollover::preflight::Facts) ([`service`] and what it calls) for the
//! same rules that judge a live swarm. What a file cannot tell stays unknown. A
//! comment in the file can allow a finding ([`allowance`]).

mod allowance;
mod complaint;
mod formats;
mod linted;
mod mounts;
mod networks;
mod runner;
mod service;
#[cfg(test)]
mod tests;

pub use complaint::{Complaint, ComplaintKind};
pub use formats::{github, junit, sarif};
#[cfg(test)]
pub(crate) use linted::lint_text;
pub use linted::{Allowed, Linted, lint};
