//! How long a rollout takes with three replicas, and with thirty.

use super::{CouldNot, Figure, Progress};
use rollover_lab::lab::Lab;
use rollover_lab::site::{RunnerReport, Server, Site, SiteOptions};

/// So many replicas on three nodes.
const FEW: u32 = 3;
const MANY: u32 = 30;
/// So much longer may many take than few did, and than few may.
const AT_MOST: f64 = 1.5;

/// Renews so many times by signal with few and with many replicas of an nginx that needs
/// no port of its node, in one lab.
pub(super) async fn measure(progress: &Progress, times: u32) -> Result<Vec<Figure>, CouldNot> {
    let what = "a lab comes up for many replicas";
    let lab = progress.step(what, Lab::builder().start()).await?;
    let figures = in_lab(&lab, progress, times).await;
    progress.step("the lab is taken down", lab.stop()).await?;
    figures
}

async fn in_lab(lab: &Lab, progress: &Progress, times: u32) -> Result<Vec<Figure>, CouldNot> {
    let deployed = async {
        let site = Site::deploy(lab, SiteOptions::find()?).await?;
        site.serving().await?;
        // It is where the authority comes to, and not what is measured.
        let alone = ["--label-rm", "rollover.enable"];
        Server::NGINX.deploy(&site).await?;
        site.load_balancer().update(&alone).await?;
        Ok::<_, CouldNot>(site)
    };
    let what = "nginx is deployed beside the stack";
    let site = progress.step(what, deployed).await?;
    let mut seconds = Vec::new();
    for replicas in [FEW, MANY] {
        let renewals = renewals(&site, replicas, times);
        let what = format!("renewals with {replicas} replicas");
        seconds.push(progress.step(&what, renewals).await?);
    }
    let mean = |of: &[f64]| of.iter().sum::<f64>() / f64::from(times);
    let ratio = mean(&seconds[1]) / mean(&seconds[0]);
    let mut figures: Vec<Figure> = [FEW, MANY]
        .into_iter()
        .zip(seconds)
        .map(|(replicas, seconds)| {
            let what = format!("rollout by signal to {replicas} replicas of nginx");
            Figure::seconds(
                what,
                seconds,
                (replicas == MANY).then_some(AT_MOST * super::rollouts::AT_MOST),
            )
        })
        .collect();
    figures.push(Figure::times(
        "the many, compared with the few",
        ratio,
        AT_MOST,
    ));
    Ok(figures)
}

/// What each rollout took, in seconds.
async fn renewals(site: &Site<'_>, replicas: u32, times: u32) -> Result<Vec<f64>, CouldNot> {
    Server::NGINX.scale(site, replicas).await?;
    let mut seconds = Vec::new();
    for _ in 0..times {
        let report = site.renew(&[]).await?.succeeded()?;
        seconds.push(took(&report, replicas)?);
    }
    Ok(seconds)
}

fn took(report: &RunnerReport, replicas: u32) -> Result<f64, CouldNot> {
    let found = match report.rollouts.as_slice() {
        [only] if only.replicas.len() == replicas as usize => only.seconds,
        _ => None,
    };
    found.ok_or_else(|| {
        format!("expected one rollout to {replicas} replicas, found {report:?}").into()
    })
}
