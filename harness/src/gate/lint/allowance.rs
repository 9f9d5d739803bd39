//! Comments in a stack file that allow a finding:
//! `# rollover-lab: allow RO101 because the licence is for one replica`.

use rollover::preflight::{RULES, Severity};
use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::complaint::{Complaint, ComplaintKind};
use crate::gate::stack::Spot;

/// What such a comment begins with.
const MARK: &str = "rollover-lab:";
const FORM: &str = "allow CODE because REASON, with a code of docs/rules.md";

/// A comment that allows what a rule finds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Allowance {
    pub(super) code: &'static str,
    pub(super) reason: String,
    /// Where the comment stands.
    pub(super) at: Spot,
    /// The line that it is about: its own, or the next where it stands alone.
    line: usize,
}

/// All such comments of a file.
#[derive(Debug, Default)]
pub(super) struct Allowances {
    pub(super) whole: Vec<Allowance>,
    /// What begins like one, and is none.
    pub(super) wrong: Vec<Complaint>,
}

impl Allowances {
    /// Those of a text, which is known to be YAML.
    pub(super) fn read(file: &str, text: &str) -> Self {
        let mut read = Self::default();
        if !text.contains(MARK) {
            return read;
        }
        let scalars = scalars(text);
        let lines: Vec<&str> = text.lines().collect();
        for (index, line) in lines.iter().enumerate() {
            let Some((at, said)) = marked(line, index + 1) else {
                continue;
            };
            if scalars.iter().any(|scalar| scalar.has(at)) {
                continue;
            }
            match allowed(said) {
                Ok((code, reason)) => read.whole.push(Allowance {
                    code,
                    reason: reason.to_owned(),
                    at,
                    line: about(&lines, index),
                }),
                Err(found) => read.wrong.push(wrong(file, at, found)),
            }
        }
        read
    }
}

impl Allowance {
    /// Whether it is about what that rule finds there.
    pub(super) fn allows(&self, code: &str, line: usize) -> bool {
        self.code == code && self.line == line
    }
}

fn wrong(file: &str, at: Spot, found: String) -> Complaint {
    Complaint {
        kind: ComplaintKind::WrongAllowance,
        severity: Severity::Error,
        found,
        fix: format!("write {FORM}"),
        place: at.within(file),
    }
}

/// Where in a line the comment begins, and what is said after the mark.
fn marked(line: &str, number: usize) -> Option<(Spot, &str)> {
    let mut hashes = line.match_indices('#').filter_map(|(index, _)| {
        let (before, comment) = line.split_at(index);
        let begins = before.is_empty() || before.ends_with([' ', '\t']);
        let said = comment.trim_start_matches('#').trim_start();
        let said = said.strip_prefix(MARK).filter(|_| begins)?;
        let column = before.chars().count() + 1;
        let spot = Spot {
            line: number,
            column,
        };
        Some((spot, said.trim()))
    });
    hashes.next()
}

/// The code and the reason, or what is wrong.
fn allowed(said: &str) -> Result<(&'static str, &str), String> {
    let unlike = || format!("a comment that says {said:?}");
    let rest = said.strip_prefix("allow ").ok_or_else(unlike)?.trim_start();
    let (code, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let Some(rule) = RULES.iter().find(|rule| rule.code == code) else {
        return Err(format!("a comment that allows {code:?}, which is no code"));
    };
    match rest.trim().strip_prefix("because ").map(str::trim) {
        Some(reason) if !reason.is_empty() => Ok((rule.code, reason)),
        _ => Err(format!("a comment that allows {code} without a reason")),
    }
}

/// The line that the comment on the line of that index is about, from 1 on.
fn about(lines: &[&str], index: usize) -> usize {
    if !stands_alone(lines[index]) {
        return index + 1;
    }
    let after = lines.iter().skip(index + 1);
    index + 2 + after.take_while(|line| stands_alone(line)).count()
}

fn stands_alone(line: &str) -> bool {
    line.trim_start().starts_with('#')
}

/// Where the text of a scalar stands, in which a `#` begins no comment.
struct Scalar {
    /// Line and column, as the library counts.
    start: (usize, usize),
    end: (usize, usize),
    /// By indentation, as `|` and `>` have it.
    is_block: bool,
}

impl Scalar {
    fn of(text: &str, style: ScalarStyle, span: Span) -> Self {
        let start = (span.start.line(), span.start.col());
        let told = (span.end.line(), span.end.col());
        // What the library tells as the end comes after a comment on the line.
        let end = match style {
            ScalarStyle::SingleQuoted => closed(text, start, '\'', '\''),
            ScalarStyle::DoubleQuoted => closed(text, start, '"', '\\'),
            _ => None,
        };
        Self {
            start,
            end: end.unwrap_or(told),
            is_block: matches!(style, ScalarStyle::Literal | ScalarStyle::Folded),
        }
    }

    fn has(&self, at: Spot) -> bool {
        let at = (at.line, at.column - 1);
        let within = self.start <= at && at < self.end;
        // The end of a block may be told as within what follows it.
        within && (!self.is_block || at.1 >= self.start.1)
    }
}

/// Where the quote is closed that is opened at `start`; what `escape` stands before
/// does not close it.
fn closed(text: &str, start: (usize, usize), quote: char, escape: char) -> Option<(usize, usize)> {
    let lines = text.lines().enumerate().skip(start.0 - 1);
    let each = lines.flat_map(|(index, line)| {
        let chars = line.chars().enumerate();
        chars.map(move |(column, char)| ((index + 1, column), char))
    });
    let mut each = each.filter(|(at, _)| *at > start).peekable();
    while let Some((at, char)) = each.next() {
        let next = each.peek().map(|(_, next)| *next);
        if char == escape && (escape != quote || next == Some(quote)) {
            each.next();
        } else if char == quote {
            return Some(at);
        }
    }
    None
}

fn scalars(text: &str) -> Vec<Scalar> {
    let events = Parser::new_from_str(text).map_while(Result::ok);
    let scalars = events.filter_map(|(event, span)| match event {
        Event::Scalar(_, style, _, _) => Some(Scalar::of(text, style, span)),
        _ => None,
    });
    scalars.collect()
}
