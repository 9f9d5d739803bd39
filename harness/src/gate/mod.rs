//! The gate: checks a stack file before it is deployed, and what a change of it
//! does under traffic.

mod lint;
mod plan;
mod run;
mod stack;

#[cfg(test)]
pub(crate) use lint::lint_text;
pub use lint::{Allowed, Complaint, ComplaintKind, Linted, github, junit, lint, sarif};
pub use plan::{Change, Effect, Fate, How, ObjectPlan, Outcome, Planned, ServicePlan, plan};
pub use run::{GateError, GateVerdict, run};
pub use stack::{StackError, UnsetVariable};
