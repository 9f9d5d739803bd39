//! What is wrong with what a stack file allows.

use std::fmt;

use rollover::preflight::{Place, Severity};
use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

/// Something that is wrong with a comment that is to allow a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// What kind of thing.
    pub kind: ComplaintKind,
    /// How bad it is.
    pub severity: Severity,
    /// What was found.
    pub found: String,
    /// What to do.
    pub fix: String,
    /// Where the comment stands.
    pub place: Place,
}

/// What can be wrong with such a comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ComplaintKind {
    /// It names no rule, or no reason.
    WrongAllowance,
    /// Nothing is found that it would allow.
    UnusedAllowance,
}

impl ComplaintKind {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::WrongAllowance, Self::UnusedAllowance];

    /// Stable: `RL001`. Those of the rules begin with `RO`.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::WrongAllowance => "RL001",
            Self::UnusedAllowance => "RL002",
        }
    }

    /// For people: `wrong-allowance`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::WrongAllowance => "wrong-allowance",
            Self::UnusedAllowance => "unused-allowance",
        }
    }

    /// Why it matters.
    #[must_use]
    pub fn why(self) -> &'static str {
        match self {
            Self::WrongAllowance => "it reads as if it allowed something, and allows nothing",
            Self::UnusedAllowance => "what is found there later would be allowed unseen",
        }
    }
}

/// With the names that a finding of a rule has.
impl Serialize for Complaint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Complaint", 9)?;
        fields.serialize_field("code", self.kind.code())?;
        fields.serialize_field("rule", self.kind.name())?;
        fields.serialize_field("severity", &self.severity)?;
        fields.serialize_field("found", &self.found)?;
        fields.serialize_field("why", self.kind.why())?;
        fields.serialize_field("fix", &self.fix)?;
        fields.serialize_field("file", &self.place.file)?;
        fields.serialize_field("line", &self.place.line)?;
        fields.serialize_field("column", &self.place.column)?;
        fields.end()
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            severity,
            found,
            fix,
            place,
        } = self;
        let (code, name, why) = (kind.code(), kind.name(), kind.why());
        writeln!(f, "{severity} {code} {name}: {found}")?;
        writeln!(f, "    at:  {place}")?;
        writeln!(f, "    why: {why}")?;
        writeln!(f, "    do:  {fix}")
    }
}
