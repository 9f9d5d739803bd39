//! An authority that has had enough, and one whose answer is lost: by the scripted
//! server, for Pebble does neither.

use std::time::Duration;

use super::{Control, Kind, Parameters, Scenario, Stage};
use crate::acme::mock::{Call, Mock, ProblemType, Scripted};
use crate::site::{Site, SiteError};

/// An order whose last answer is lost is gone on with; a refused one touches nothing,
/// and is not asked for again too soon.
pub(super) const SCENARIO: Scenario = Scenario {
    name: "acme-limited",
    about: "The authority carries out a request and its answer is lost: the certificate is \
            fetched, and not ordered twice. Then the authority refuses an order because of a rate \
            limit: nothing is touched, the error says what the authority said, and before its \
            time is over not even a person has it asked again.",
    control: Control {
        wrong: "the authority takes each order",
        found_by: &[Kind::Accepted],
    },
    parameters: Parameters::small_with_mock,
    play: |stage| Box::pin(play(stage)),
};

const SAID: &str = "five certificates already";
const AN_HOUR: Duration = Duration::from_secs(3600);

async fn play(stage: &Stage<'_>) -> Result<(), SiteError> {
    // What an authority has refused is remembered as long as the stack stands.
    stage.empty().await?;
    let site = stage.site().await?;
    let Some(mock) = stage.lab().mock() else {
        stage.found(Kind::Lab, "expected the scripted ACME server");
        return Ok(());
    };
    let played = lost_then_refused(stage, &site, mock).await;
    mock.forget_script();
    played
}

async fn lost_then_refused(
    stage: &Stage<'_>,
    site: &Site<'_>,
    mock: &Mock,
) -> Result<(), SiteError> {
    answer_lost(stage, site, mock).await?;
    let before = site.seen().await?;
    if !stage.is_control() {
        let limited = Scripted::problem_with(ProblemType::RateLimited, 429, SAID);
        let limited = limited.retry_after(AN_HOUR);
        mock.on(Call::NewOrder).first(1).answer(limited);
    }
    let expected = ["certificate example.org", "rateLimited", SAID];
    refused(stage, site, &expected).await?;
    if !stage.is_control() {
        let orders = mock.calls_of(Call::NewOrder).len();
        refused(stage, site, &["the authority asked to wait"]).await?;
        let again = mock.calls_of(Call::NewOrder).len();
        stage.check(again == orders, Kind::OrderedTwice, || {
            format!("expected no order after {orders}, found {again}")
        });
    }
    stage.untouched(site, &before).await
}

async fn refused(stage: &Stage<'_>, site: &Site<'_>, expected: &[&str]) -> Result<(), SiteError> {
    let _step = stage.step("a renewal that the authority does not give");
    let once = site.renew(&[]).await?;
    stage.failed_with(&once, expected);
    Ok(())
}

async fn answer_lost(stage: &Stage<'_>, site: &Site<'_>, mock: &Mock) -> Result<(), SiteError> {
    let _step = stage.step("the answer to the request for a certificate is lost");
    let (orders, versions) = (mock.calls_of(Call::NewOrder).len(), site.versions()?);
    let lost = Scripted::reset().carried_out();
    mock.on(Call::Finalize).first(1).answer(lost);
    site.renew(&[]).await?.succeeded()?;
    let (ordered, issued) = (mock.calls_of(Call::NewOrder).len(), site.versions()?);
    let once = ordered == orders + 1 && issued == versions + 1;
    stage.check(once, Kind::OrderedTwice, || {
        format!(
            "expected one order and one version more than {orders} and {versions}, found \
             {ordered} and {issued}"
        )
    });
    let served = site.seen().await?;
    let published = site.published()?;
    let serves_it = stage.one_certificate(&served).as_ref() == Some(&published);
    stage.check(serves_it, Kind::Stale, || {
        format!("expected {published} to be served, found {served:?}")
    });
    Ok(())
}
