//! The moments that matter: around losses, and while something was broken. Each
//! is told from all that was written down, in one order of time.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};

use super::text::{counted, number, plain, since, time_of_day};
use super::timeline::{Span, Timeline, end};
use crate::event::BandKind;
use crate::report::Run;
use crate::report::losses::LostRequest;

/// What is shown before a moment.
const BEFORE: SignedDuration = SignedDuration::from_secs(2);
/// What is shown after it.
const AFTER: SignedDuration = SignedDuration::from_secs(1);
/// How much of the end is shown if nothing else says where to look.
const END: SignedDuration = SignedDuration::from_secs(15);
/// More moments than this nobody reads.
const MOST_MOMENTS: usize = 12;
/// More lines than this of one moment nobody reads.
const MOST_LINES: usize = 250;

/// A moment that matters.
#[derive(Debug)]
pub(super) struct Matter {
    pub(super) span: Span,
    /// Requests that were lost in it.
    lost: usize,
    /// What was broken in it.
    faults: Vec<String>,
}

/// The moments that matter, in order of time, and how many more there are.
pub(super) fn matters(run: &Run, lost: &[LostRequest<'_>]) -> (Vec<Matter>, usize) {
    let around = |from: Timestamp, until: Timestamp| Span {
        from: (from - BEFORE).max(run.started_at),
        until: (until + AFTER).min(run.ended_at),
    };
    let losses = lost.iter().map(|lost| around(lost.due, lost.ended));
    let bands = run.notes.bands.iter();
    let faults = bands.filter(|band| band.kind == BandKind::Fault);
    let faults = faults.map(|band| around(band.from, end(run, band)));
    let mut spans: Vec<_> = losses.chain(faults).collect();
    if spans.is_empty() && !run.is_as_it_must_be() {
        spans.push(around(run.ended_at - END, run.ended_at));
    }
    let mut matters: Vec<_> = merged(spans)
        .into_iter()
        .map(|span| Matter::of(run, lost, span))
        .collect();
    let left_out = matters.len().saturating_sub(MOST_MOMENTS);
    matters.sort_by_key(|matter| std::cmp::Reverse(matter.lost));
    matters.truncate(MOST_MOMENTS);
    matters.sort_by_key(|matter| matter.span.from);
    (matters, left_out)
}

/// Stretches that overlap become one.
fn merged(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_by_key(|span| span.from);
    let mut merged: Vec<Span> = Vec::new();
    for span in spans {
        match merged.last_mut() {
            Some(last) if span.from <= last.until => last.until = last.until.max(span.until),
            _ => merged.push(span),
        }
    }
    merged
}

impl Matter {
    fn of(run: &Run, lost: &[LostRequest<'_>], span: Span) -> Self {
        let bands = run.notes.bands.iter();
        let faults = bands.filter(|band| band.kind == BandKind::Fault && span.contains(band.from));
        Self {
            span,
            lost: lost.iter().filter(|lost| span.contains(lost.due)).count(),
            faults: faults.map(|band| band.name.clone()).collect(),
        }
    }

    pub(super) fn title(&self, run: &Run) -> String {
        let mut what = self.faults.clone();
        if self.lost > 0 {
            what.insert(0, format!("{} lost", counted(self.lost, "request")));
        }
        if what.is_empty() {
            what.push("The end".to_owned());
        }
        let [from, until] = [self.span.from, self.span.until].map(|at| since(run.started_at, at));
        format!("{}: {from} to {until}", what.join(", "))
    }

    /// Whether a figure of it shows more than the figure of the whole run.
    pub(super) fn is_worth_a_figure(&self, whole: Span) -> bool {
        const MUCH: f64 = 0.6;
        self.span.seconds() < MUCH * whole.seconds()
    }

    /// All that was written down in it, in one order of time.
    pub(super) fn story(&self, timeline: &Timeline<'_>) -> Markup {
        let lines = lines(timeline, self.span);
        let left_out = lines.len().saturating_sub(MOST_LINES);
        html! {
            @if !lines.is_empty() {
                pre class="story scroll" tabindex="0" aria-label="What was written down" {
                    @for line in lines.iter().take(MOST_LINES) { (line.draw()) }
                    @if left_out > 0 {
                        span class="muted" { (number(left_out)) " more lines are in report.json" }
                    }
                }
            }
        }
    }
}

/// A line of the story.
#[derive(Debug)]
struct Line {
    at: Timestamp,
    class: &'static str,
    source: String,
    text: String,
}

impl Line {
    fn draw(&self) -> Markup {
        html! {
            span class={ "line " (self.class) } {
                time { (time_of_day(self.at)) } " "
                span class="source" { (format!("{:<22}", self.source)) } " "
                (self.text) "\n"
            }
        }
    }
}

fn lines(timeline: &Timeline<'_>, span: Span) -> Vec<Line> {
    let mut lines = lost_lines(timeline.lost);
    lines.extend(band_lines(timeline.run));
    lines.extend(timeline.run.moments.iter().map(|moment| Line {
        at: moment.at,
        class: "docker",
        source: format!("docker on {}", moment.node),
        text: match &moment.replica {
            Some(replica) => format!("{} ({replica})", moment.what),
            None => moment.what.clone(),
        },
    }));
    lines.extend(timeline.run.notes.logs.iter().map(|log| Line {
        at: log.at,
        class: "log",
        source: log.source.clone(),
        text: plain(&log.text),
    }));
    lines.retain(|line| span.contains(line.at));
    lines.sort_by_key(|line| line.at);
    lines
}

/// One line for the losses of one kind within a second.
fn lost_lines(lost: &[LostRequest<'_>]) -> Vec<Line> {
    const TOGETHER: i128 = 1_000_000_000;
    let mut kinds: BTreeMap<_, Vec<Timestamp>> = BTreeMap::new();
    for lost in lost {
        let lane = (&lost.outcome.lane, &lost.outcome.target);
        let key = (lost.due.as_nanosecond() / TOGETHER, lane, lost.loss.class);
        kinds.entry(key).or_default().push(lost.due);
    }
    let lines = kinds.into_iter();
    lines
        .map(|((_, (lane, target), class), due)| Line {
            at: due[0],
            class: "lost",
            source: "LOST".to_owned(),
            text: format!(
                "{} of lane {lane} at {target}: {class}{}",
                counted(due.len(), "request"),
                match due.len() {
                    1 => String::new(),
                    count => format!(" (until {})", time_of_day(due[count - 1])),
                },
            ),
        })
        .collect()
}

fn band_lines(run: &Run) -> impl Iterator<Item = Line> {
    let line = |at, kind: BandKind, text| Line {
        at,
        class: if kind == BandKind::Fault {
            "fault"
        } else {
            "band"
        },
        source: kind.to_string(),
        text,
    };
    run.notes.bands.iter().flat_map(move |band| {
        let begun = line(band.from, band.kind, format!("begins: {}", band.name));
        let note = band
            .note
            .as_ref()
            .map_or(String::new(), |note| format!(" ({note})"));
        let ended = band
            .until
            .map(|until| line(until, band.kind, format!("ends: {}{note}", band.name)));
        [Some(begun), ended].into_iter().flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(from: i64, until: i64) -> Span {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        Span {
            from: at(from),
            until: at(until),
        }
    }

    #[test]
    fn what_overlaps_is_one_moment() {
        let spans = vec![span(20, 22), span(1, 3), span(2, 5), span(3, 4)];
        assert_eq!(merged(spans), [span(1, 5), span(20, 22)]);
    }
}
