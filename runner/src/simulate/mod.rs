//! A virtual clock, a model of an authority, and the policy between them: what
//! becomes of so many certificates in so many days. The same [`verdict`] decides
//! as in the daemon; here nothing else is real.
//!
//! [`verdict`]: crate::decide::renewal::verdict

mod authority;
mod fleet;
mod limit;
mod outage;
mod outcome;
mod queue;
mod rules;
#[cfg(test)]
mod tests;
mod world;

pub(crate) use outage::Outage;
pub(crate) use outcome::Outcome;
pub(crate) use rules::Rules;
pub(crate) use world::{Simulation, simulate};
