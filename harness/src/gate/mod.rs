//! The gate: checks a stack file before it is deployed, and what a change of it
//! does under traffic.
//!
//! Neither the lint nor the plan needs an engine:
//!
//! ```no_run
//! # fn example() -> Result<(), rollover_lab::gate::StackError> {
//! use rollover_lab::gate::{Outcome, lint, plan};
//!
//! let variable = |name: &str| std::env::var(name).ok();
//! let linted = lint("stack.yml".as_ref(), &variable)?;
//! assert!(linted.passed(), "{linted}");
//! let planned = plan("old.yml".as_ref(), "stack.yml".as_ref(), &variable)?;
//! println!("restarted: {:?}", planned.of(Outcome::Restarted));
//! # Ok(())
//! # }
//! ```

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
