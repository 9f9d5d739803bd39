//! What the deploy of a changed stack file does to a stack that stands, told from
//! the two files alone.
//!
//! The way through: each service of both files is converted as the docker command
//! does it ([`convert`]) into a [`Spec`](spec::Spec), a flat list of parts of which
//! each says what its change does ([`Effect`]). The parts that differ are the
//! [`Change`]s, and of them comes the [`Outcome`] ([`service`]). What the stack has
//! besides services is compared in [`object`], who publishes which port in
//! [`ports`].

mod change;
mod convert;
mod object;
mod outcome;
mod planned;
mod ports;
mod service;
mod spec;
#[cfg(test)]
mod tests;
mod told;

pub use change::{Change, How};
pub use object::{Fate, ObjectPlan};
pub use outcome::Outcome;
pub use planned::{Planned, plan};
pub use service::ServicePlan;
pub use spec::Effect;
