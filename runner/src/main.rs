//! Rollover.
fn main() {}
