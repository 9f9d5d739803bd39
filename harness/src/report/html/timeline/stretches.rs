//! Losses, faults and steps as bars, and the tint that they give to everything
//! that happened meanwhile.

use jiff::Timestamp;
use maud::{Markup, html};

use super::super::text::{signed_length, since, time_of_day};
use super::bars::{Bar, rows};
use super::part::{Part, percent, width};
use super::scale::Span;
use crate::event::{Band, BandKind};
use crate::report::Run;
use crate::report::attribution::LossGroup;
use crate::report::losses::overlaps;

/// Rows of what was lost, what was broken, and what was done.
pub(super) fn parts(run: &Run, groups: &[LossGroup], span: Span) -> Vec<Part> {
    let mut parts = rows("lost", loss_bars(run, groups, span), 4);
    for (kind, name, labelled) in [
        (BandKind::Fault, "faults", 8),
        (BandKind::Step, "steps", 8),
        (BandKind::Runner, "runner", 4),
    ] {
        parts.extend(rows(name, bars(run, kind, span), labelled));
    }
    parts
}

fn loss_bars(run: &Run, groups: &[LossGroup], span: Span) -> Vec<Bar> {
    // Many with long labels would push everything else off the screen.
    const FEW: usize = 6;
    let here = groups
        .iter()
        .filter(|group| group.first <= span.until && group.last >= span.from);
    let few = here.clone().count() <= FEW;
    here.map(|group| Bar {
        class: "lost",
        from: span.fraction(group.first),
        until: span.fraction(group.last),
        label: match few {
            true => format!("{} {}, {}", group.count, group.class, group.target),
            false => group.count.to_string(),
        },
        // No text can be read on what is as loud as this.
        may_cover: false,
        title: format!(
            "{group}\nfrom {} ({})",
            time_of_day(group.first),
            since(run.started_at, group.first)
        ),
    })
    .collect()
}

fn bars(run: &Run, kind: BandKind, span: Span) -> Vec<Bar> {
    in_span(run, kind, span)
        .map(|band| Bar {
            class: class(kind),
            from: span.fraction(band.from),
            until: span.fraction(end(run, band)),
            label: match &band.node {
                Some(node) if !band.name.contains(node) => format!("{} ({node})", band.name),
                _ => band.name.clone(),
            },
            may_cover: true,
            title: title(run, band),
        })
        .collect()
}

fn in_span(run: &Run, kind: BandKind, span: Span) -> impl Iterator<Item = &Band> {
    let bands = run.notes.bands.iter();
    bands.filter(move |band| band.kind == kind && overlaps(band, span.from, span.until))
}

fn class(kind: BandKind) -> &'static str {
    match kind {
        BandKind::Step => "step",
        BandKind::Runner => "runner",
        BandKind::Fault => "fault",
    }
}

/// When a stretch ended; one that never did lasts to the end of the run.
pub(in super::super) fn end(run: &Run, band: &Band) -> Timestamp {
    band.until.unwrap_or(run.ended_at).max(band.from)
}

fn title(run: &Run, band: &Band) -> String {
    let length = signed_length(end(run, band).duration_since(band.from));
    let open = if band.until.is_none() {
        ", never ended"
    } else {
        ""
    };
    let note = band
        .note
        .as_ref()
        .map_or(String::new(), |note| format!("\n{note}"));
    format!(
        "{}: {}\nfrom {} ({}), {length}{open}{note}",
        band.kind,
        band.name,
        time_of_day(band.from),
        since(run.started_at, band.from)
    )
}

/// What was broken, and what was lost, tints the whole height of the figure.
pub(super) fn tints(run: &Run, groups: &[LossGroup], span: Span, height: u32) -> Markup {
    let stripe = |class: &'static str, from: Timestamp, until: Timestamp| {
        let (from, until) = (span.fraction(from), span.fraction(until));
        html! {
            rect class={ "tint " (class) } x=(percent(from)) width=(width(from, until))
                height=(height) {}
        }
    };
    html! {
        @for band in in_span(run, BandKind::Fault, span) {
            (stripe("fault", band.from, end(run, band)))
        }
        @for group in groups {
            @if group.first <= span.until && group.last >= span.from {
                (stripe("lost", group.first, group.last))
            }
        }
    }
}
