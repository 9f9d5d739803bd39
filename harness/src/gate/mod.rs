//! The gate: checks a stack file before it is deployed, and what a change of it
//! does under traffic.

mod lint;
mod run;

#[cfg(test)]
pub(crate) use lint::lint_text;
pub use lint::{LintError, Linted, UnsetVariable, lint};
pub use run::{GateError, GateVerdict, run};
