//! The runs as one HTML page that needs nothing else: no script, no network.
//!
//! [`timeline`] draws what happened; [`moments`] picks the moments that matter
//! and tells them with the logs; [`tables`] says the same in numbers, also to
//! those who do not see the figures.

mod moments;
mod palette;
mod section;
mod summary;
mod tables;
mod text;
mod timeline;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::Run;

const STYLE: &str = include_str!("style.css");

/// Nothing is fetched and nothing is run, whatever a log may say.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// The runs as one page, to be opened from disk.
#[must_use]
pub fn html(runs: &[Run]) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                title { "Rollover lab: " (summary::in_a_sentence(runs)) }
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                style { (PreEscaped(STYLE)) }
            }
            body {
                (marks())
                (summary::summary(runs))
                main {
                    @for (index, run) in runs.iter().enumerate() {
                        (section::section(run, index, runs.len() == 1))
                    }
                }
                (how_to_read())
            }
        }
    };
    text::without_controls(page.into_string())
}

/// The marks of lost and late requests, drawn once and used many times.
fn marks() -> Markup {
    html! {
        svg class="marks" width="0" height="0" aria-hidden="true" {
            defs {
                path id="mark-lost" d="M-6-6L6 6M-6 6L6-6" {}
                path id="mark-late" d="M0-5L5 0L0 5L-5 0Z" {}
                circle id="mark-again" r="4" {}
            }
        }
    }
}

/// What the marks mean.
fn how_to_read() -> Markup {
    html! {
        footer {
            h2 { "How to read this" }
            ul class="key" {
                li { svg class="key" width="20" height="20" aria-hidden="true" { use href="#mark-lost" class="lost" x="10" y="10" {} }
                    strong { "Lost: " } "no complete, successful answer in time. The line through the lane shows when it was due." }
                li { svg class="key" width="20" height="20" aria-hidden="true" { use href="#mark-late" class="late" x="10" y="10" {} }
                    strong { "Late: " } "a good answer, later than the dashed line. Late is not lost." }
                li { svg class="key" width="20" height="20" aria-hidden="true" { use href="#mark-again" class="again" x="10" y="10" {} }
                    strong { "Retryable: " } "the server said that it never began it (HTTP/2), so any client may send it again. Neither lost nor answered." }
                li { svg class="key" width="20" height="20" aria-hidden="true" { path class="dots some" d="M10 10h0" {} }
                    strong { "Answered in time. " } "A larger dot stands for more requests." }
            }
            p {
                "Each request stands where it was due, on a fixed schedule, and its latency counts from then. "
                "All times are UTC. Point at a mark, a bar or a tick to read what it is; the tables say the same. "
                "All that is shown here, and more, is in " code { "report.json" } "; " code { "junit.xml" } " is for continuous integration."
            }
        }
    }
}
