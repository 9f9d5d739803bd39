//! The daemon by itself, with the runner's own engine.

use std::collections::BTreeSet;
use std::time::Duration;

use super::schedule::no_longer_served;
use super::{Control, Kind, Parameters, Scenario, Stage};
use crate::acme::mock::{Call, Mock, Received, Window};
use crate::clock;
use crate::lab::wait::until;
use crate::site::SiteError;

/// Nobody runs a command: the authority says when.
pub(super) const SCENARIO: Scenario = Scenario {
    name: "renewal/unattended",
    about: "Nobody runs a command: the authority says that it is time (RFC 9773). The daemon \
            asks, orders once, says what that replaces, and rolls out.",
    control: Control {
        wrong: "the authority names a time that is far away",
        found_by: &[Kind::Stuck],
    },
    parameters: Parameters::small_with_mock,
    play: |stage| Box::pin(play(stage)),
};

/// More often it must not be asked.
const A_MINUTE: Duration = Duration::from_secs(60);
/// A minute until it is asked again, and the time to renew.
const DEADLINE: Duration = Duration::from_secs(120);
/// A minute, and longer than a renewal takes.
const CONTROLS: Duration = Duration::from_secs(80);
const TO_ASK: Duration = Duration::from_secs(30);

async fn play(stage: &Stage<'_>) -> Result<(), SiteError> {
    // What an authority has answered is remembered as long as the stack stands.
    stage.empty().await?;
    let Some(mock) = stage.lab().mock() else {
        stage.found(Kind::Lab, "expected the scripted ACME server");
        return Ok(());
    };
    let mut usual = None;
    mock.configure(|settings| {
        usual = settings.window_retry_after.replace(A_MINUTE);
    });
    let played = renewed(stage, mock).await;
    mock.configure(|settings| {
        settings.window = Window::Usual;
        settings.window_retry_after = usual;
    });
    played
}

async fn renewed(stage: &Stage<'_>, mock: &Mock) -> Result<(), SiteError> {
    let site = stage.site().await?;
    let old = stage.one_certificate(&site.seen().await?);
    let before = mock.calls().len();
    let since = |call: Call| -> Vec<Received> {
        let calls = mock.calls().into_iter().skip(before);
        calls.filter(|received| received.call == call).collect()
    };
    if !stage.is_control() {
        // Over, but not before this certificate began: for the next one it means nothing.
        let now = clock::now();
        mock.configure(|settings| settings.window = Window::Between(now - A_MINUTE, now));
    }
    let step = stage.step("the authority says that it is time");
    let deadline = stage.patience(DEADLINE, CONTROLS);
    let served = no_longer_served(&site, &old.unwrap_or_default(), deadline).await?;
    drop(step);
    stage.one_certificate(&served);
    until("it be asked about the new one too", TO_ASK, async || {
        let asked = since(Call::RenewalInfo);
        let paths: BTreeSet<&str> = asked.iter().map(|it| it.path.as_str()).collect();
        if paths.len() < 2 {
            return Err(format!("asked about {paths:?}"));
        }
        Ok(())
    })
    .await?;
    site.once(&[]).await?.succeeded()?;
    let orders = since(Call::NewOrder);
    let says = |order: &Received| Some(order.payload.as_ref()?.get("replaces").is_some());
    let said: Vec<bool> = orders.iter().filter_map(says).collect();
    stage.check(said == [true], Kind::OrderedTwice, || {
        format!("expected one order, which says what it replaces, found {orders:?}")
    });
    let status = site.status().await?;
    let well = status.all_are("serving") && status.rollouts_are("in_step");
    stage.check(well, Kind::Stale, || {
        format!("expected every replica in step, found {status}")
    });
    Ok(())
}
