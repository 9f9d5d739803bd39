//! The gate: checks a stack file before it is deployed, and what a change of it
//! does under traffic.

mod lint;
mod run;
mod stack;

#[cfg(test)]
pub(crate) use lint::lint_text;
pub use lint::{Allowed, Complaint, Kind, Linted, github, junit, lint, sarif};
pub use run::{GateError, GateVerdict, run};
pub use stack::{StackError, UnsetVariable};
