//! `rollover-lab bench`: the figures, measured side by side in one run.

use std::time::Instant;

use clap::Args;

use super::progress::Progress;
use super::{CouldNot, Verdict, print};
use rollover_lab::lab::Lab;
use rollover_lab::scenario::{Load, Renewal, Site, SiteOptions, Strategy};

#[derive(Args, Debug)]
pub(super) struct Bench {
    /// How many renewals by signal
    #[arg(long, value_name = "N", default_value_t = 5)]
    times: u32,
}

/// One measured thing: every value, and what it must not exceed.
struct Figure {
    what: &'static str,
    seconds: Vec<f64>,
    limit: Option<f64>,
    lost: Option<(usize, usize)>,
}

impl Bench {
    pub(super) async fn run(self) -> Result<Verdict, CouldNot> {
        let progress = Progress::new();
        // Whatever is built and pushed for the first time is not warm.
        let cold = progress.step("a lab comes up, to warm up", Lab::builder().start());
        cold.await?.stop().await?;
        let begun = Instant::now();
        let lab = progress
            .step("a lab comes up", Lab::builder().start())
            .await?;
        let ready = Figure {
            what: "lab ready for a deploy, warm",
            seconds: vec![begun.elapsed().as_secs_f64()],
            limit: Some(30.0),
            lost: None,
        };
        let rollouts = self.rollouts(&lab, &progress).await;
        progress.step("the lab is taken down", lab.stop()).await?;
        let mut figures = vec![ready];
        figures.extend(rollouts?);
        print(&table(&figures));
        Ok(if figures.iter().all(Figure::met) {
            Verdict::Passed
        } else {
            Verdict::Failed
        })
    }

    async fn rollouts(&self, lab: &Lab, progress: &Progress) -> Result<Vec<Figure>, CouldNot> {
        let options = SiteOptions::find()?;
        let deployed = async {
            let site = Site::deploy(lab, options.clone()).await?;
            site.serving().await?;
            Ok::<_, CouldNot>(site)
        };
        let site = progress
            .step("the stack is deployed and serves", deployed)
            .await?;
        let renewal = Renewal {
            load: Load::default(),
            times: self.times,
        };
        let signal = progress
            .step("renewals by signal", renewal.run(&site))
            .await?;
        let restarting = SiteOptions {
            strategy: Strategy::Restart,
            ..options
        };
        let site = Site::deploy(lab, restarting).await?;
        let renewal = Renewal {
            times: 1,
            ..renewal
        };
        let restart = progress
            .step("a renewal by restart", renewal.run(&site))
            .await?;
        Ok(vec![
            Figure {
                what: "new file to all three verified, signal",
                seconds: signal.seconds_to_verified(),
                limit: Some(5.0),
                lost: Some((signal.record.lost(), signal.record.outcomes.len())),
            },
            Figure {
                what: "the same, restart (delay 30 s)",
                seconds: restart.seconds_to_verified(),
                limit: None,
                lost: Some((restart.record.lost(), restart.record.outcomes.len())),
            },
        ])
    }
}

impl Figure {
    fn worst(&self) -> f64 {
        self.seconds.iter().copied().fold(0.0, f64::max)
    }

    fn met(&self) -> bool {
        !self.seconds.is_empty() && self.limit.is_none_or(|limit| self.worst() <= limit)
    }
}

fn table(figures: &[Figure]) -> String {
    let head = format!(
        "{:<40}  {:>3}  {:>8}  {:>8}  {:>8}  {:>14}",
        "", "n", "least", "most", "at most", "lost of sent"
    );
    let rows = figures.iter().map(|figure| {
        let least = figure.seconds.iter().copied().fold(f64::INFINITY, f64::min);
        let limit = figure
            .limit
            .map_or_else(|| "-".to_owned(), |limit| format!("{limit:.0} s"));
        let lost = figure.lost.map_or_else(
            || "-".to_owned(),
            |(lost, sent)| format!("{lost} of {sent}"),
        );
        format!(
            "{:<40}  {:>3}  {least:>6.1} s  {:>6.1} s  {limit:>8}  {lost:>14}  {}",
            figure.what,
            figure.seconds.len(),
            figure.worst(),
            if figure.met() { "" } else { "NOT MET" },
        )
        .trim_end()
        .to_owned()
    });
    std::iter::once(head)
        .chain(rows)
        .collect::<Vec<_>>()
        .join("\n")
}
