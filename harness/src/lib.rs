//! A real multi-node Docker Swarm in containers, honest traffic through it, and
//! a verdict: what was lost and why.
//!
//! The way through:
//! - [`lab::Lab`] brings up nodes, a registry, an ACME server and a shared
//!   [`volume`], and takes all of it away again. Start here.
//! - [`traffic`] drives open-loop TLS traffic and gives one outcome for each
//!   request; [`report`] says what each loss fell on.
//! - [`probe`] looks from outside at what a server serves.
//! - [`site`] deploys the stack, renews its certificate, and gives an account.
//! - [`fault`] breaks something, and mends it again.
//! - [`scenario`] puts all of it together: each has a name, and a control that
//!   must turn red. [`event`] is what they write down, [`report`] what people read.
//! - [`gate`] checks a stack file by the runner's own rules, and what a change of
//!   one does under traffic.

pub mod acme;
mod causes;
mod clock;
pub mod event;
pub mod fault;
pub mod gate;
pub mod lab;
pub mod machine;
pub mod probe;
pub mod report;
pub mod scenario;
pub mod site;
pub mod traffic;
pub mod volume;

pub use causes::with_causes;
