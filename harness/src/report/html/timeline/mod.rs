//! A figure of a stretch of time: what was lost, what was done, what was served,
//! and every request, one below the other on one axis.

mod bars;
mod certificates;
mod lanes;
mod part;
mod scale;
mod stretches;
mod thinning;

use maud::{Markup, html};

pub(super) use certificates::segments;
pub(super) use scale::Span;
pub(super) use stretches::end;

use super::palette::Palette;
use super::text::{counted, number, since_roughly};
use crate::report::Run;
use crate::report::attribution::LossGroup;
use crate::report::losses::LostRequest;
use lanes::{LanePlot, lane_names};
use part::{Part, height, percent, stack};

/// What figures of a run are drawn from.
pub(super) struct Timeline<'run> {
    pub(super) run: &'run Run,
    pub(super) lost: &'run [LostRequest<'run>],
    pub(super) groups: &'run [LossGroup],
    pub(super) palette: &'run Palette,
}

impl Timeline<'_> {
    /// Draws a stretch of time, with what it says in words below.
    pub(super) fn draw(&self, title: &str, span: Span) -> Markup {
        let names = lane_names(self.run);
        let plots = names
            .into_iter()
            .map(|name| LanePlot::of(self.run, name, self.lost, span));
        let plots: Vec<_> = plots.collect();
        let parts = self.parts(&plots, span);
        let height = height(&parts);
        let caption = caption(&plots);
        html! {
            figure {
                div class="scroll" {
                    svg class="timeline" role="img" width="100%" height=(height)
                        aria-label={ (title) ": " (caption) } {
                        (stretches::tints(self.run, self.groups, span, height))
                        (stack(&parts))
                    }
                }
                figcaption { (caption) }
            }
        }
    }

    fn parts(&self, plots: &[LanePlot<'_>], span: Span) -> Vec<Part> {
        let mut parts = vec![axis(self.run, span)];
        parts.extend(stretches::parts(self.run, self.groups, span));
        parts.extend(certificates::parts(self.run, self.palette, span));
        parts.extend(plots.iter().map(|plot| plot.draw(self.run, span)));
        if !plots.is_empty() {
            parts.push(axis(self.run, span));
        }
        parts
    }
}

/// The time of day, and the seconds since the run's beginning.
fn axis(run: &Run, span: Span) -> Part {
    Part::new(
        34,
        html! {
            g class="axis" {
                line x1="0" x2="100%" y1="32" y2="32" {}
                @for tick in span.ticks() {
                    @let x = percent(span.fraction(tick));
                    g class=(anchor(span.fraction(tick))) {
                        line x1=(x) x2=(x) y1="27" y2="32" {}
                        text x=(x) y="11" { (tick.strftime("%H:%M:%S")) }
                        text class="muted" x=(x) y="23" { (since_roughly(run.started_at, tick)) }
                    }
                }
            }
        },
    )
}

/// What stands at the edge must not reach over it.
fn anchor(fraction: f64) -> &'static str {
    const NEAR: f64 = 0.06;
    if fraction > 1.0 - NEAR {
        "end"
    } else {
        "middle"
    }
}

/// How many requests the dots stand for; that nothing lost was left out.
fn caption(plots: &[LanePlot<'_>]) -> String {
    let sum = |count: fn(&LanePlot<'_>) -> usize| plots.iter().map(count).sum::<usize>();
    let answered = sum(|plot| plot.requests());
    let dots = sum(|plot| plot.answered.len());
    let (lost, late) = (sum(|plot| plot.lost.len()), sum(|plot| plot.late.len()));
    let retryable = sum(|plot| plot.retryable.len());
    if answered + lost + late + retryable == 0 {
        return "No request was due in this time.".to_owned();
    }
    format!(
        "{} for {} answered in time; those that fell on one spot share a dot. \
         Every one that was lost ({}), late ({}) or retryable ({}) is drawn by itself.",
        counted(dots, "small dot"),
        counted(answered, "request"),
        number(lost),
        number(late),
        number(retryable),
    )
}
