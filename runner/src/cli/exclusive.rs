//! One reconcile at a time in this container: the daemon's own, and those of
//! `rollover once` that a person runs by `docker exec` beside it.
//!
//! An abstract Unix socket is a name in the network namespace, which both
//! share; the kernel gives it back when its holder dies, whatever it died of.
//! It is no lock between nodes, nor between containers: that is the lease, which
//! all processes of a container hold as one.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::time::Duration;

use tokio::time::sleep;
use tracing::info;

const NAME: &[u8] = b"rollover/reconcile";
const INTERVAL: Duration = Duration::from_millis(100);

/// Held while a reconcile runs.
#[derive(Debug)]
pub(super) struct Exclusive {
    _name: UnixListener,
}

impl Exclusive {
    /// If no other reconcile runs in this container.
    pub(super) fn now() -> std::io::Result<Option<Self>> {
        let address = SocketAddr::from_abstract_name(NAME)?;
        match UnixListener::bind_addr(&address) {
            Ok(name) => Ok(Some(Self { _name: name })),
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Waits until no other reconcile runs in this container.
    pub(super) async fn wait() -> std::io::Result<Self> {
        let mut told = false;
        loop {
            if let Some(exclusive) = Self::now()? {
                return Ok(exclusive);
            }
            if !told {
                info!("waiting for another reconcile in this container to end");
                told = true;
            }
            sleep(INTERVAL).await;
        }
    }
}
