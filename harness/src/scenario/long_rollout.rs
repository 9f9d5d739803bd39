//! A rollout that takes long, and all the rest meanwhile.

use std::time::Duration;

use super::{Control, Kind, Parameters, Scenario, Stage};
use crate::fault::{Active, Fault, LabelChanged};
use crate::site::{Server, Site, SiteError, Status};

/// A service that is restarted slowly holds nothing else up.
pub(super) const SCENARIO: Scenario = Scenario {
    name: "long-rollout",
    about: "A service is restarted slowly. A certificate that another asks for meanwhile is \
            obtained before that ends, and `rollover status` tells of both.",
    control: Control {
        wrong: "a person restarts it by hand, and the daemon waits for that",
        found_by: &[Kind::Stuck],
    },
    parameters: Parameters::small_with_mock,
    play: |stage| Box::pin(play(stage)),
};

/// So long after each of its two replicas swarm goes on, or is done.
const DELAY: &str = "20s";
/// It opens for a minute once in four years.
pub(super) const CLOSED: &str = "0 0 29 2 *;1m";
/// Until the daemon looks, which it does when a service has changed.
const TO_BEGIN: Duration = Duration::from_secs(30);
/// Well within both delays together.
const TO_OBTAIN: Duration = Duration::from_secs(30);
/// Long enough to see that nothing comes.
const CONTROLS: Duration = Duration::from_secs(20);
/// The rest of the delays, and a replica's start.
const TO_END: Duration = Duration::from_secs(120);
const SLOW: Server = Server::NGINX;

async fn play(stage: &Stage<'_>) -> Result<(), SiteError> {
    stage.empty().await?;
    let site = stage.site().await?;
    site.settle().await?;
    SLOW.deploy(&site).await?;
    let mut labels = Vec::new();
    for (label, value) in [
        ("rollover.strategy", "restart"),
        ("rollover.delay", DELAY),
        ("rollover.window", CLOSED),
    ] {
        let changed = LabelChanged::of(SLOW.service, label, value);
        labels.push(changed.inject(stage.lab()).await?);
    }
    let played = beside(stage, &site, labels).await;
    stage.lab().remove_stack(SLOW.stack).await?;
    played
}

/// With a service that serves an older certificate and waits for its window, the
/// last of `labels`.
async fn beside(
    stage: &Stage<'_>,
    site: &Site<'_>,
    mut labels: Vec<Active>,
) -> Result<(), SiteError> {
    let domain = &site.options().domain;
    site.once(&["--force", domain]).await?.succeeded()?;
    let window = labels.pop();
    if stage.is_control() {
        let by_hand = site.rollover(&["rollout", SLOW.service]);
        let (by_hand, obtained) = tokio::join!(by_hand, obtained_meanwhile(stage, site));
        by_hand?;
        return obtained;
    }
    let _step = stage.step("its window opens, and it is restarted");
    if let Some(window) = window {
        window.end().await?;
    }
    obtained_meanwhile(stage, site).await?;
    let status = site.status().await?;
    let slow = status.target(SLOW.service);
    let state = slow.map(|target| target.rollout.state.as_str());
    stage.check(state == Some("rolling_out"), Kind::Unclear, || {
        format!(
            "expected {} to be rolled out still, found {status}",
            SLOW.service
        )
    });
    let what = "the restart end well";
    let in_step = |status: &Status| status.is_in_step(SLOW.service);
    site.status_until(what, TO_END, in_step).await?;
    Ok(())
}

/// Once the restart has begun, another service asks for one more certificate.
async fn obtained_meanwhile(stage: &Stage<'_>, site: &Site<'_>) -> Result<(), SiteError> {
    let slow = stage.lab().service(SLOW.service);
    slow.updating(TO_BEGIN).await?;
    let name = format!("other.{}", site.options().domain);
    site.leads_here(&name).await?;
    let asks = LabelChanged::of(site.load_balancer().name(), "rollover.domains.other", &name);
    let asks = asks.inject(stage.lab()).await?;
    let deadline = stage.patience(TO_OBTAIN, CONTROLS);
    let what = "the other certificate be obtained";
    let issued = |status: &Status| status.is_issued(&name);
    let obtained = site.status_until(what, deadline, issued).await;
    asks.end().await?;
    obtained?;
    Ok(())
}
