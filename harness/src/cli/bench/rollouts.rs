//! From a new file to the proof that every replica serves it.

use std::time::Instant;

use super::figure::{Figure, Lost};
use super::{CouldNot, Progress, images};
use rollover_lab::lab::Lab;
use rollover_lab::site::{Account, Load, Renewal, Site, SiteOptions, Strategy};

/// So many seconds may three replicas take by signal.
pub(super) const AT_MOST: f64 = 3.0;

/// Renews so many times by signal and once by restart, in one lab.
pub(super) async fn measure(progress: &Progress, times: u32) -> Result<Vec<Figure>, CouldNot> {
    let start = Lab::builder().start();
    let lab = progress.step("a lab comes up for the stack", start).await?;
    let figures = in_lab(&lab, progress, times).await;
    progress.step("the lab is taken down", lab.stop()).await?;
    figures
}

async fn in_lab(lab: &Lab, progress: &Progress, times: u32) -> Result<Vec<Figure>, CouldNot> {
    let options = SiteOptions::find()?;
    let begun = Instant::now();
    let deployed = async {
        let site = Site::deploy(lab, options.clone()).await?;
        site.serving().await?;
        Ok::<_, CouldNot>(site)
    };
    let what = "the stack is deployed and serves";
    let site = progress.step(what, deployed).await?;
    let served = begun.elapsed().as_secs_f64();
    // What is behind the load balancer may take longer, and is asked for pages next.
    site.ready().await?;
    let renewal = Renewal {
        load: Load::default(),
        times,
    };
    let signal = renewal.run(&site);
    let signal = progress.step("renewals by signal", signal).await?;
    let restarting = SiteOptions {
        strategy: Strategy::Restart,
        ..options
    };
    let site = Site::deploy(lab, restarting).await?;
    let renewal = Renewal {
        times: 1,
        ..renewal
    };
    let restart = renewal.run(&site);
    let restart = progress.step("a renewal by restart", restart).await?;
    let mut figures = vec![
        Figure::seconds("the stack serves, from an empty swarm", vec![served], None),
        rollout(
            "new file to all three verified, signal",
            &signal,
            Some(AT_MOST),
        ),
        rollout("the same, restart (delay 30 s)", &restart, None),
    ];
    figures.extend(images::figures(lab).await?);
    Ok(figures)
}

fn rollout(what: &str, account: &Account, limit: Option<f64>) -> Figure {
    let mut figure = Figure::seconds(what, account.seconds_to_verified(), limit);
    figure.lost = Some(Lost {
        lost: account.record.lost(),
        sent: account.record.outcomes.len(),
    });
    figure
}
