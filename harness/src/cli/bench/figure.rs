//! One measured thing.

use serde::Serialize;

/// One measured thing: every value, and what it must not exceed.
#[derive(Debug, Serialize)]
pub(super) struct Figure {
    pub(super) what: String,
    pub(super) unit: &'static str,
    pub(super) values: Vec<f64>,
    pub(super) limit: Option<f64>,
    /// What must not exceed the limit.
    pub(super) judged: Judged,
    /// Of so many requests sent meanwhile, so many were lost.
    pub(super) lost: Option<Lost>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Judged {
    /// Every value.
    Most,
    /// For what a busy machine holds up now and then, and does not make slower.
    Median,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Lost {
    pub(super) lost: usize,
    pub(super) sent: usize,
}

impl Figure {
    /// Something that is counted or measured in this unit.
    pub(super) fn of(
        what: impl Into<String>,
        unit: &'static str,
        values: Vec<f64>,
        limit: Option<f64>,
    ) -> Self {
        Self {
            what: what.into(),
            unit,
            values,
            limit,
            judged: Judged::Most,
            lost: None,
        }
    }

    /// Something that took time.
    pub(super) fn seconds(what: impl Into<String>, values: Vec<f64>, limit: Option<f64>) -> Self {
        Self::of(what, "s", values, limit)
    }

    /// Something that took time, of which the median counts.
    pub(super) fn median(what: impl Into<String>, values: Vec<f64>, limit: Option<f64>) -> Self {
        Self {
            judged: Judged::Median,
            ..Self::seconds(what, values, limit)
        }
    }

    /// Something that took memory.
    pub(super) fn mebibytes(what: impl Into<String>, values: Vec<f64>, limit: Option<f64>) -> Self {
        Self::of(what, "MiB", values, limit)
    }

    /// So many times as much as something else.
    pub(super) fn times(what: impl Into<String>, ratio: f64, limit: f64) -> Self {
        Self::of(what, "x", vec![ratio], Some(limit))
    }

    fn least(&self) -> f64 {
        self.values.iter().copied().fold(f64::INFINITY, f64::min)
    }

    fn most(&self) -> f64 {
        self.values.iter().copied().fold(0.0, f64::max)
    }

    /// The one in the middle, or what is between the two.
    fn middle(&self) -> f64 {
        let mut values = self.values.clone();
        values.sort_by(f64::total_cmp);
        let half = values.len() / 2;
        match (values.len() % 2, values.get(half)) {
            (_, None) => f64::NAN,
            (0, Some(upper)) => f64::midpoint(values[half - 1], *upper),
            (_, Some(middle)) => *middle,
        }
    }

    /// Whether there is a value, and none that counts is above the limit.
    pub(super) fn met(&self) -> bool {
        let judged = match self.judged {
            Judged::Most => self.most(),
            Judged::Median => self.middle(),
        };
        !self.values.is_empty() && self.limit.is_none_or(|limit| judged <= limit)
    }

    fn row(&self) -> String {
        let Self { what, unit, .. } = self;
        let limit = self
            .limit
            .map_or_else(|| "-".to_owned(), |limit| format!("{limit} {unit}"));
        let limit = match self.judged {
            Judged::Median if self.limit.is_some() => format!("median {limit}"),
            _ => limit,
        };
        let lost = self.lost.map_or_else(
            || "-".to_owned(),
            |Lost { lost, sent }| format!("{lost} of {sent}"),
        );
        let value = |value: f64| {
            let digits = match *unit {
                "s" if value < 1.0 => 3,
                "cores" => 2,
                _ => 1,
            };
            format!("{value:.digits$} {unit}")
        };
        let row = format!(
            "{what:<44}  {:>3}  {:>10}  {:>10}  {:>10}  {limit:>13}  {lost:>14}  {}",
            self.values.len(),
            value(self.least()),
            value(self.middle()),
            value(self.most()),
            if self.met() { "" } else { "NOT MET" },
        );
        row.trim_end().to_owned()
    }
}

pub(super) fn table(figures: &[Figure]) -> String {
    let head = format!(
        "{:<44}  {:>3}  {:>10}  {:>10}  {:>10}  {:>13}  {:>14}",
        "", "n", "least", "median", "most", "at most", "lost of sent"
    );
    let rows = figures.iter().map(Figure::row);
    std::iter::once(head)
        .chain(rows)
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_met_by_every_value_or_not_at_all() {
        let figure = |values: &[f64]| Figure::seconds("a start", values.to_vec(), Some(12.0));
        assert!(figure(&[3.0, 12.0]).met());
        assert!(!figure(&[3.0, 12.1]).met());
        assert!(!figure(&[]).met(), "what was not measured is not met");
    }

    #[test]
    fn where_the_median_counts_a_single_one_may_be_above() {
        let figure = |values: &[f64]| Figure::median("one", values.to_vec(), Some(0.15));
        assert!(figure(&[0.1, 3.0, 0.12]).met());
        assert!(!figure(&[0.1, 3.0, 0.16]).met());
        assert!(figure(&[0.1, 0.19]).met());
        assert!(!figure(&[]).met());
        assert!(figure(&[0.1]).row().contains("median 0.15 s"));
        assert!(figure(&[0.1]).row().contains("0.100 s"));
    }

    #[test]
    fn parts_of_a_core_are_told_in_hundredths() {
        let row = Figure::of("client", "cores", vec![0.426], Some(1.0)).row();
        assert!(row.contains("0.43 cores"), "{row}");
    }

    #[test]
    fn a_table_says_what_was_not_met() {
        let mut rollout = Figure::seconds("rollout", vec![2.0, 2.5], None);
        rollout.lost = Some(Lost {
            lost: 0,
            sent: 1000,
        });
        let start = Figure::seconds("start", vec![13.0], Some(12.0));
        let table = table(&[rollout, start]);
        let rows: Vec<Vec<&str>> = table
            .lines()
            .map(|line| {
                line.split("  ")
                    .map(str::trim)
                    .filter(|cell| !cell.is_empty())
                    .collect()
            })
            .collect();
        assert_eq!(
            rows[0],
            ["n", "least", "median", "most", "at most", "lost of sent"]
        );
        assert_eq!(
            rows[1],
            ["rollout", "2", "2.0 s", "2.2 s", "2.5 s", "-", "0 of 1000"]
        );
        let start = [
            "start", "1", "13.0 s", "13.0 s", "13.0 s", "12 s", "-", "NOT MET",
        ];
        assert_eq!(rows[2], start);
    }
}
