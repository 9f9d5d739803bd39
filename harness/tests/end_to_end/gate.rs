//! The gate, and its control.

use std::fs;

use rollover_lab::lab::Lab;
use rollover_lab::scenario::run_gate;

use crate::support::{Outcome, options};

/// A change of the web servers behind the load balancer loses nothing; one of
/// the load balancer itself does, where nothing stands before it.
pub(crate) async fn passes_a_change_that_loses_nothing_and_fails_one_that_does(
    lab: &Lab,
) -> Outcome {
    let stack = options()?.stack;
    let text = fs::read_to_string(&stack)?;
    let changed = |from: &str, to: &str| {
        assert!(text.contains(from), "stack.yml has {from:?}");
        text.replacen(from, to, 1)
    };
    // Beside the original: it names files by their relative paths.
    let beside = |name: &str| stack.with_file_name(name);
    let harmless = Removed(beside(".gate-harmless.yml"));
    fs::write(
        &harmless.0,
        changed(
            "SLOT: \"{{.Task.Slot}}\"",
            "SLOT: \"{{.Task.Slot}}\"\n      CHANGED: \"1\"",
        ),
    )?;
    let harmful = Removed(beside(".gate-harmful.yml"));
    // All at once: as harmful, and sooner over, than one after the other.
    let harm = changed("HTTP2: \"${HTTP2:-on}\"", "HTTP2: \"off\"");
    assert!(
        harm.contains("parallelism: 1"),
        "stack.yml updates one by one"
    );
    fs::write(
        &harmful.0,
        harm.replacen("parallelism: 1", "parallelism: 0", 1),
    )?;

    let verdict = run_gate(lab, &stack, &harmless.0).await?;
    println!("{verdict}");
    assert!(verdict.passed(), "{verdict}");
    let verdict = run_gate(lab, &harmless.0, &harmful.0).await?;
    println!("{verdict}");
    assert!(!verdict.passed(), "{verdict}");
    assert_eq!(verdict.renewal.lost(), 0, "{verdict}");
    assert_eq!(verdict.change_losses.losses.len(), verdict.change.lost());
    Ok(())
}

/// A file that goes away with this value.
struct Removed(std::path::PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
