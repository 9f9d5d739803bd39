//! The ACME servers that a lab's certificates come from.

mod authority;
mod pebble;

pub use pebble::Pebble;

/// A kind of ACME server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Acme {
    /// Let's Encrypt's test server, with its challenge test server as DNS.
    #[default]
    Pebble,
    /// None: the lab is up a little sooner.
    None,
}
