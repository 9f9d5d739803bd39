//! What a mock is told to answer instead of what it would.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;

use super::{
    answer::Answer,
    call::Call,
    fault::Fault,
    problem::{Problem, ProblemType},
};

/// An answer that a mock is told to give, to whatever is asked: right or wrong.
///
/// Unless it says otherwise, the request is not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Scripted {
    /// None: what would have been answered anyway.
    instead: Option<Answer>,
    carried_out: bool,
    retry_after: Option<String>,
    headers: Vec<(String, String)>,
    without: Vec<String>,
    delay: Duration,
    fault: Option<Fault>,
}

impl Scripted {
    fn new(instead: Option<Answer>) -> Self {
        Self {
            carried_out: instead.is_none(),
            instead,
            retry_after: None,
            headers: Vec::new(),
            without: Vec::new(),
            delay: Duration::ZERO,
            fault: None,
        }
    }

    /// What would have been answered anyway, to be changed by what follows; the
    /// request is carried out.
    pub fn usual() -> Self {
        Self::new(None)
    }

    /// A problem document with the status that belongs to its type.
    pub fn problem(kind: ProblemType) -> Self {
        Self::problem_with(kind, kind.status(), "the mock was told to answer this")
    }

    /// A problem document with a status and words of one's own.
    pub fn problem_with(kind: ProblemType, status: u16, detail: &str) -> Self {
        let problem = Problem::new(kind, detail).status(status);
        Self::new(Some(Answer::problem(&problem)))
    }

    /// A status without a body, as from a proxy whose server is gone.
    pub fn status(status: u16) -> Self {
        Self::new(Some(Answer::empty(status)))
    }

    /// This body, whatever it is.
    pub fn body(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::new(Some(Answer::body(status, content_type, body)))
    }

    /// No answer ever; the connection stays open until the client closes it.
    pub fn half_open() -> Self {
        Self::status(200).with_fault(Fault::HalfOpen)
    }

    /// Bytes that are no HTTP; then the connection is closed.
    pub fn garbage() -> Self {
        Self::status(200).with_fault(Fault::Garbage)
    }

    /// The connection is reset.
    pub fn reset() -> Self {
        Self::status(200).with_fault(Fault::Reset)
    }

    /// Carries the request out nevertheless: the client is told something else
    /// than what has happened.
    pub fn carried_out(mut self) -> Self {
        self.carried_out = true;
        self
    }

    /// With `Retry-After` in whole seconds.
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait.as_secs().to_string());
        self
    }

    /// With `Retry-After` as a date (RFC 9110, section 5.6.7).
    pub fn retry_at(mut self, at: Timestamp) -> Self {
        self.retry_after = Some(at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string());
        self
    }

    /// With a header, beside or in place of the one that there is.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Without a header: `Replay-Nonce`, `Location`, `Retry-After`, …
    pub fn without(mut self, header: &str) -> Self {
        self.without.push(header.to_owned());
        self
    }

    /// So much later.
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// The answer's first bytes, header included; then the connection is closed.
    pub fn cut_after(self, bytes: usize) -> Self {
        self.with_fault(Fault::CutAfter(bytes))
    }

    /// One byte at a time, with this pause after each.
    pub fn trickle(self, pause: Duration) -> Self {
        self.with_fault(Fault::Trickle(pause))
    }

    fn with_fault(mut self, fault: Fault) -> Self {
        self.fault = Some(fault);
        self
    }

    pub(crate) fn is_carried_out(&self) -> bool {
        self.carried_out
    }

    pub(crate) fn fault(&self) -> Option<Fault> {
        self.fault
    }

    pub(crate) fn delay(&self) -> Duration {
        self.delay
    }

    /// The answer instead of the usual one.
    pub(crate) fn replace(&self, usual: Answer) -> Answer {
        self.instead.clone().unwrap_or(usual)
    }

    /// Changes the headers, once those of every answer are there.
    pub(crate) fn change(&self, mut answer: Answer) -> Answer {
        if let Some(retry_after) = &self.retry_after {
            answer = answer.set("Retry-After", retry_after);
        }
        for (name, value) in &self.headers {
            answer = answer.set(name, value);
        }
        for name in &self.without {
            answer = answer.without(name);
        }
        if let Some(fault) = self.fault {
            answer = answer.set(Fault::HEADER, fault.to_string());
        }
        answer.delay += self.delay;
        answer
    }
}

/// Which calls an answer is for, counted from 1 since it was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Always,
    Nth(u32),
    First(u32),
    From(u32),
}

impl When {
    fn includes(self, number: u32) -> bool {
        match self {
            Self::Always => true,
            Self::Nth(nth) => number == nth,
            Self::First(count) => number <= count,
            Self::From(first) => number >= first,
        }
    }
}

#[derive(Debug)]
struct Rule {
    call: Call,
    when: When,
    scripted: Scripted,
    calls: u32,
}

/// All that a mock was told.
#[derive(Debug, Default)]
pub(crate) struct Script {
    rules: Vec<Rule>,
}

impl Script {
    /// Counts a call; what to answer to it, if something was told. Of several
    /// the one that was told last counts.
    pub(crate) fn take(&mut self, call: Call) -> Option<Scripted> {
        let mut found = None;
        for rule in self.rules.iter_mut().filter(|rule| rule.call == call) {
            rule.calls += 1;
            if rule.when.includes(rule.calls) {
                found = Some(rule.scripted.clone());
            }
        }
        found
    }

    pub(crate) fn clear(&mut self) {
        self.rules.clear();
    }
}

/// A line of a script that is being written; see [`Mock::on`](super::Mock::on).
///
/// Without [`nth`](Self::nth), [`first`](Self::first) or [`from`](Self::from) it
/// is for every call.
#[must_use = "it has no effect until it is told what to answer"]
#[derive(Debug)]
pub struct On<'mock> {
    script: &'mock Mutex<Script>,
    call: Call,
    when: When,
}

impl<'mock> On<'mock> {
    pub(crate) fn new(script: &'mock Mutex<Script>, call: Call) -> Self {
        Self {
            script,
            call,
            when: When::Always,
        }
    }

    /// Only for the n-th call from now, the next one being the first.
    pub fn nth(mut self, nth: u32) -> Self {
        self.when = When::Nth(nth);
        self
    }

    /// For the next so many calls.
    pub fn first(mut self, count: u32) -> Self {
        self.when = When::First(count);
        self
    }

    /// For the n-th call from now and all after it.
    pub fn from(mut self, first: u32) -> Self {
        self.when = When::From(first);
        self
    }

    /// Answer this.
    pub fn answer(self, scripted: Scripted) {
        let rule = Rule {
            call: self.call,
            when: self.when,
            scripted,
            calls: 0,
        };
        let mut script = self.script.lock().unwrap_or_else(PoisonError::into_inner);
        script.rules.push(rule);
    }

    /// Answer with a problem document.
    pub fn problem(self, kind: ProblemType) {
        self.answer(Scripted::problem(kind));
    }

    /// Answer with a status alone.
    pub fn status(self, status: u16) {
        self.answer(Scripted::status(status));
    }

    /// Answer as usual, but so much later.
    pub fn slow(self, delay: Duration) {
        self.answer(Scripted::usual().after(delay));
    }

    /// Never answer, and keep the connection open.
    pub fn half_open(self) {
        self.answer(Scripted::half_open());
    }

    /// Answer with bytes that are no HTTP.
    pub fn garbage(self) {
        self.answer(Scripted::garbage());
    }
}
