//! The runner is killed.

use std::time::Duration;

use rollover_lab::lab::Lab;
use rollover_lab::lab::wait::until;
use rollover_lab::scenario::{Site, SiteOptions};

use crate::support::{Outcome, one_fingerprint, options, site};

const DEADLINE: Duration = Duration::from_secs(60);

/// SIGKILL between renewal and rollout: the next start finishes the rollout.
pub(crate) async fn killed_between_renewal_and_rollout(lab: &Lab) -> Outcome {
    let before = site(lab, options()?).await?;
    let served = before.served().await?;
    let old = one_fingerprint(&served);
    let issued_before = newest(&before)?;
    let due = before.make_due()?;
    // A runner that starts asks certbot, renews, and stands still before
    // anybody is told.
    let holding = SiteOptions {
        hold_at: "issued".to_owned(),
        ..options()?
    };
    let site = Site::deploy(lab, holding).await?;
    let held = until(
        "the runner stand still after the renewal",
        DEADLINE,
        async || {
            let runners = site.runner().running().await.map_err(|e| e.to_string())?;
            for runner in runners {
                let log = runner.log().await.map_err(|e| e.to_string())?;
                if log.contains("held, as --hold-at asks") {
                    return Ok(runner);
                }
            }
            Err("no runner says that it is held".to_owned())
        },
    )
    .await?;
    assert_eq!(site.served().await?, served, "nobody was told yet");

    drop(due);
    held.kill("KILL").await?;
    let new = until("the next start finish the rollout", DEADLINE, async || {
        let served = site.served().await?;
        if served.iter().any(|serves| serves.fingerprint == old) {
            return Err(format!("still served: {served:?}"));
        }
        Ok(served)
    })
    .await?;
    one_fingerprint(&new);
    assert_eq!(newest(&site)?, issued_before + 1, "it was issued once");
    let runner = site.runner().running().await?;
    assert!(
        runner.iter().all(|task| task.id != held.id),
        "it is another task"
    );
    Ok(())
}

/// The number of the newest version of the site's lineage.
fn newest(site: &Site<'_>) -> Result<u32, Box<dyn std::error::Error + Send + Sync>> {
    let mut newest = 0;
    for entry in std::fs::read_dir(site.lineage())? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let number = name
            .strip_prefix("fullchain")
            .and_then(|name| name.strip_suffix(".pem"));
        newest = newest.max(number.and_then(|number| number.parse().ok()).unwrap_or(0));
    }
    Ok(newest)
}
