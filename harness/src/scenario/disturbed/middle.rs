//! A rollout by signal that stands still in its middle until it is let go.

use std::time::Duration;

use crate::lab::LabError;
use crate::lab::wait::until;
use crate::site::{Site, SiteError};
use crate::volume::Files;

/// On the volume, and where the replicas see it.
const FILE: &str = "hold";
/// nginx's own test, as without this, once the file is gone.
const TEST: &str =
    "rollover.test=sh -c 'while [ -e /etc/letsencrypt/hold ]; do sleep 0.1; done; nginx -t'";
/// Prints a line for each process that waits so; not for the one that looks.
const WAITS: [&str; 3] = [
    "sh",
    "-c",
    "grep -lz 'letsencrypt/[h]old' /proc/[0-9]*/cmdline 2>/dev/null",
];

/// The test in each replica waits as long as this lives: the job that tells them is
/// there, one replica goes first, and none was told.
pub(super) struct Middle {
    files: Files,
}

impl Middle {
    /// From now on.
    pub(super) async fn hold(site: &Site<'_>) -> Result<Self, SiteError> {
        let files = site.lab().volume().certificates();
        files.write(FILE, "")?;
        let held = Self { files };
        site.load_balancer().update(&["--label-add", TEST]).await?;
        Ok(held)
    }

    /// Waits until a replica is being tested.
    pub(super) async fn reached(&self, site: &Site<'_>, limit: Duration) -> Result<(), SiteError> {
        Ok(until("a replica be tested", limit, async || {
            is_tested(site)
                .await
                .map_err(|error| error.to_string())?
                .then_some(())
                .ok_or_else(|| "none is".to_owned())
        })
        .await?)
    }

    /// Lets it go.
    pub(super) fn go_on(self) {}
}

impl Drop for Middle {
    fn drop(&mut self) {
        // If it cannot be, the rollout fails, and says of which test.
        let _ = self.files.remove(FILE);
    }
}

async fn is_tested(site: &Site<'_>) -> Result<bool, LabError> {
    for replica in site.load_balancer().running().await? {
        if !replica.exec(&WAITS).await?.stdout.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}
