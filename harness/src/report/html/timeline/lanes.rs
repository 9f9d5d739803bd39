//! One plot for each lane: every request where it was due and how long it took.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use jiff::Timestamp;
use maud::{Markup, html};

use super::super::text::{counted, length, number, since, time_of_day};
use super::part::{Part, percent};
use super::scale::{LatencyScale, Span};
use super::thinning::{COLUMNS, Dot, ROWS, thin};
use crate::report::Run;
use crate::report::losses::LostRequest;
use crate::traffic::{Outcome, Record};

/// How high a plot is, in pixels.
const HEIGHT: u32 = 110;
/// Where it begins, below its title.
const TOP: u32 = 20;

/// What a lane's plot shows.
pub(super) struct LanePlot<'run> {
    name: &'run str,
    /// The answered ones that were not late, thinned out.
    pub(super) answered: Vec<Dot>,
    /// Every late one.
    pub(super) late: Vec<Due<'run>>,
    /// Every one that the server said it never began.
    pub(super) retryable: Vec<Due<'run>>,
    /// Every lost one.
    pub(super) lost: Vec<&'run LostRequest<'run>>,
}

/// A request with the time at which it was due.
pub(super) struct Due<'run> {
    outcome: &'run Outcome,
    due: Timestamp,
}

/// The lanes that were driven, in the plans' order.
pub(super) fn lane_names(run: &Run) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for lane in run.traffic.iter().flat_map(|record| &record.plan.lanes) {
        if !names.contains(&lane.name.as_str()) {
            names.push(&lane.name);
        }
    }
    names
}

/// The scale that all lanes of a run share, so that they can be compared.
pub(super) fn latency_scale(run: &Run) -> LatencyScale {
    let outcomes = run.traffic.iter().flat_map(|record| {
        let limit = record.plan.late_after;
        record.outcomes.iter().map(Outcome::latency).chain([limit])
    });
    LatencyScale::of(outcomes)
}

impl<'run> LanePlot<'run> {
    pub(super) fn of(
        run: &'run Run,
        name: &'run str,
        lost: &'run [LostRequest<'run>],
        span: Span,
    ) -> Self {
        let scale = latency_scale(run);
        let point = |due: &Due<'_>| {
            let latency = scale.fraction(due.outcome.latency());
            (span.fraction(due.due), latency)
        };
        let mut answered = Vec::new();
        let (mut late, mut retryable) = (Vec::new(), Vec::new());
        for (record, due) in run.traffic.iter().flat_map(|it| due_in(it, name, span)) {
            if due.outcome.retryable.is_some() {
                retryable.push(due);
            } else if record.is_late(due.outcome) {
                late.push(due);
            } else if due.outcome.is_answered() {
                answered.push(due);
            }
        }
        let is_here =
            |lost: &&LostRequest<'_>| &*lost.outcome.lane == name && span.contains(lost.due);
        Self {
            name,
            answered: thin(answered.iter().map(point)),
            late,
            retryable,
            lost: lost.iter().filter(is_here).collect(),
        }
    }

    /// How many answered requests its dots stand for.
    pub(super) fn requests(&self) -> usize {
        self.answered.iter().map(|dot| dot.requests).sum()
    }

    /// The plot, with its title above.
    pub(super) fn draw(&self, run: &Run, span: Span) -> Part {
        let scale = latency_scale(run);
        let drawing = html! {
            (self.title())
            svg y=(TOP) width="100%" height=(HEIGHT) {
                rect class="plot" width="100%" height="100%" {}
                (grid(scale))
                @if let Some(limit) = late_after(run, self.name) { (late_line(scale, limit)) }
                (self.guides(span))
                (self.dots())
                @for again in &self.retryable {
                    (again.draw("again", "retryable, for it never began: ", run, span, scale))
                }
                @for late in &self.late { (late.draw("late", "late: ", run, span, scale)) }
                @for lost in &self.lost { (draw_lost(lost, run, span, scale)) }
            }
        };
        Part::new(TOP + HEIGHT + 6, drawing)
    }

    fn title(&self) -> Markup {
        let all = self.requests() + self.late.len() + self.retryable.len() + self.lost.len();
        html! {
            text class="lane" x="0" y="14" {
                (self.name)
                @if self.lost.is_empty() {
                    tspan class="muted" dx="8" { "none lost of " (counted(all, "request")) }
                } @else {
                    tspan class="bad" dx="8" { (number(self.lost.len())) " lost" }
                    tspan class="muted" { " of " (counted(all, "request")) }
                }
                @if !self.retryable.is_empty() {
                    tspan class="muted" dx="8" { (number(self.retryable.len())) " retryable" }
                }
                @if !self.late.is_empty() {
                    tspan class="warn" dx="8" { (number(self.late.len())) " late" }
                }
            }
        }
    }

    /// One path for each weight. A stretched grid keeps thousands of dots small;
    /// the strokes are not stretched with it.
    fn dots(&self) -> Markup {
        let mut paths: BTreeMap<&str, String> = BTreeMap::new();
        for dot in &self.answered {
            let path = paths.entry(weight(dot.requests)).or_default();
            // Writing to a string does not fail.
            let _ = write!(path, "M{} {}h0", dot.column, dot.row);
        }
        html! {
            @if !paths.is_empty() {
                svg width="100%" height="100%" preserveAspectRatio="none"
                    viewBox={ "0 0 " (COLUMNS) " " (ROWS) } {
                    @for (weight, path) in &paths {
                        path class={ "dots " (weight) } d=(path) {}
                    }
                }
            }
        }
    }

    /// A line through the whole plot wherever something was lost: it is seen
    /// even if the mark itself is missed.
    fn guides(&self, span: Span) -> Markup {
        let mut columns: Vec<_> = self
            .lost
            .iter()
            .map(|lost| (span.fraction(lost.due) * f64::from(COLUMNS)).round() as u32)
            .collect();
        columns.sort_unstable();
        columns.dedup();
        let path: String = columns.iter().map(|x| format!("M{x} 0v{ROWS}")).collect();
        html! {
            @if !path.is_empty() {
                svg width="100%" height="100%" preserveAspectRatio="none"
                    viewBox={ "0 0 " (COLUMNS) " " (ROWS) } {
                    path class="guide" d=(path) {}
                }
            }
        }
    }
}

