//! Where a time and a latency lie in a figure.

use std::time::Duration;

use jiff::Timestamp;

/// The stretch of time that a figure shows, from left to right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Span {
    pub(in super::super) from: Timestamp,
    pub(in super::super) until: Timestamp,
}

impl Span {
    /// How long it is, in seconds; never zero, so that it can be divided by.
    pub(in super::super) fn seconds(&self) -> f64 {
        const LEAST: f64 = 0.001;
        let length = self.until.duration_since(self.from);
        length.as_secs_f64().max(LEAST)
    }

    pub(in super::super) fn contains(&self, at: Timestamp) -> bool {
        self.from <= at && at <= self.until
    }

    /// Where it lies, from 0 at the left to 1 at the right; what lies outside is
    /// at the edge.
    pub(super) fn fraction(&self, at: Timestamp) -> f64 {
        let seconds = at.duration_since(self.from).as_secs_f64();
        (seconds / self.seconds()).clamp(0.0, 1.0)
    }

    /// The marks of the axis: whole seconds of the clock, as the tables and the
    /// logs have them.
    pub(super) fn ticks(&self) -> Vec<Timestamp> {
        // More would touch each other on a telephone.
        const MOST: f64 = 6.0;
        const STEPS: [i64; 14] = [
            1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200,
        ];
        let fits = |step: &i64| self.seconds() / *step as f64 <= MOST;
        let step = STEPS.into_iter().find(fits);
        let step = step.unwrap_or((self.seconds() / MOST).ceil() as i64);
        let first = self.from.as_second().div_euclid(step) * step;
        let seconds = (0..).map(|index| first + index * step);
        let seconds = seconds.take_while(|second| *second <= self.until.as_second());
        let ticks = seconds.filter_map(|second| Timestamp::from_second(second).ok());
        ticks.filter(|tick| self.contains(*tick)).collect()
    }
}

/// The axis of latency: whole powers of ten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LatencyScale {
    /// The power of ten, of seconds, at the bottom.
    low: i32,
    /// The one at the top.
    high: i32,
}

impl LatencyScale {
    /// What is faster lies at the bottom.
    const FASTEST: i32 = -4;
    /// What is slower lies at the top.
    const SLOWEST: i32 = 2;

    /// Wide enough for all of these.
    pub(super) fn of(latencies: impl Iterator<Item = Duration>) -> Self {
        let (mut fastest, mut slowest) = (Duration::MAX, Duration::ZERO);
        for latency in latencies {
            fastest = fastest.min(latency);
            slowest = slowest.max(latency);
        }
        let low = power(fastest).floor() as i32;
        let low = low.clamp(Self::FASTEST, Self::SLOWEST - 1);
        let high = power(slowest).ceil() as i32;
        let high = high.clamp(low + 1, Self::SLOWEST);
        Self { low, high }
    }

    /// Where it lies, from 0 at the bottom to 1 at the top.
    pub(super) fn fraction(self, latency: Duration) -> f64 {
        let height = f64::from(self.high - self.low);
        ((power(latency) - f64::from(self.low)) / height).clamp(0.0, 1.0)
    }

    /// The powers of ten, with their names.
    pub(super) fn lines(self) -> impl Iterator<Item = (Duration, String)> {
        (self.low..=self.high).map(|power| {
            let time = Duration::from_secs_f64(10_f64.powi(power));
            (time, name(power))
        })
    }
}

fn power(latency: Duration) -> f64 {
    latency.as_secs_f64().max(1e-6).log10()
}

fn name(power: i32) -> String {
    match power {
        ..=-4 => "0.1 ms".to_owned(),
        -3..=-1 => format!("{} ms", 10_i32.pow((power + 3).unsigned_abs())),
        _ => format!("{} s", 10_i32.pow(power.unsigned_abs())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    #[test]
    fn there_are_few_marks_at_round_times() {
        let span = Span {
            from: at(3),
            until: at(58),
        };
        let ticks = [10, 20, 30, 40, 50].map(at);
        assert_eq!(span.ticks(), ticks);
    }

    #[test]
    fn a_stretch_without_length_can_be_drawn() {
        let span = Span {
            from: at(3),
            until: at(3),
        };
        assert_eq!(span.fraction(at(3)), 0.0);
        assert_eq!(span.fraction(at(4)), 1.0);
    }

    #[test]
    fn powers_of_ten_are_evenly_spaced() {
        let millis = Duration::from_millis;
        let scale = LatencyScale::of([millis(2), millis(400)].into_iter());
        let names: Vec<_> = scale.lines().map(|(_, name)| name).collect();
        assert_eq!(names, ["1 ms", "10 ms", "100 ms", "1 s"]);
        assert!((scale.fraction(millis(10)) - 1.0 / 3.0).abs() < 1e-9);
        assert_eq!(scale.fraction(Duration::ZERO), 0.0);
        assert_eq!(scale.fraction(Duration::from_secs(60)), 1.0);
    }

    #[test]
    fn no_request_at_all_still_has_a_scale() {
        assert!(LatencyScale::of(std::iter::empty()).lines().count() >= 2);
    }
}
