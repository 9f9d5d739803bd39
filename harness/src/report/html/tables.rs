//! The run in numbers.

use maud::{Markup, html};

use super::text::{counted, length, number, short, signed_length, since, time_of_day};
use super::timeline::end;
use crate::report::Run;
use crate::report::losses::LostRequest;
use crate::traffic::{LaneSummary, LossClass};

/// A list of losses longer than this is folded.
const LONG: usize = 50;

pub(super) fn tables(run: &Run, lost: &[LostRequest<'_>]) -> Markup {
    html! {
        (lanes(run))
        (figures(run))
        (losses(run, lost))
        (bands(run))
        (moments(run))
    }
}

/// A table with a heading, which can be moved sideways where it is too wide.
fn table(name: &str, head: &[(&str, bool)], body: &Markup) -> Markup {
    html! {
        div class="scroll" tabindex="0" role="region" aria-label=(name) {
            table {
                caption { (name) }
                thead { tr {
                    @for (name, is_number) in head {
                        th scope="col" class=[is_number.then_some("n")] { (name) }
                    }
                } }
                tbody { (body) }
            }
        }
    }
}

fn lanes(run: &Run) -> Markup {
    let head = [
        ("lane", false),
        ("sent", true),
        ("answered", true),
        ("lost", true),
        ("retryable", true),
        ("late", true),
        ("p50", true),
        ("p99", true),
        ("slowest", true),
        ("client's own lateness", true),
        ("lost how", false),
    ];
    let several = run.traffic.len() > 1;
    html! {
        @for (index, record) in run.traffic.iter().enumerate() {
            @let summary = record.summary();
            @let name = if several { format!("Lanes, traffic {}", index + 1) } else { "Lanes".to_owned() };
            (table(&name, &head, &html! {
                @for lane in &summary.lanes { (lane_row(lane)) }
            }))
            @if let Some(doubt) = summary.doubt() {
                p class="warn" { (doubt) "." }
            }
            @if let Err(why) = record.honest() {
                p class="warn" { "This traffic does not count: failed to " (why) "." }
            }
        }
    }
}

fn lane_row(lane: &LaneSummary) -> Markup {
    let how = lane
        .lost
        .iter()
        .map(|(class, count)| format!("{count} {class}"));
    html! {
        tr {
            th scope="row" { (lane.lane) }
            td class="n" { (number(lane.sent)) }
            td class="n" { (number(lane.answered)) }
            td class={ "n" (if lane.lost() > 0 { " bad" } else { "" }) } { (number(lane.lost())) }
            td class="n" { (number(lane.retryable)) }
            td class={ "n" (if lane.late > 0 { " warn" } else { "" }) } { (number(lane.late)) }
            td class="n" { (length(lane.p50)) }
            td class="n" { (length(lane.p99)) }
            td class="n" { (length(lane.max)) }
            td class="n" { (length(lane.lateness_max)) }
            td { (how.collect::<Vec<_>>().join(", ")) }
        }
    }
}

fn figures(run: &Run) -> Markup {
    let head = [("measured", false), ("value", true), ("unit", false)];
    html! {
        @if !run.figures.is_empty() {
            (table("Figures", &head, &html! {
                @for figure in &run.figures {
                    tr {
                        th scope="row" { (figure.name) }
                        td class="n" { (rounded(figure.value)) }
                        td { (figure.unit) }
                    }
                }
            }))
        }
    }
}

fn rounded(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn losses(run: &Run, lost: &[LostRequest<'_>]) -> Markup {
    let head = [
        ("due", false),
        ("since begin", true),
        ("lane", false),
        ("target", false),
        ("how", false),
        ("while", false),
        ("after", true),
        ("replica", false),
        ("during", false),
        ("what happened there before", false),
    ];
    let name = format!("Every lost request ({})", number(lost.len()));
    html! {
        @if !lost.is_empty() {
            details open[lost.len() <= LONG] {
                summary { (name) }
                (table(&name, &head, &html! {
                    @for lost in lost { (loss_row(run, lost)) }
                }))
            }
        }
    }
}

fn loss_row(run: &Run, lost: &LostRequest<'_>) -> Markup {
    let during = lost.attributed.during.iter();
    let bands = during.map(|band| format!("{}: {}", band.kind, band.name));
    let replica = lost.attributed.replica.as_deref().map(short);
    html! {
        tr {
            td class="time" { (time_of_day(lost.due)) }
            td class="n" { (since(run.started_at, lost.due)) }
            td { (lost.outcome.lane) }
            td { (lost.outcome.target) }
            td class="bad" title=(lost.loss.detail) { (lost.loss.class) }
            td { (lost.loss.phase) }
            td class="n" { (length(lost.outcome.latency())) }
            td { @match replica { Some(replica) => code { (replica) }, None => "not known" } }
            td { (bands.collect::<Vec<_>>().join("; ")) }
            td { (before(lost)) }
        }
    }
}

fn before(lost: &LostRequest<'_>) -> String {
    let Some(cause) = lost.cause() else {
        return "nothing known".to_owned();
    };
    let ago = lost.attributed.at.duration_since(cause.at);
    let (ago, when) = match (ago.is_negative(), lost.loss.class) {
        (false, _) => (ago, "before"),
        // One that timed out may have been stalled after it was due.
        (true, LossClass::TimedOut) => (-ago, "after it was due"),
        (true, _) => (-ago, "later, when it was noted"),
    };
    let node = if cause.node == *lost.outcome.target {
        String::new()
    } else {
        format!(" on {}", cause.node)
    };
    format!("{}{node}, {} {when}", cause.what, signed_length(ago))
}

/// Steps and faults, for those who do not see the bars.
fn bands(run: &Run) -> Markup {
    let head = [
        ("from", false),
        ("since begin", true),
        ("took", true),
        ("kind", false),
        ("what", false),
        ("node", false),
        ("note", false),
    ];
    html! {
        @if !run.notes.bands.is_empty() {
            details {
                summary { "Steps and faults (" (number(run.notes.bands.len())) ")" }
                (table("Steps and faults", &head, &html! {
                    @for band in &run.notes.bands {
                        tr {
                            td class="time" { (time_of_day(band.from)) }
                            td class="n" { (since(run.started_at, band.from)) }
                            td class="n" {
                                (signed_length(end(run, band).duration_since(band.from)))
                                @if band.until.is_none() { " (never ended)" }
                            }
                            td { (band.kind) }
                            th scope="row" { (band.name) }
                            td { (band.node.as_deref().unwrap_or("all")) }
                            td { (band.note.as_deref().unwrap_or_default()) }
                        }
                    }
                }))
            }
        }
    }
}

/// Docker's events, for those who do not see the ticks.
fn moments(run: &Run) -> Markup {
    let head = [
        ("at", false),
        ("since begin", true),
        ("node", false),
        ("what", false),
        ("replica", false),
    ];
    html! {
        @if !run.moments.is_empty() {
            details {
                summary { "What Docker told: " (counted(run.moments.len(), "event")) }
                (table("What Docker told", &head, &html! {
                    @for moment in &run.moments {
                        tr {
                            td class="time" { (time_of_day(moment.at)) }
                            td class="n" { (since(run.started_at, moment.at)) }
                            td { (moment.node) }
                            td { (moment.what) }
                            td { code { (moment.replica.as_deref().unwrap_or_default()) } }
                        }
                    }
                }))
            }
        }
    }
}
