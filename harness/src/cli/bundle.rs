//! What may explain why something is not as it must be.

use std::path::{Path, PathBuf};

use super::progress::Progress;
use rollover_lab::lab::Lab;
use rollover_lab::with_causes;

/// Where a lab's bundle goes, where nothing else is said.
pub(super) fn of(lab: &Lab) -> PathBuf {
    std::env::temp_dir().join(format!("rollover-bundle-{}", lab.run()))
}

/// Writes it, and says where; that it could not be written is told, and hides nothing of
/// what it was to explain.
pub(super) async fn leave(progress: &Progress, lab: &Lab, directory: &Path) {
    let what = format!("what may explain it is written to {}", directory.display());
    if let Err(error) = progress.step(&what, lab.bundle(directory)).await {
        progress.say(&format!("failed to {}", with_causes(&error)));
    }
}
