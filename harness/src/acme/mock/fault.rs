//! What can go wrong on a connection, below HTTP.

use std::{fmt, time::Duration};

/// What goes wrong on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Nothing comes, and the connection stays open.
    HalfOpen,
    /// Bytes that are neither TLS nor HTTP come; then it is closed.
    Garbage,
    /// The first bytes come; then it is closed.
    CutAfter(usize),
    /// It is reset.
    Reset,
    /// Each byte comes alone, with this pause after it.
    Trickle(Duration),
}

impl Fault {
    /// The header by which the server tells what is in front of it; no client
    /// ever sees it.
    pub(crate) const HEADER: &'static str = "rollover-lab-fault";

    /// Reads what [`Display`](fmt::Display) has written.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (name, number) = text.split_once(' ')?;
        let number: u64 = number.parse().ok()?;
        match name {
            "half-open" => Some(Self::HalfOpen),
            "garbage" => Some(Self::Garbage),
            "cut-after" => Some(Self::CutAfter(usize::try_from(number).ok()?)),
            "reset" => Some(Self::Reset),
            "trickle" => Some(Self::Trickle(Duration::from_micros(number))),
            _ => None,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HalfOpen => write!(f, "half-open 0"),
            Self::Garbage => write!(f, "garbage 0"),
            Self::CutAfter(bytes) => write!(f, "cut-after {bytes}"),
            Self::Reset => write!(f, "reset 0"),
            Self::Trickle(pause) => write!(f, "trickle {}", pause.as_micros()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_read_as_it_was_written() {
        let faults = [
            Fault::HalfOpen,
            Fault::Garbage,
            Fault::CutAfter(17),
            Fault::Reset,
            Fault::Trickle(Duration::from_millis(3)),
        ];
        for fault in faults {
            assert_eq!(Fault::parse(&fault.to_string()), Some(fault));
        }
        assert_eq!(Fault::parse("nothing"), None);
    }
}
