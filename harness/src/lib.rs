//! A real multi-node Docker Swarm in containers.
