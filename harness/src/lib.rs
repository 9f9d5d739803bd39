//! A real multi-node Docker Swarm in containers.
//!
//! Start at [`lab::Lab`]: it brings up nodes, a registry, an ACME server and a
//! shared volume, and takes all of it away again.

pub mod acme;
pub mod lab;
pub mod volume;
