//! Whether the lab's traffic keeps its schedule at the rates that it is made for, and
//! what that takes, beside a lab in which the stack stands.

mod drive;
mod missed;
mod server;
mod wrk;

pub(super) use drive::measure;
