//! Verdicts for people.

use std::fmt;

use super::history::FailureClass;
use super::verdict::{Decision, WhyDue, WhyHeld};

impl fmt::Display for WhyDue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forced => f.write_str("asked for by a person"),
            Self::Missing => f.write_str("nothing is published"),
            Self::Placeholder => f.write_str("only a placeholder is published"),
            Self::Broken => f.write_str("what is published is no pair"),
            Self::NamesChanged => f.write_str("the names have changed"),
            Self::Expired => f.write_str("it has expired"),
            Self::NearsExpiry => f.write_str("a twentieth of its life is left"),
            Self::Window { start, end } => {
                write!(f, "the authority suggests a time from {start} to {end}")
            }
            Self::Age => f.write_str("its age; the authority suggests no time"),
        }
    }
}

impl WhyDue {
    /// What is done then.
    pub(crate) fn verb(self) -> &'static str {
        if self.obtains() { "obtain" } else { "renew" }
    }
}

impl fmt::Display for WhyHeld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RetryAfter { class } => {
                write!(f, "the authority asked to wait, when {class}")
            }
            Self::Failed { in_a_row: 1, class } => write!(f, "it failed once: {class}"),
            Self::Failed { in_a_row, class } => {
                write!(f, "it failed {in_a_row} times in a row, at last: {class}")
            }
            Self::Unseen { issued_at } => {
                write!(f, "what was issued at {issued_at} is not what is published")
            }
            Self::Budget { issued } => write!(
                f,
                "these names were issued {issued} times within a week; find out why, or force it"
            ),
            Self::Pace => f.write_str("many orders were made in the last hours"),
        }
    }
}

impl fmt::Display for FailureClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreachable => "the authority did not answer",
            Self::Server => "the authority failed",
            Self::RateLimited => "a limit of the authority's was reached",
            Self::Validation => "the challenge was not answered as the authority expects",
            Self::Refused => "the authority refused",
            Self::Local => "something failed on this side",
        })
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Due { why, .. } => write!(f, "{}: {why}", why.verb()),
            Self::NotDue { until, then } => write!(f, "nothing until {until}: then {then}"),
            Self::Held { until, by, why } => {
                write!(f, "nothing until {until}: {by}; it is due: {why}")
            }
        }
    }
}
