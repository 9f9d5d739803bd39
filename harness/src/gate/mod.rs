//! The gate: checks a change of a stack before it is deployed.

mod run;

pub use run::{GateError, GateVerdict, run};
