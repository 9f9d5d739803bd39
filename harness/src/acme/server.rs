//! What can be asked of a lab's ACME server, whichever it is.

use std::net::{IpAddr, Ipv4Addr};

use super::{Pebble, mock::Mock};
use crate::lab::LabError;

/// The ACME server of a lab.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum AcmeServer {
    /// The real one, in a container.
    Pebble(Box<Pebble>),
    /// The scripted one, in this process.
    Mock(Mock),
}

impl AcmeServer {
    /// Where ACME clients start.
    #[must_use]
    pub fn directory_url(&self) -> String {
        match self {
            Self::Pebble(pebble) => pebble.directory_url(),
            Self::Mock(mock) => mock.directory_url(),
        }
    }

    /// The authority of the server's own TLS certificate; on the volume it is
    /// `acme-ca.pem`.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        match self {
            Self::Pebble(pebble) => pebble.ca_pem(),
            Self::Mock(mock) => mock.ca_pem(),
        }
    }

    /// The root certificate of what it issues, in PEM; another one after each start.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn roots(&self) -> Result<String, LabError> {
        match self {
            Self::Pebble(pebble) => pebble.roots().await,
            Self::Mock(mock) => Ok(mock.roots()),
        }
    }

    /// Makes the name lead to these addresses, and no others, when challenges are
    /// validated.
    ///
    /// # Errors
    /// When it does not take it.
    pub async fn set_addresses(
        &self,
        domain: &str,
        addresses: &[Ipv4Addr],
    ) -> Result<(), LabError> {
        match self {
            Self::Pebble(pebble) => pebble.set_addresses(domain, addresses).await,
            Self::Mock(mock) => {
                mock.set_addresses(domain, addresses);
                Ok(())
            }
        }
    }

    /// Stops it, as a fault: its address refuses connections.
    ///
    /// # Errors
    /// When it could not be stopped.
    pub async fn stop(&self) -> Result<(), LabError> {
        match self {
            Self::Pebble(pebble) => pebble.stop().await,
            Self::Mock(mock) => {
                mock.stop();
                Ok(())
            }
        }
    }

    /// Starts it again where it was. It has forgotten accounts, orders and its root.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn start(&self) -> Result<(), LabError> {
        match self {
            Self::Pebble(pebble) => pebble.start().await,
            Self::Mock(mock) => mock.start_again(),
        }
    }

    /// Its address. The mock's is that of this machine on the lab's network.
    ///
    /// # Panics
    /// Never in a lab, whose networks have IPv4 addresses.
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        match self {
            Self::Pebble(pebble) => pebble.address(),
            Self::Mock(mock) => match mock.address().ip() {
                IpAddr::V4(address) => address,
                IpAddr::V6(address) => unreachable!("{address} on a network of IPv4 addresses"),
            },
        }
    }

    /// What it wrote, or was asked.
    ///
    /// # Errors
    /// When the engine does not give it.
    pub async fn log(&self) -> Result<String, LabError> {
        match self {
            Self::Pebble(pebble) => pebble.log().await,
            Self::Mock(mock) => Ok(mock.log()),
        }
    }
}