fn due_in<'run>(
    record: &'run Record,
    lane: &'run str,
    span: Span,
) -> impl Iterator<Item = (&'run Record, Due<'run>)> {
    let outcomes = record.outcomes.iter();
    let of_lane = outcomes.filter(move |outcome| &*outcome.lane == lane);
    let due = of_lane.map(|outcome| Due {
        outcome,
        due: record.at(outcome.intended),
    });
    due.filter(move |due| span.contains(due.due))
        .map(move |due| (record, due))
}

/// From where on an answer is late in a lane, which may last by nature.
fn late_after(run: &Run, lane: &str) -> Option<Duration> {
    let limits = run.traffic.iter().filter_map(|record| {
        let lane = record.plan.lanes.iter().find(|it| it.name == lane)?;
        Some(record.plan.late_after + lane.lasting)
    });
    limits.max()
}

/// Dots that stand for more are larger.
fn weight(requests: usize) -> &'static str {
    match requests {
        1 => "one",
        2..=9 => "some",
        _ => "many",
    }
}

fn y(scale: LatencyScale, latency: Duration) -> String {
    format!("{:.1}", (1.0 - scale.fraction(latency)) * f64::from(HEIGHT))
}

fn grid(scale: LatencyScale) -> Markup {
    html! {
        @for (time, name) in scale.lines() {
            line class="grid" x1="0" x2="100%" y1=(y(scale, time)) y2=(y(scale, time)) {}
            text class="unit" x="-6" y=(y(scale, time)) { (name) }
        }
    }
}

fn late_line(scale: LatencyScale, limit: Duration) -> Markup {
    html! {
        line class="limit" x1="0" x2="100%" y1=(y(scale, limit)) y2=(y(scale, limit)) {
            title { "later than " (length(limit)) " is late" }
        }
    }
}

impl Due<'_> {
    fn draw(&self, class: &str, what: &str, run: &Run, span: Span, scale: LatencyScale) -> Markup {
        let latency = self.outcome.latency();
        html! {
            use class=(class) href={ "#mark-" (class) } x=(percent(span.fraction(self.due)))
                y=(y(scale, latency)) {
                title {
                    (what) (length(latency)) " at " (self.outcome.target) ", due "
                    (time_of_day(self.due)) " (" (since(run.started_at, self.due)) ")"
                }
            }
        }
    }
}

fn draw_lost(lost: &LostRequest<'_>, run: &Run, span: Span, scale: LatencyScale) -> Markup {
    html! {
        use class="lost" href="#mark-lost" x=(percent(span.fraction(lost.due)))
            y=(y(scale, lost.outcome.latency())) {
            title {
                "LOST: " (lost.loss.class) " (" (lost.loss.phase) ") at " (lost.outcome.target)
                ", due " (time_of_day(lost.due)) " (" (since(run.started_at, lost.due)) "), after "
                (length(lost.outcome.latency()))
                @if let Some(cause) = lost.cause() {
                    "; before it there: " (cause.what) " at " (time_of_day(cause.at))
                }
            }
        }
    }
}
