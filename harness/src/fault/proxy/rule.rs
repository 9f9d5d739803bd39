//! Which calls are answered wrongly, and how.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a client gets instead of the server's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Answer {
    /// An HTTP status, with a body that says that it is on purpose.
    Status(u16),
    /// The connection is reset once the request was read.
    Reset,
    /// Nothing, and the connection stays open.
    Stall,
    /// Bytes that are no HTTP.
    Garbage,
    /// The beginning of an answer, and then the connection's end.
    Truncated,
}

/// Calls that are answered wrongly: all, unless something narrows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// What the client gets.
    pub answer: Answer,
    /// A part of the request line (`POST /services/create`) that the call must
    /// have; empty for all.
    pub line: String,
    /// How many such calls pass before the first that is answered wrongly.
    pub after: u64,
    /// How many are answered wrongly then; the others pass again.
    pub times: u64,
}

impl Rule {
    /// Every call gets this answer.
    #[must_use]
    pub fn all(answer: Answer) -> Self {
        Self {
            answer,
            line: String::new(),
            after: 0,
            times: u64::MAX,
        }
    }

    /// Only calls whose request line has this part.
    #[must_use]
    pub fn with_line(mut self, part: impl Into<String>) -> Self {
        self.line = part.into();
        self
    }

    /// Only the call after so many others, and so many in a row.
    #[must_use]
    pub fn after(mut self, passed: u64, times: u64) -> Self {
        self.after = passed;
        self.times = times;
        self
    }
}

/// A rule, with the calls that it has seen.
#[derive(Debug)]
pub(super) struct Judge {
    rule: Rule,
    calls: AtomicU64,
    broken: AtomicU64,
}

impl Judge {
    pub(super) fn new(rule: Rule) -> Self {
        Self {
            rule,
            calls: AtomicU64::new(0),
            broken: AtomicU64::new(0),
        }
    }

    /// What a call with this request line gets; none where it passes.
    pub(super) fn judge(&self, line: &str) -> Option<Answer> {
        if !line.contains(&self.rule.line) {
            return None;
        }
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        let within = number.checked_sub(self.rule.after)? < self.rule.times;
        within.then(|| {
            self.broken.fetch_add(1, Ordering::Relaxed);
            self.rule.answer
        })
    }

    /// How many calls were answered wrongly.
    pub(super) fn broken(&self) -> u64 {
        self.broken.load(Ordering::Relaxed)
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "answers {status}"),
            Self::Reset => f.write_str("resets connections"),
            Self::Stall => f.write_str("does not answer"),
            Self::Garbage => f.write_str("answers with garbage"),
            Self::Truncated => f.write_str("breaks off its answers"),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.answer)?;
        if !self.line.is_empty() {
            write!(f, " to {}", self.line)?;
        }
        if self.after > 0 {
            write!(f, " after {} calls", self.after)?;
        }
        if self.times < u64::MAX {
            write!(f, ", {} times", self.times)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_and_third_call_that_match_are_broken() {
        let rule = Rule::all(Answer::Reset)
            .with_line("POST /services")
            .after(1, 2);
        assert_eq!(
            rule.to_string(),
            "resets connections to POST /services after 1 calls, 2 times"
        );
        let judge = Judge::new(rule);
        assert_eq!(judge.judge("GET /services HTTP/1.1"), None);
        let judged: Vec<_> = (0..4)
            .map(|_| judge.judge("POST /services/create HTTP/1.1").is_some())
            .collect();
        assert_eq!(judged, [false, true, true, false]);
        assert_eq!(judge.broken(), 2);
    }
}
