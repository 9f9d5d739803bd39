//! What the runner wrote into its log, read back: when it took which step.

use jiff::Timestamp;

use crate::event::{Band, BandKind, LogLine};

/// The lines of a log in which each begins with its time, as the runner's do.
/// One without a time belongs to the line before it.
pub(crate) fn lines(source: &str, text: &str) -> Vec<LogLine> {
    let mut lines: Vec<LogLine> = Vec::new();
    for text in text.lines() {
        let begins = text.split_once(' ');
        match begins.and_then(|(at, rest)| Some((at.parse::<Timestamp>().ok()?, rest))) {
            Some((at, rest)) => lines.push(LogLine {
                at,
                source: source.to_owned(),
                text: rest.trim_start().to_owned(),
            }),
            None => {
                if let Some(last) = lines.last_mut() {
                    last.text = format!("{}\n{text}", last.text);
                }
            }
        }
    }
    lines
}

/// What the runner was at: one band from each step that it says it has passed to
/// the next. The last of a pass ends it.
pub(crate) fn steps(lines: &[LogLine]) -> Vec<Band> {
    let mut bands: Vec<Band> = Vec::new();
    for line in lines {
        let Some(step) = step_of(&line.text) else {
            continue;
        };
        if let Some(open) = bands.last_mut().filter(|band| band.until.is_none()) {
            open.until = Some(line.at);
        }
        if step != LAST {
            bands.push(Band {
                kind: BandKind::Runner,
                name: format!("after {}", step.replace('_', " ")),
                node: None,
                from: line.at,
                until: None,
                note: None,
            });
        }
    }
    bands
}

/// The step that ends a pass.
const LAST: &str = "concluded";

/// The name of the step that a line of the runner's log says was passed.
fn step_of(text: &str) -> Option<&str> {
    let fields = text.split_whitespace();
    fields.rev().find_map(|field| field.strip_prefix("step="))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
2026-11-25T10:00:00.5Z  INFO There is something to do step=observed
2026-11-25T10:00:01Z  INFO A new certificate is published step=issued certificate=example.org
2026-11-25T10:00:01.1Z ERROR it went wrong
and this is why
2026-11-25T10:00:03Z  INFO What there was to do is done step=concluded
2026-11-25T10:01:00Z  INFO There is something to do step=observed
";

    #[test]
    fn a_line_without_a_time_belongs_to_the_one_before() {
        let lines = lines("rollover", LOG);
        assert_eq!(lines.len(), 5);
        assert_eq!(lines[2].text, "ERROR it went wrong\nand this is why");
        assert_eq!(lines[0].source, "rollover");
    }

    #[test]
    fn a_step_lasts_until_the_next_and_none_after_the_last() {
        let bands = steps(&lines("rollover", LOG));
        let told: Vec<_> = bands
            .iter()
            .map(|band| (band.name.as_str(), band.until.map(|at| at.to_string())))
            .collect();
        let until = |at: &str| Some(at.to_owned());
        assert_eq!(
            told,
            [
                ("after observed", until("2026-11-25T10:00:01Z")),
                ("after issued", until("2026-11-25T10:00:03Z")),
                ("after observed", None),
            ]
        );
    }
}
