//! A reconcile over many certificates of which none is due.

use std::time::Duration;

use super::fleet::{self, Age};
use super::released::{Released, Took};
use super::{CouldNot, Figure, Progress};
use rollover_lab::acme::Acme;
use rollover_lab::acme::mock::{Call, Mock, Scripted};
use rollover_lab::lab::Lab;

const CERTIFICATES: usize = 10_000;
const SECONDS_AT_MOST: f64 = 1.0;
const MIB_AT_MOST: f64 = 32.0;
/// Longer than the benchmark takes.
const ASKED_AGAIN: Duration = Duration::from_secs(6 * 60 * 60);

/// Reconciles so many times, in a swarm of one node.
pub(super) async fn measure(progress: &Progress, times: u32) -> Result<Vec<Figure>, CouldNot> {
    let lab = Lab::builder().nodes(1).images([] as [&str; 0]);
    let lab = lab.acme(Acme::Mock).start();
    let what = "a lab of one node comes up";
    let lab = progress.step(what, lab).await?;
    let figures = in_lab(&lab, progress, times).await;
    progress.step("the lab is taken down", lab.stop()).await?;
    figures
}

async fn in_lab(lab: &Lab, progress: &Progress, times: u32) -> Result<Vec<Figure>, CouldNot> {
    suggest_a_window(lab.mock().ok_or("the lab has no mock")?);
    let runner = Released::of(lab).await?;
    let names = fleet::names("site", CERTIFICATES);
    let what = format!("{CERTIFICATES} certificates are made, and asked for");
    let asked_for = async {
        fleet::publish(&runner.root, &names, Age::New, true)?;
        fleet::ask_for(lab, "site", &names).await
    };
    progress.step(&what, asked_for).await?;
    let what = "the runner asks when to renew each, and keeps the answer";
    let first = progress.step(what, runner.once(&[])).await?;
    let reconciles = async {
        let mut took = Vec::new();
        for _ in 0..times {
            took.push(runner.once(&[]).await?);
        }
        Ok::<_, CouldNot>(took)
    };
    let what = "reconciles with nothing due";
    let took = progress.step(what, reconciles).await?;
    Ok(told(first, &took))
}

/// What an authority says of a certificate that it shall not renew for weeks.
fn suggest_a_window(mock: &Mock) {
    let window =
        r#"{"suggestedWindow": {"start": "2100-01-01T00:00:00Z", "end": "2100-01-03T00:00:00Z"}}"#;
    let answer = Scripted::body(200, "application/json", window);
    mock.on(Call::RenewalInfo)
        .answer(answer.retry_after(ASKED_AGAIN));
}

fn told(first: Took, took: &[Took]) -> Vec<Figure> {
    let of = |value: fn(&Took) -> f64| took.iter().map(value).collect::<Vec<f64>>();
    let what = format!("reconcile, {CERTIFICATES} certificates, none due");
    vec![
        Figure::seconds(
            format!("first look at {CERTIFICATES} certificates"),
            vec![first.seconds],
            None,
        ),
        Figure::median(what, of(|it| it.seconds), Some(SECONDS_AT_MOST)),
        Figure::seconds("  of that on a core", of(|it| it.cpu_seconds), None),
        Figure::mebibytes(
            "  memory resident at the most",
            of(|it| it.peak_mib),
            Some(MIB_AT_MOST),
        ),
    ]
}
