//! Many certificates at a time.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Control, Kind, Parameters, Scenario, Stage};
use crate::acme::mock::{Call, Received};
use crate::lab::wait::until;
use crate::site::{Site, SiteError};

/// Several orders are open at once, and no more than the setting has it by default.
pub(super) const SCENARIO: Scenario = Scenario {
    name: "many-orders",
    about: "A service asks for forty more certificates. Several are ordered at a time, never more \
            than --certificates-at-once, and each once.",
    control: Control {
        wrong: "the setting allows all of them at a time",
        found_by: &[Kind::Overlap],
    },
    parameters: Parameters::small_with_mock,
    play: |stage| Box::pin(play(stage)),
};

const MANY: usize = 40;
/// The default of the setting.
const AT_ONCE: usize = 4;
const TO_OBTAIN: Duration = Duration::from_secs(120);

async fn play(stage: &Stage<'_>) -> Result<(), SiteError> {
    stage.empty().await?;
    let site = stage.site().await?;
    if stage.is_control() {
        let bound = format!("ROLLOVER_CERTIFICATES_AT_ONCE={MANY}");
        site.runner().update(&["--env-add", &bound]).await?;
        site.settle().await?;
    }
    let Some(mock) = stage.lab().mock() else {
        stage.found(Kind::Lab, "expected the scripted ACME server");
        return Ok(());
    };
    let before = mock.calls().len();
    let step = stage.step("forty more certificates are asked for");
    ask(&site).await?;
    obtained(&site).await?;
    drop(step);
    let calls: Vec<Received> = mock.calls().into_iter().skip(before).collect();
    let of = |call: Call| calls.iter().filter(move |received| received.call == call);
    let ordered = of(Call::NewOrder).count();
    stage.check(ordered == MANY, Kind::OrderedTwice, || {
        format!("expected {MANY} orders, found {ordered}")
    });
    let most = most_at_once(&calls);
    stage.check(most > 1 && most <= AT_ONCE, Kind::Overlap, || {
        format!("expected 2 to {AT_ONCE} orders at a time, found {most}")
    });
    stage.figure("orders at a time", most as f64, "");
    stage.empty().await
}

async fn ask(site: &Site<'_>) -> Result<(), SiteError> {
    let mut labels = Vec::new();
    for nth in 1..=MANY {
        let name = format!("many{nth}.{}", site.options().domain);
        site.leads_here(&name).await?;
        labels.push(format!("rollover.domains.many{nth}={name}"));
    }
    let mut words: Vec<&str> = Vec::new();
    for label in &labels {
        words.extend(["--label-add", label]);
    }
    Ok(site.load_balancer().update(&words).await?)
}

async fn obtained(site: &Site<'_>) -> Result<(), SiteError> {
    until("every certificate be obtained", TO_OBTAIN, async || {
        let status = site.status().await.map_err(|error| error.to_string())?;
        let certificates = &status.report.certificates;
        let issued = certificates.iter().filter(|it| it.is_issued());
        let issued: BTreeSet<&str> = issued.map(|it| it.name.as_str()).collect();
        if issued.len() > MANY {
            return Ok(());
        }
        Err(format!("{} of {} are", issued.len(), MANY + 1))
    })
    .await?;
    Ok(())
}

/// How many orders were placed, and their certificates not fetched yet, at most.
fn most_at_once(calls: &[Received]) -> usize {
    let (mut open, mut most) = (0_usize, 0);
    for received in calls {
        match received.call {
            Call::NewOrder => open += 1,
            Call::Certificate => open = open.saturating_sub(1),
            _ => {}
        }
        most = most.max(open);
    }
    most
}
