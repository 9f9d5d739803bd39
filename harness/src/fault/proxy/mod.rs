//! A small proxy between a client and an HTTP server, which answers in the
//! server's place where it is told to.

mod exchange;
mod rule;
mod server;

pub use rule::{Answer, Rule};
pub(super) use server::{Proxy, Server};
