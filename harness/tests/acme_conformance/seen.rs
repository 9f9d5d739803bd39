//! What of an answer must be the same, and where it need not be.

use std::{collections::BTreeSet, fmt::Write};

use serde_json::Value;

use crate::http::Answer;

/// What a client can tell of an answer, but for what differs each time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) step: String,
    fields: Vec<(&'static str, String)>,
}

impl Seen {
    pub(crate) fn new(step: &str, answer: &Answer) -> Self {
        let body = answer.json();
        let present = |name: &str| {
            if answer.header(name).is_some() {
                "yes"
            } else {
                "no"
            }
        };
        let content_type = answer.header("Content-Type").unwrap_or("none");
        let relations: BTreeSet<&str> = answer
            .all("Link")
            .filter_map(|link| link.split("rel=").nth(1))
            .map(|relation| relation.trim_matches('"'))
            .collect();
        let fields = vec![
            ("status", answer.status.to_string()),
            ("problem", text(&body["type"])),
            ("state", text(&body["status"])),
            ("error", text(&body["error"]["type"])),
            (
                "content type",
                content_type
                    .split(';')
                    .next()
                    .unwrap_or_default()
                    .to_owned(),
            ),
            ("Replay-Nonce", present("Replay-Nonce").to_owned()),
            ("Location", present("Location").to_owned()),
            ("Retry-After", present("Retry-After").to_owned()),
            ("Allow", present("Allow").to_owned()),
            ("Link", relations.into_iter().collect::<Vec<_>>().join(" ")),
            ("members", members(&body)),
        ];
        Self {
            step: step.to_owned(),
            fields,
        }
    }
}

fn text(value: &Value) -> String {
    // The problem documents have their status as a number: it is no state.
    value.as_str().unwrap_or_default().to_owned()
}

fn members(body: &Value) -> String {
    let names: BTreeSet<&String> = body
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, _)| name)
        .collect();
    names
        .into_iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(" ")
}

/// A difference that may be.
pub(crate) struct Accepted {
    /// The steps that begin like this.
    pub(crate) step: &'static str,
    pub(crate) field: &'static str,
    pub(crate) pebble: &'static str,
    pub(crate) mock: &'static str,
    pub(crate) why: &'static str,
}

/// All that differs and may not; and what of `accepted` does not differ any more.
pub(crate) fn compare(pebble: &[Seen], mock: &[Seen], accepted: &[Accepted]) -> String {
    let mut wrong = String::new();
    let steps = |seen: &[Seen]| {
        seen.iter()
            .map(|seen| seen.step.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        steps(pebble),
        steps(mock),
        "both must be taken the same way"
    );
    let mut used = vec![false; accepted.len()];
    for (pebble, mock) in pebble.iter().zip(mock) {
        for ((field, pebble_says), (_, mock_says)) in pebble.fields.iter().zip(&mock.fields) {
            if pebble_says == mock_says {
                continue;
            }
            let fits = accepted.iter().position(|accepted| {
                pebble.step.starts_with(accepted.step)
                    && accepted.field == *field
                    && accepted.pebble == pebble_says
                    && accepted.mock == mock_says
            });
            match fits {
                Some(index) => used[index] = true,
                None => {
                    let step = &pebble.step;
                    let _ = writeln!(
                        wrong,
                        "{step}: {field}: Pebble {pebble_says:?}, mock {mock_says:?}"
                    );
                }
            }
        }
    }
    for (accepted, _) in accepted.iter().zip(used).filter(|(_, used)| !used) {
        let Accepted {
            step, field, why, ..
        } = accepted;
        let _ = writeln!(
            wrong,
            "{step}: {field}: it does not differ any more ({why})"
        );
    }
    wrong
}
