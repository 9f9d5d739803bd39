//! From the text of a file to a stack.

use std::fmt;
use std::path::Path;

use rollover::preflight::Place;
use serde::Serialize;

use super::file::Stack;
use super::node::Wrong;
use super::{StackError, tree, variables};

/// Gives the value of a variable that is set.
pub(in crate::gate) type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A variable that is not set and has no default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnsetVariable {
    /// Its name.
    pub name: String,
    /// Where it is first used.
    #[serde(flatten)]
    pub place: Place,
}

impl Stack {
    /// The stack that a text describes, and the variables that it lacks.
    pub(in crate::gate) fn read(
        file: &str,
        text: &str,
        variables: Variables<'_>,
    ) -> Result<(Self, Vec<UnsetVariable>), Wrong> {
        let written = tree::read(text)?;
        let (root, unset) = variables::filled_in(&written, variables)?;
        let unset = unset.into_iter().map(|unset| UnsetVariable {
            name: unset.name,
            place: unset.at.within(file),
        });
        Ok((Self::of(root)?, unset.collect()))
    }
}

/// The text of a file.
pub(in crate::gate) fn text_of(file: &Path) -> Result<String, StackError> {
    std::fs::read_to_string(file).map_err(|source| StackError::Read {
        file: file.display().to_string(),
        source,
    })
}

impl fmt::Display for UnsetVariable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, place } = self;
        write!(
            f,
            "{place}: the variable {name} is not set and has no default: taken as empty"
        )
    }
}
