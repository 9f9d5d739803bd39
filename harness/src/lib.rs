//! A real multi-node Docker Swarm in containers.

pub mod report;
pub mod traffic;
