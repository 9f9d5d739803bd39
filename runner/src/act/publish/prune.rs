//! Old versions.

use std::fs;

use tracing::{debug, warn};

use super::layout::Layout;

/// Removes the oldest versions; besides the live one `keep` stay, and in any
/// case the one before it, which a reader may have open.
///
/// What cannot be removed stays, and is tried again next time.
pub(super) fn prune(layout: &Layout<'_>, keep: usize) {
    let (live, previous) = (layout.live_version(), layout.previous());
    let versions = match layout.versions() {
        Ok(versions) => versions,
        Err(error) => {
            warn!(certificate = %layout.name, "old versions stay: {error}");
            return;
        }
    };
    let others = versions.into_iter().rev();
    let others = others.filter(|&number| Some(number) != live);
    let old = others.skip(keep);
    for number in old.filter(|&number| Some(number) != previous) {
        let directory = layout.version(number);
        match fs::remove_dir_all(&directory) {
            Ok(()) => debug!(certificate = %layout.name, version = number, "removed"),
            Err(error) => warn!(
                certificate = %layout.name,
                "an old version stays: {}: {error}", directory.display()
            ),
        }
    }
}
