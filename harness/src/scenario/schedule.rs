//! The daemon by itself.

use std::time::Duration;

use super::{Control, Kind, Parameters, Scenario, Stage};
use crate::lab::wait::until;
use crate::site::{Serves, Site, SiteError, SiteOptions, told};

/// Nobody runs a command: `rollover run` renews when its schedule comes round.
pub(super) const SCENARIO: Scenario = Scenario {
    name: "schedule",
    about: "Nobody runs a command: the daemon renews when its schedule comes round.",
    control: Control {
        wrong: "the schedule comes round once a year",
        found_by: &[Kind::Stuck],
    },
    parameters: Parameters::with_certbot,
    play: |stage| Box::pin(play(stage)),
};

/// A minute until the schedule comes round, and the time to renew.
const DEADLINE: Duration = Duration::from_secs(90);
/// Until a killed runner's lease is over, and for a look.
const TO_LOOK: Duration = Duration::from_secs(60);
/// A minute, and longer than a renewal takes.
const CONTROLS: Duration = Duration::from_secs(70);

async fn play(stage: &Stage<'_>) -> Result<(), SiteError> {
    let schedule = if stage.is_control() {
        "0 0 1 1 *"
    } else {
        "* * * * *"
    };
    let site = stage
        .site_with(SiteOptions {
            schedule: schedule.to_owned(),
            ..stage.options()?
        })
        .await?;
    // What it does at its start is another matter; and a runner that was killed before
    // it holds the lease for a while, and may have left something to finish.
    site.status_until("the daemon have looked", TO_LOOK, |status| {
        status.report.daemon.looks_again_at.is_some()
    })
    .await?;
    let before = site.seen().await?;
    let old = stage.one_certificate(&before).unwrap_or_default();
    let _due = site.make_due().await?;
    let step = stage.step("the schedule comes round");
    let deadline = stage.patience(DEADLINE, CONTROLS);
    let after = no_longer_served(&site, &old, deadline).await?;
    drop(step);
    stage.one_certificate(&after);
    let tasks = |served: &[Serves]| -> Vec<String> {
        served.iter().map(|serves| serves.task.clone()).collect()
    };
    stage.check(tasks(&before) == tasks(&after), Kind::Touched, || {
        format!(
            "expected the same tasks, found {}; then {}",
            told(&before),
            told(&after)
        )
    });
    Ok(())
}

/// Waits until the daemon has renewed and rolled out; what is served then.
pub(super) async fn no_longer_served(
    site: &Site<'_>,
    old: &str,
    deadline: Duration,
) -> Result<Vec<Serves>, SiteError> {
    let what = "the daemon renew and roll out";
    Ok(until(what, deadline, async || {
        let served = site.served().await?;
        if served.iter().any(|serves| serves.fingerprint == old) {
            return Err(format!("still served: {}", told(&served)));
        }
        Ok(served)
    })
    .await?)
}
