//! What a scenario found that must not be.

use std::fmt;

/// Something that must not be, and was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which kind: a control says which one it must turn red by.
    pub kind: Kind,
    /// What exactly, with what was expected.
    pub text: String,
}

/// Kinds of findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A request was lost.
    Lost,
    /// A lost request could not be laid to a replica and a moment.
    Unattributed,
    /// A replica serves another certificate than it should.
    Stale,
    /// A replica served a certificate that is expired, or nobody's, or another's.
    Foreign,
    /// A reader saw a half, or a chain and a key that are no pair.
    Torn,
    /// A certificate was ordered that nobody needed.
    OrderedTwice,
    /// Something was touched that should have been left alone.
    Touched,
    /// More replicas were away at once than should.
    Overlap,
    /// What is wrong was taken for right.
    Accepted,
    /// An error did not say what it should.
    Unclear,
    /// The preflight found something else than is there.
    Preflight,
    /// Something stayed behind that should have been taken away.
    LeftBehind,
    /// What should have come to pass did not in time.
    Stuck,
    /// The runner failed where it should not.
    Runner,
    /// The lab itself failed.
    Lab,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Lost => "lost",
            Self::Unattributed => "unattributed",
            Self::Stale => "stale",
            Self::Foreign => "foreign",
            Self::Torn => "torn",
            Self::OrderedTwice => "ordered twice",
            Self::Touched => "touched",
            Self::Overlap => "overlap",
            Self::Accepted => "accepted",
            Self::Unclear => "unclear",
            Self::Preflight => "preflight",
            Self::LeftBehind => "left behind",
            Self::Stuck => "stuck",
            Self::Runner => "runner",
            Self::Lab => "lab",
        })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.text)
    }
}
