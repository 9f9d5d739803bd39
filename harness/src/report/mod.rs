//! What came of a run, for people and programs.

pub mod attribution;
