//! The ACME servers that a lab's certificates come from.
//!
//! A client of ACME alone needs no swarm: a [`Network`] has the servers, and
//! containers beside them.
//!
//! ```no_run
//! # async fn example() -> Result<(), rollover_lab::lab::LabError> {
//! use rollover_lab::acme::{Network, PebbleOptions};
//!
//! let network = Network::create().await?;
//! let pebble = network.pebble(&PebbleOptions { http_port: 5002, ..PebbleOptions::default() }).await?;
//! // It asks this machine, at port 5002, whether the name is ours.
//! pebble.set_addresses("shop.test", &[network.gateway()]).await?;
//! // … have a client obtain it, from pebble.directory_url() …
//! assert_eq!(pebble.done().await?.certificates, 1);
//! network.stop().await
//! # }
//! ```

mod authority;
pub mod mock;
mod network;
pub(crate) mod pebble;
mod server;

use std::fmt;
use std::str::FromStr;

pub use network::{Client, Network};
pub use pebble::{Done, Pebble, PebbleOptions};
pub use server::AcmeServer;

/// A kind of ACME server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Acme {
    /// Let's Encrypt's test server, with its challenge test server as DNS.
    #[default]
    Pebble,
    /// The scripted one of [`mock`]. It validates like Pebble until it is told
    /// otherwise, and lives in the process that starts the lab: a lab that is left
    /// up has lost it.
    Mock,
    /// None: the lab is up a little sooner.
    None,
}

impl fmt::Display for Acme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pebble => "pebble",
            Self::Mock => "mock",
            Self::None => "none",
        })
    }
}

impl FromStr for Acme {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "pebble" => Ok(Self::Pebble),
            "mock" => Ok(Self::Mock),
            "none" => Ok(Self::None),
            _ => Err(format!(
                "{text:?} is no ACME server: expected pebble, mock or none"
            )),
        }
    }
}
