//! A change of the stack, as the gate sees it.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Control, Kind, Parameters, Scenario, Stage};
use crate::gate;
use crate::site::SiteError;

/// A change of the web servers behind the load balancer loses nothing, nor does
/// the renewal after it; the gate passes it.
pub(super) const SCENARIO: Scenario = Scenario {
    name: "changed-stack",
    about: "The gate passes a change of what stands behind the load balancer: neither the change \
            nor the renewal after it loses a request.",
    control: Control {
        wrong: "all replicas of the load balancer itself are changed at once, with nothing in \
                front of them",
        found_by: &[Kind::Lost],
    },
    parameters: Parameters::default,
    play: |stage| Box::pin(play(stage)),
};

async fn play(stage: &Stage<'_>) -> Result<(), SiteError> {
    let stack = stage.options()?.stack;
    let changed = if stage.is_control() {
        Beside::write(&stack, ".gate-harmful.yml", harmful)?
    } else {
        Beside::write(&stack, ".gate-harmless.yml", harmless)?
    };
    let step = stage.step("the stack is changed and renewed under traffic");
    let verdict = gate::run(stage.lab(), &stack, &changed.0).await?;
    drop(step);
    let attributed = verdict.change_losses.losses.len() == verdict.change.lost();
    stage.check(attributed, Kind::Unattributed, || verdict.to_string());
    stage.check(verdict.passed(), Kind::Lost, || verdict.to_string());
    let renewal = verdict.renewal.lost();
    stage.check(renewal == 0, Kind::Touched, || {
        format!("expected the renewal to lose nothing, found {renewal} lost\n{verdict}")
    });
    stage.record(verdict.change);
    stage.record(verdict.renewal);
    if stage.is_control() {
        // Of tasks that wait for the same port, swarm may forget one until the service
        // is changed: what comes next begins anew.
        stage.empty().await?;
    }
    Ok(())
}

fn harmless(stack: &str) -> String {
    let slot = "SLOT: \"{{.Task.Slot}}\"";
    stack.replacen(slot, &format!("{slot}\n      CHANGED: \"1\""), 1)
}

/// All at once: as harmful, and sooner over, than one after the other.
fn harmful(stack: &str) -> String {
    stack
        .replacen("HTTP2: \"${HTTP2:-on}\"", "HTTP2: \"off\"", 1)
        .replacen("parallelism: 1", "parallelism: 0", 1)
}

/// A stack file beside the original, for it names files by their relative
/// paths; it goes away with this value.
pub(super) struct Beside(PathBuf);

impl Beside {
    pub(super) fn write(
        stack: &Path,
        name: &str,
        change: fn(&str) -> String,
    ) -> Result<Self, SiteError> {
        let failed = |doing, path: &Path| {
            let path = path.to_owned();
            move |source| SiteError::File {
                doing,
                path,
                source,
            }
        };
        let text = fs::read_to_string(stack).map_err(failed("read", stack))?;
        let changed = change(&text);
        if changed == text {
            let why = format!("{} has nothing of what {name} changes", stack.display());
            return Err(SiteError::Change(why));
        }
        let beside = Self(stack.with_file_name(name));
        fs::write(&beside.0, changed).map_err(failed("write", &beside.0))?;
        Ok(beside)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0) {
            tracing::warn!(%error, file = %self.0.display(), "was not removed");
        }
    }
}
