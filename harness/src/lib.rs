//! A real multi-node Docker Swarm in containers, honest traffic through it, and
//! a verdict: what was lost and why.
//!
//! The way through:
//! - [`lab::Lab`] brings up nodes, a registry, an ACME server and a shared
//!   [`volume`], and takes all of it away again. Start here.
//! - [`traffic`] drives open-loop TLS traffic and gives one outcome for each
//!   request; [`report`] says what each loss fell on.
//! - [`probe`] looks from outside at what a server serves.
//! - [`scenario`] deploys the stack, renews, and gives an account.

pub mod acme;
mod clock;
pub mod lab;
pub mod probe;
pub mod report;
pub mod scenario;
pub mod traffic;
pub mod volume;
