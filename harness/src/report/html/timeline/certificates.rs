//! Which certificate each node served, and when; and what happened there.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use maud::{Markup, html};

use super::super::palette::Palette;
use super::super::text::{short, since, time_of_day};
use super::part::{Part, percent, width};
use super::scale::Span;
use crate::report::{Moment, Run};

/// A stretch in which a node was seen to serve one and the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Segment {
    pub(in super::super) from: Timestamp,
    pub(in super::super) until: Timestamp,
    /// A fingerprint, or why there was none.
    pub(in super::super) served: Result<String, String>,
}

/// What was seen at one time: a fingerprint, or why there was none.
type Seen<'run> = (Timestamp, Result<&'run str, &'run str>);

/// What each node was seen to serve, by those who looked and by the traffic's
/// own handshakes. A request on a connection opened before says nothing: its
/// certificate is as old as the connection.
pub(in super::super) fn segments(run: &Run) -> BTreeMap<&str, Vec<Segment>> {
    let mut seen: BTreeMap<&str, Vec<Seen<'_>>> = BTreeMap::new();
    for sighting in &run.notes.sightings {
        let served = sighting.served.as_deref().map_err(String::as_str);
        seen.entry(&sighting.node)
            .or_default()
            .push((sighting.at, served));
    }
    for record in &run.traffic {
        for outcome in &record.outcomes {
            if let (Some(at), Some(fingerprint)) = (outcome.handshaken, &outcome.fingerprint) {
                let seen = seen.entry(&outcome.target).or_default();
                seen.push((record.at(at), Ok(fingerprint)));
            }
        }
    }
    let nodes = seen.into_iter();
    nodes.map(|(node, seen)| (node, join(run, seen))).collect()
}

fn join(run: &Run, mut seen: Vec<Seen<'_>>) -> Vec<Segment> {
    seen.sort_by_key(|(at, _)| *at);
    let mut segments: Vec<Segment> = Vec::new();
    for (at, served) in thinned(run, seen) {
        let served = served.map(str::to_owned).map_err(str::to_owned);
        match segments.last_mut() {
            Some(last) if last.served == served => last.until = at,
            _ => segments.push(Segment {
                from: at,
                until: at,
                served,
            }),
        }
    }
    segments
}

/// Of the same seen many times within a thousandth of the run, the first time:
/// a node that serves two by turns would else be drawn as thousands of pieces.
fn thinned<'run>(run: &Run, seen: Vec<Seen<'run>>) -> impl Iterator<Item = Seen<'run>> {
    const PIECES: f64 = 1000.0;
    let whole = run.length().as_secs_f64().max(f64::MIN_POSITIVE);
    let begin = run.started_at;
    let mut known = BTreeSet::new();
    seen.into_iter().filter(move |(at, served)| {
        let offset = at.duration_since(begin).as_secs_f64();
        known.insert(((offset / whole * PIECES) as i64, *served))
    })
}

/// For each node its certificates and, below, what Docker told of it.
pub(super) fn parts(run: &Run, palette: &Palette, span: Span) -> Vec<Part> {
    let segments = segments(run);
    let nodes: BTreeSet<&str> = segments
        .keys()
        .copied()
        .chain(run.moments.iter().map(|moment| moment.node.as_str()))
        .collect();
    let mut nodes: Vec<_> = nodes.into_iter().collect();
    // node-10 comes after node-9.
    nodes.sort_by_key(|node| (node.len(), *node));
    nodes
        .into_iter()
        .map(|node| {
            let segments = segments.get(node).map_or(&[][..], Vec::as_slice);
            let moments = run.moments.iter();
            let moments = moments.filter(|moment| moment.node == node && span.contains(moment.at));
            Part::new(
                38,
                html! {
                    text class="margin" x="-8" y="14" { (node) }
                    (certificates(run, palette, segments, span))
                    svg y="20" width="100%" height="16" { (events(run, moments.collect(), span)) }
                },
            )
        })
        .collect()
}

fn certificates(run: &Run, palette: &Palette, segments: &[Segment], span: Span) -> Markup {
    let here = |segment: &&Segment| segment.from <= span.until && segment.until >= span.from;
    html! {
        line class="unseen" x1="0" x2="100%" y1="10" y2="10" {}
        @for segment in segments.iter().filter(here) {
            @let from = span.fraction(segment.from);
            @let width = width(from, span.fraction(segment.until));
            g class={ "certificate " (palette.class(&segment.served)) } {
                title { (title(run, segment)) }
                rect x=(percent(from)) width=(width) y="2" height="16" {}
                @if let Ok(fingerprint) = &segment.served {
                    svg class="clip" x=(percent(from)) width=(width) height="20" {
                        text x="5" y="14" { (short(fingerprint)) }
                    }
                }
            }
        }
    }
}

fn title(run: &Run, segment: &Segment) -> String {
    let what = match &segment.served {
        Ok(fingerprint) => format!("served {fingerprint}"),
        Err(why) => format!("nothing was served: {why}"),
    };
    format!(
        "{what}\nseen from {} ({}) to {} ({})",
        time_of_day(segment.from),
        since(run.started_at, segment.from),
        time_of_day(segment.until),
        since(run.started_at, segment.until),
    )
}

/// A tick for each of Docker's events, with its name where there is room.
fn events(run: &Run, mut moments: Vec<&Moment>, span: Span) -> Markup {
    const NOMINAL_WIDTH: f64 = 1000.0;
    const LETTER: f64 = 5.6;
    moments.sort_by_key(|moment| moment.at);
    let places: Vec<f64> = moments
        .iter()
        .map(|moment| span.fraction(moment.at))
        .collect();
    let room = |index: usize| places.get(index + 1).unwrap_or(&1.0) - places[index];
    let needed =
        |moment: &Moment| (moment.what.chars().count() as f64 * LETTER + 8.0) / NOMINAL_WIDTH;
    html! {
        @for (index, moment) in moments.iter().enumerate() {
            g class="event" {
                title {
                    (moment.what) " on " (moment.node)
                    @if let Some(replica) = &moment.replica { ", replica " (replica) }
                    "\n" (time_of_day(moment.at)) " (" (since(run.started_at, moment.at)) ")"
                }
                line x1=(percent(places[index])) x2=(percent(places[index])) y1="0" y2="9" {}
                @if room(index) >= needed(moment) {
                    svg class="clip" x=(percent(places[index])) width=(percent(room(index))) height="16" {
                        text x="3" y="10" { (moment.what) }
                    }
                }
            }
        }
    }
}
