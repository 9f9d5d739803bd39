//! What was asked of a mock, and what it said.

use std::fmt;

use jiff::Timestamp;
use serde_json::Value;

use super::{call::Call, fault::Fault};
use crate::clock;

/// A request, and what was said to it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Received {
    /// When it came.
    pub at: Timestamp,
    /// What it was for.
    pub call: Call,
    /// Its method.
    pub method: String,
    /// Its path.
    pub path: String,
    /// The URL of the account that says to have signed it; nothing is proved.
    pub account: Option<String>,
    /// Its payload; none for a look, which has an empty one.
    pub payload: Option<Value>,
    /// The status of the answer; none for a connection.
    pub status: Option<u16>,
    /// The error type of the answer, if it is a problem document: `badNonce`, …
    pub problem: Option<String>,
    /// What went wrong on its way.
    pub fault: Option<Fault>,
}

impl fmt::Display for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            at,
            call,
            method,
            path,
            ..
        } = self;
        write!(f, "{at} {call:?} {method} {path}")?;
        if let Some(status) = self.status {
            write!(f, " {status}")?;
        }
        if let Some(problem) = &self.problem {
            write!(f, " {problem}")?;
        }
        match self.fault {
            Some(fault) => write!(f, " ({fault:?})"),
            None => Ok(()),
        }
    }
}

impl Received {
    pub(crate) fn new(call: Call) -> Self {
        Self {
            at: clock::now(),
            call,
            method: String::new(),
            path: String::new(),
            account: None,
            payload: None,
            status: None,
            problem: None,
            fault: None,
        }
    }
}
