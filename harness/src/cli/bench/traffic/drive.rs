//! Drives each kind of traffic, and `wrk` after it, by turns.

use std::{net::SocketAddr, time::Duration};

use super::super::figure::{Figure, Lost};
use super::super::{CouldNot, Progress, cpu};
use super::missed::{by_the_client, by_the_server};
use super::server;
use super::wrk::{self, Wrk};
use rollover_lab::lab::Lab;
use rollover_lab::site::{Site, SiteOptions};
use rollover_lab::traffic::{Lane, Plan, Record, Target, Traffic};

/// How long each is driven at a time.
const STRETCH: Duration = Duration::from_secs(5);
const CONNECTIONS: usize = 100;

/// One kind of traffic, at the rate that it must keep.
struct Kind {
    name: &'static str,
    rate: u32,
    lane: fn(u32) -> Lane,
    /// So many cores may the client take.
    cores: Option<f64>,
    /// What has `wrk` do the same.
    header: Option<&'static str>,
}

const KINDS: [Kind; 2] = [
    Kind {
        name: "keep-alive",
        rate: 1000,
        lane: |rate| Lane::keep_alive("keep-alive", rate, CONNECTIONS),
        cores: Some(1.0),
        header: None,
    },
    Kind {
        name: "new TLS",
        rate: 200,
        lane: |rate| Lane::new_connections("new TLS", rate),
        cores: None,
        header: Some("Connection: close"),
    },
];

/// One stretch of it.
struct Driven {
    record: Record,
    cpu: Duration,
}

/// Drives each so many times beside a lab in which the stack serves.
pub(in super::super) async fn measure(
    progress: &Progress,
    times: u32,
) -> Result<Vec<Figure>, CouldNot> {
    let what = "a lab comes up, to drive traffic beside it";
    let lab = progress.step(what, Lab::builder().start()).await?;
    let figures = in_lab(&lab, progress, times).await;
    progress.step("the lab is taken down", lab.stop()).await?;
    figures
}

async fn in_lab(lab: &Lab, progress: &Progress, times: u32) -> Result<Vec<Figure>, CouldNot> {
    let ready = async {
        Site::deploy(lab, SiteOptions::find()?)
            .await?
            .ready()
            .await?;
        server::start(lab).await
    };
    let what = "the stack serves, and an nginx beside it";
    let server = progress.step(what, ready).await?;
    let mut figures = Vec::new();
    for kind in &KINDS {
        let what = format!("{}, {} a second, and wrk", kind.name, kind.rate);
        let driven = progress.step(&what, kind.driven(server, times));
        let (driven, by_wrk) = driven.await?;
        if by_wrk.is_empty() {
            progress.say("wrk is not installed (apt-get install wrk): nothing to compare with");
        }
        for dishonest in driven.iter().filter_map(|it| it.record.honest().err()) {
            progress.say(&format!("failed to {dishonest}"));
        }
        figures.extend(kind.figures(&driven));
        figures.extend(kind.compared(&by_wrk));
    }
    Ok(figures)
}

impl Kind {
    async fn driven(
        &self,
        server: SocketAddr,
        times: u32,
    ) -> Result<(Vec<Driven>, Vec<Wrk>), CouldNot> {
        let (mut driven, mut by_wrk) = (Vec::new(), Vec::new());
        for _ in 0..times {
            driven.push(drive(server, (self.lane)(self.rate)).await?);
            by_wrk.extend(wrk::run(server, CONNECTIONS, STRETCH, self.header).await?);
        }
        Ok((driven, by_wrk))
    }

    fn figures(&self, driven: &[Driven]) -> [Figure; 4] {
        let Self { name, rate, .. } = self;
        let of = |value: fn(&Driven) -> f64| driven.iter().map(value).collect::<Vec<_>>();
        let mut answers = Figure::of(
            format!("{name}, {rate}/s: late or lost"),
            "",
            of(|it| number(by_the_server(&it.record))),
            Some(0.0),
        );
        answers.lost = Some(Lost {
            lost: driven.iter().map(|it| it.record.lost()).sum(),
            sent: driven.iter().map(|it| it.record.outcomes.len()).sum(),
        });
        let cores = of(|it| it.cpu.as_secs_f64() / STRETCH.as_secs_f64());
        let each = of(|it| it.cpu.as_secs_f64() * 1e6 / number(it.record.outcomes.len()));
        [
            Figure::of(
                format!("{name}, {rate}/s: off schedule or not sent"),
                "",
                of(|it| number(by_the_client(&it.record))),
                Some(0.0),
            ),
            answers,
            Figure::of(
                format!("{name}, {rate}/s: the client"),
                "cores",
                cores,
                self.cores,
            ),
            Figure::of(
                format!("{name}: the client, each request"),
                "µs",
                each,
                None,
            ),
        ]
    }

    fn compared(&self, by_wrk: &[Wrk]) -> Vec<Figure> {
        if by_wrk.is_empty() {
            return Vec::new();
        }
        let name = self.name;
        let of = |value: fn(&Wrk) -> f64| by_wrk.iter().map(value).collect();
        vec![
            Figure::of(
                format!("{name}: wrk, each request"),
                "µs",
                of(|it| it.cpu_each),
                None,
            ),
            Figure::of(
                format!("{name}: wrk, in a closed loop"),
                "/s",
                of(|it| it.per_second),
                None,
            ),
        ]
    }
}

async fn drive(server: SocketAddr, lane: Lane) -> Result<Driven, CouldNot> {
    let plan = Plan::new(vec![Target::new("nginx", server)], server::NAME).lane(lane);
    let traffic = Traffic::start(plan)?;
    traffic.begun().await;
    let before = cpu::of_the_traffic()?;
    // Time itself is the subject here.
    tokio::time::sleep(STRETCH).await;
    let cpu = cpu::of_the_traffic()?.saturating_sub(before);
    Ok(Driven {
        record: traffic.stop().await?,
        cpu,
    })
}

#[expect(clippy::cast_precision_loss, reason = "there are some thousands")]
fn number(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::super::missed::tests::record;
    use super::*;

    /// Four requests, one of which was late by so much, at so many cores.
    fn figures(late: Duration, cores: f64) -> [Figure; 4] {
        let kind = &KINDS[0];
        let record = record(4, late);
        let cpu = STRETCH.mul_f64(cores);
        kind.figures(&[Driven { record, cpu }])
    }

    #[test]
    fn who_keeps_the_schedule_with_one_core_meets_every_limit() {
        assert!(figures(Duration::ZERO, 1.0).iter().all(Figure::met));
    }

    #[test]
    fn who_takes_more_or_is_late_does_not() {
        let met = |figures: &[Figure; 4]| figures.each_ref().map(Figure::met);
        let busy = figures(Duration::ZERO, 1.1);
        assert_eq!(met(&busy), [true, true, false, true]);
        let late = figures(Duration::from_secs(2), 0.5);
        assert_eq!(met(&late), [true, false, true, true]);
        let lost = late[1].lost.expect("it is told of how many");
        assert_eq!((lost.lost, lost.sent), (0, 4));
    }

    #[test]
    fn without_wrk_there_is_nothing_to_compare_with() {
        assert!(KINDS[0].compared(&[]).is_empty());
    }
}
