//! A volume whose nodes see a change late, in pieces and in a wrong order.

use std::time::Duration;

use super::renewal_signal::renewed_without_harm;
use super::{Control, Kind, Parameters, Scenario, Stage};
use crate::site::{Engine, Site, SiteError};
use crate::volume::{Lagging, Volume};

/// On a volume that lags, every replica is signalled when its own node shows the
/// whole new pair, and not before.
pub(super) const SCENARIO: Scenario = Scenario {
    name: "volume/lagging",
    about: "On a volume where each node sees changes late, in pieces and in a wrong order, a \
            renewal by signal still reaches every replica and loses nothing.",
    control: CONTROL,
    parameters: || Parameters {
        volume: lagging(),
        renewals: 1,
        ..Parameters::default()
    },
    play: |stage| Box::pin(play(stage)),
};

/// The same of certbot's files, each of which changes by itself.
pub(super) const CERTBOT: Scenario = Scenario {
    name: "volume/lagging-certbot",
    about: "The same with certbot, whose files change one after the other.",
    control: CONTROL,
    parameters: || Parameters {
        volume: lagging(),
        renewals: 1,
        ..Parameters::with_certbot()
    },
    play: |stage| Box::pin(play(stage)),
};

const CONTROL: Control = Control {
    wrong: "every replica is sent HUP as soon as there is a new certificate, as a cron job would",
    found_by: &[Kind::Stale],
};

fn lagging() -> Volume {
    Volume::Lagging(
        Lagging::after(Duration::from_secs(2))
            .on(3, Duration::from_secs(10))
            // An authority asks for a challenge at once: nothing that lags
            // there can be renewed at all.
            .at_once("webroot"),
    )
}

/// Longer than the slowest node takes to see all of a change.
const SEEN_BY_ALL: Duration = Duration::from_secs(15);

async fn play(stage: &Stage<'_>) -> Result<(), SiteError> {
    let site = stage.site().await?;
    if stage.is_control() {
        return signalled_at_once(stage, &site).await;
    }
    let step = stage.step("a renewal under traffic, on a volume that lags");
    let account = stage.renewal().run(&site).await?;
    drop(step);
    renewed_without_harm(stage, account);
    Ok(())
}

/// What people do today: renew, then signal, and hope. The runner is away
/// meanwhile, for it would make good for it.
async fn signalled_at_once(stage: &Stage<'_>, site: &Site<'_>) -> Result<(), SiteError> {
    let replicas = site.load_balancer().running().await?;
    let versions = site.versions()?;
    let runner = site.runner();
    let hold = ["--env-add", "ROLLOVER_HOLD_AT=issued"];
    let due = match site.options().engine {
        // The daemon orders as soon as it is due: it has to stand still by then.
        Engine::Acme => {
            runner.update(&hold).await?;
            site.settle().await?;
            site.make_due().await?
        }
        // The daemon asks certbot when it is started.
        Engine::Certbot => {
            let due = site.make_due().await?;
            runner.update(&hold).await?;
            due
        }
    };
    let published = crate::lab::wait::until("a new certificate", SEEN_BY_ALL * 3, async || {
        match site.versions() {
            Ok(newest) if newest > versions => Ok(()),
            Ok(newest) => Err(format!("version {newest} is the newest")),
            Err(error) => Err(error.to_string()),
        }
    });
    published.await?;
    drop(due);
    for replica in &replicas {
        replica.kill("HUP").await?;
    }
    // Time itself is the subject: all that a reload will ever do is done then.
    tokio::time::sleep(SEEN_BY_ALL).await;
    stage.one_certificate(&site.seen().await?);
    Ok(runner.update(&["--env-add", "ROLLOVER_HOLD_AT="]).await?)
}
