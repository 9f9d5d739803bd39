//! An order that takes long, and all the rest meanwhile.

use std::time::Duration;

use super::long_rollout::CLOSED;
use super::{Control, Kind, Parameters, Scenario, Stage};
use crate::acme::mock::{Call, Issuance, Mock};
use crate::fault::{Active, Fault, LabelChanged};
use crate::lab::wait::until;
use crate::site::{Server, Site, SiteError, Status};

/// An authority that does not come to its end holds up what waits for that certificate,
/// and nothing else.
pub(super) const SCENARIO: Scenario = Scenario {
    name: "long-order",
    about: "The authority does not come to the end of an order. A service that waits for \
            another certificate is rolled out meanwhile, and `rollover status` tells of both. \
            When the authority goes on, the order comes to its end by itself.",
    control: Control {
        wrong: "it is the service itself that asks for the certificate of that order, too",
        found_by: &[Kind::Stuck],
    },
    parameters: Parameters::small_with_mock,
    play: |stage| Box::pin(play(stage)),
};

/// Until the daemon looks, which it does when a service has changed, and has ordered.
const TO_ORDER: Duration = Duration::from_secs(60);
/// Well within what an order may take.
const TO_ROLL_OUT: Duration = Duration::from_secs(60);
/// Long enough to see that nothing comes.
const CONTROLS: Duration = Duration::from_secs(20);
/// A look at the order, and a rollout.
const TO_END: Duration = Duration::from_secs(60);
const OTHER: Server = Server::NGINX;

async fn play(stage: &Stage<'_>) -> Result<(), SiteError> {
    stage.empty().await?;
    let site = stage.site().await?;
    site.settle().await?;
    let Some(mock) = stage.lab().mock() else {
        stage.found(Kind::Lab, "expected the scripted ACME server");
        return Ok(());
    };
    OTHER.deploy(&site).await?;
    let played = beside(stage, &site, mock).await;
    goes_on(mock);
    stage.lab().remove_stack(OTHER.stack).await?;
    stage.empty().await?;
    played
}

fn goes_on(mock: &Mock) {
    mock.configure(|settings| settings.issuance = Issuance::AfterLooks(1));
}

/// With a service that serves an older certificate and waits for its window.
async fn beside(stage: &Stage<'_>, site: &Site<'_>, mock: &Mock) -> Result<(), SiteError> {
    let closed = LabelChanged::of(OTHER.service, "rollover.window", CLOSED);
    let window = closed.inject(stage.lab()).await?;
    let domain = &site.options().domain;
    site.once(&["--force", domain]).await?.succeeded()?;
    let name = format!("other.{domain}");
    site.leads_here(&name).await?;
    mock.configure(|settings| settings.issuance = Issuance::Never);
    let finalized = mock.calls_of(Call::Finalize).len();
    let load_balancer = site.load_balancer();
    let asking = if stage.is_control() {
        OTHER.service
    } else {
        load_balancer.name()
    };
    let asks = LabelChanged::of(asking, "rollover.domains.other", &name);
    let asks = asks.inject(stage.lab()).await?;
    until("the other certificate be ordered", TO_ORDER, async || {
        let now = mock.calls_of(Call::Finalize).len();
        let ordered = now > finalized;
        ordered
            .then_some(())
            .ok_or_else(|| "nothing was finalized".to_owned())
    })
    .await?;
    rolled_out_meanwhile(stage, site, window, &name).await?;
    ends_by_itself(stage, site, mock, &name).await?;
    Ok(asks.end().await?)
}

/// The window of the one service opens while the other's order stands still.
async fn rolled_out_meanwhile(
    stage: &Stage<'_>,
    site: &Site<'_>,
    window: Active,
    name: &str,
) -> Result<(), SiteError> {
    let _step = stage.step("its window opens while the order stands still");
    window.end().await?;
    let deadline = stage.patience(TO_ROLL_OUT, CONTROLS);
    let what = "it be rolled out";
    let in_step = |status: &Status| status.is_in_step(OTHER.service);
    let status = site.status_until(what, deadline, in_step).await?;
    let ordered = status.certificate(name);
    let next = ordered.map_or("nothing", |it| it.next.as_str());
    stage.check(
        next.starts_with("being obtained since"),
        Kind::Unclear,
        || format!("expected {name} to be obtained still, found {status}"),
    );
    Ok(())
}

/// Nobody does anything more about the order than the authority.
async fn ends_by_itself(
    stage: &Stage<'_>,
    site: &Site<'_>,
    mock: &Mock,
    name: &str,
) -> Result<(), SiteError> {
    let _step = stage.step("the authority goes on");
    goes_on(mock);
    let what = "the order come to its end";
    let issued = |status: &Status| status.is_issued(name);
    site.status_until(what, TO_END, issued).await?;
    Ok(())
}
