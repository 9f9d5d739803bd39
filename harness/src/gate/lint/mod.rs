//! A stack file held against the rules of the runner's preflight, before anything
//! is deployed.
//!
//! The way through: the text becomes values with places ([`tree`]), variables are
//! put in ([`variables`]), and each service that asks for certificates becomes
//! [`Facts`](rollover::preflight::Facts) ([`service`] and what it calls) for the
//! same rules that judge a live swarm. What a file cannot tell stays unknown.

mod deploy;
mod error;
mod linted;
mod mounts;
mod networks;
mod node;
mod runner;
mod service;
mod stack;
#[cfg(test)]
mod tests;
mod tree;
mod variables;

pub use error::LintError;
#[cfg(test)]
pub(crate) use linted::lint_text;
pub use linted::{Linted, UnsetVariable, lint};
