//! The daemon by itself.

use std::time::Duration;

use rollover_lab::lab::Lab;
use rollover_lab::lab::wait::until;
use rollover_lab::scenario::SiteOptions;

use crate::support::{Outcome, one_fingerprint, options, site, task_ids};

/// A minute until the schedule comes round, and the time to renew.
const DEADLINE: Duration = Duration::from_secs(90);

/// Nobody runs a command: `rollover run` renews when its schedule comes round.
pub(crate) async fn the_daemon_renews_when_the_schedule_comes_round(lab: &Lab) -> Outcome {
    let every_minute = SiteOptions {
        schedule: "* * * * *".to_owned(),
        ..options()?
    };
    let site = site(lab, every_minute).await?;
    let tasks = task_ids(&site).await?;
    let _due = site.make_due()?;
    let old = one_fingerprint(&site.served().await?);
    let new = until("the daemon renew and roll out", DEADLINE, async || {
        let served = site.served().await?;
        if served.iter().any(|serves| serves.fingerprint == old) {
            return Err(format!("still served: {served:?}"));
        }
        Ok(served)
    })
    .await?;
    one_fingerprint(&new);
    assert_eq!(task_ids(&site).await?, tasks);
    Ok(())
}
