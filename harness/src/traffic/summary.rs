//! A run in a few figures.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::loss::LossClass;
use super::machine;
use super::outcome::{Opened, Outcome, micros};
use super::record::{Record, count_by_class};

/// The figures of a run, by lane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// In the plan's order.
    pub lanes: Vec<LaneSummary>,
    /// How long this machine had no processor to spare.
    #[serde(with = "micros")]
    pub busy: Duration,
    /// Lost requests that [timed out meanwhile](Record::starved).
    pub starved: usize,
}

/// The figures of one lane. Latencies count from the intended start, and are
/// those of the answered requests: a lost one has no answer to wait for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneSummary {
    /// The lane's name.
    pub lane: String,
    /// Requests that were due.
    pub sent: usize,
    /// Complete, successful answers, late ones included.
    pub answered: usize,
    /// Answers that came after the plan's limit.
    pub late: usize,
    /// Lost requests, by class; those that the client did not send included.
    pub lost: BTreeMap<LossClass, usize>,
    /// Requests that the server said it never began; neither lost nor answered.
    pub retryable: usize,
    /// Connections found closed when their turn came, and opened anew.
    pub reconnects: usize,
    /// Connections opened because all others were busy.
    pub extra: usize,
    /// Handshakes that resumed a session.
    pub resumed: usize,
    /// Half of the answers came within this time.
    #[serde(with = "micros")]
    pub p50: Duration,
    /// 99 of 100 answers came within this time.
    #[serde(with = "micros")]
    pub p99: Duration,
    /// The slowest answer.
    #[serde(with = "micros")]
    pub max: Duration,
    /// 999 of 1,000 requests were started this late or less: the client's own doing.
    #[serde(with = "micros")]
    pub lateness_p999: Duration,
    /// The latest start.
    #[serde(with = "micros")]
    pub lateness_max: Duration,
}

impl Summary {
    pub(super) fn of(record: &Record) -> Self {
        let lanes = record.plan.lanes.iter();
        Self {
            lanes: lanes.map(|lane| summarize(record, &lane.name)).collect(),
            busy: machine::busy(&record.machine),
            starved: record.starved(),
        }
    }

    /// What lets a reader doubt that it was the server that lost requests, if there is
    /// anything.
    pub fn doubt(&self) -> Option<String> {
        let (busy, starved) = (self.busy.as_secs_f64(), self.starved);
        (starved > 0).then(|| {
            format!(
                "this machine had no processor to spare for {busy:.1} s, and {starved} of the lost \
                 requests timed out meanwhile: that may be its doing"
            )
        })
    }

    /// Requests lost in all lanes.
    pub fn lost(&self) -> usize {
        self.lanes.iter().map(LaneSummary::lost).sum()
    }
}

impl LaneSummary {
    /// Requests lost, of any class.
    pub fn lost(&self) -> usize {
        self.lost.values().sum()
    }
}

fn summarize(record: &Record, lane: &str) -> LaneSummary {
    let outcomes = || {
        record
            .outcomes
            .iter()
            .filter(move |outcome| &*outcome.lane == lane)
    };
    let opened = |how| {
        outcomes()
            .filter(|outcome| outcome.opened == Some(how))
            .count()
    };
    let answers = outcomes().filter(|outcome| outcome.is_answered());
    let latency = sorted(answers.map(Outcome::latency));
    let lateness = sorted(outcomes().map(Outcome::lateness));
    LaneSummary {
        lane: lane.to_owned(),
        sent: lateness.len(),
        answered: latency.len(),
        late: outcomes().filter(|outcome| record.is_late(outcome)).count(),
        lost: count_by_class(outcomes()),
        retryable: outcomes()
            .filter(|outcome| outcome.retryable.is_some())
            .count(),
        reconnects: opened(Opened::Reconnected),
        extra: opened(Opened::Extra),
        resumed: outcomes()
            .filter(|outcome| outcome.resumed == Some(true))
            .count(),
        p50: quantile(&latency, 500),
        p99: quantile(&latency, 990),
        max: quantile(&latency, 1000),
        lateness_p999: quantile(&lateness, 999),
        lateness_max: quantile(&lateness, 1000),
    }
}

fn sorted(times: impl Iterator<Item = Duration>) -> Vec<Duration> {
    let mut times: Vec<_> = times.collect();
    times.sort_unstable();
    times
}

/// The smallest of the sorted times within which so many of 1,000 lie; zero of none.
fn quantile(sorted: &[Duration], of_1000: usize) -> Duration {
    let rank = (sorted.len() * of_1000).div_ceil(1000);
    rank.checked_sub(1)
        .and_then(|index| sorted.get(index))
        .copied()
        .unwrap_or_default()
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.lanes.iter().map(|lane| lane.lane.len()).max();
        let width = width.unwrap_or_default().max("lane".len());
        writeln!(
            f,
            "{:width$} {:>8} {:>8} {:>6} {:>9} {:>6} {:>10} {:>10} {:>10} {:>10}",
            "lane", "sent", "answered", "lost", "retryable", "late", "p50", "p99", "max", "client"
        )?;
        for lane in &self.lanes {
            writeln!(
                f,
                "{:width$} {:>8} {:>8} {:>6} {:>9} {:>6} {:>10} {:>10} {:>10} {:>10}",
                lane.lane,
                lane.sent,
                lane.answered,
                lane.lost(),
                lane.retryable,
                lane.late,
                Millis(lane.p50).to_string(),
                Millis(lane.p99).to_string(),
                Millis(lane.max).to_string(),
                Millis(lane.lateness_max).to_string(),
            )?;
            for (class, count) in &lane.lost {
                writeln!(f, "{:width$} {count:>8} {class}", "")?;
            }
            for (count, what) in [
                (lane.reconnects, "found closed in time and opened anew"),
                (lane.extra, "opened besides, all others being busy"),
                (lane.resumed, "on which a TLS session was resumed"),
            ] {
                if count > 0 {
                    writeln!(f, "{:width$} {count:>8} connections {what}", "")?;
                }
            }
        }
        self.doubt().map_or(Ok(()), |doubt| writeln!(f, "{doubt}"))
    }
}

/// A time as milliseconds with one decimal.
struct Millis(Duration);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} ms", self.0.as_secs_f64() * 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_a_time_that_was_measured() {
        let times: Vec<_> = (1..=10).map(Duration::from_millis).collect();
        assert_eq!(quantile(&times, 500), Duration::from_millis(5));
        assert_eq!(quantile(&times, 990), Duration::from_millis(10));
        assert_eq!(quantile(&times, 1000), Duration::from_millis(10));
        assert_eq!(quantile(&[], 500), Duration::ZERO);
    }
}
