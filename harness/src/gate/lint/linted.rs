//! A stack file against the rules.

use std::fmt;
use std::path::Path;

use rollover::preflight::{Asked, Checked, Place, Severity, check, told};
use serde::Serialize;

use super::deploy::labels;
use super::node::{Entry, Spot, Wrong};
use super::service::facts;
use super::stack::Stack;
use super::{LintError, tree, variables};

/// All that was found in a stack file.
#[derive(Debug, Serialize)]
pub struct Linted {
    /// The services that ask for certificates, in the order of the file.
    pub services: Vec<Checked>,
    /// Variables without a value and without a default: empty text is taken.
    pub unset: Vec<UnsetVariable>,
}

/// A variable that is not set and has no default.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct UnsetVariable {
    /// Its name.
    pub name: String,
    /// Where it is first used.
    #[serde(flatten)]
    pub place: Place,
}

impl Linted {
    /// Whether no error was found; warnings are none.
    #[must_use]
    pub fn passed(&self) -> bool {
        let mut services = self.services.iter();
        services.all(|checked| checked.count(Severity::Error) == 0)
    }
}

/// As `rollover check` tells it.
impl fmt::Display for Linted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&told(&self.services))
    }
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

/// Holds the services of a stack file that ask for certificates against the rules.
/// `variables` gives the value of a variable that is set.
///
/// # Errors
/// When the file cannot be read, or is none that `docker stack deploy` would take,
/// as far as it is looked at. A finding is no error.
pub fn lint(file: &Path, variables: &dyn Fn(&str) -> Option<String>) -> Result<Linted, LintError> {
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file).map_err(|source| LintError::Read {
        file: name.clone(),
        source,
    })?;
    lint_text(&name, &text, variables)
}

/// The same of the text of a file.
pub(crate) fn lint_text(
    file: &str,
    text: &str,
    variables: &dyn Fn(&str) -> Option<String>,
) -> Result<Linted, LintError> {
    linted(file, text, variables).map_err(|wrong| LintError::Wrong {
        place: place(file, wrong.at),
        expected: wrong.expected,
        found: wrong.found,
    })
}

fn linted(
    file: &str,
    text: &str,
    variables: &dyn Fn(&str) -> Option<String>,
) -> Result<Linted, Wrong> {
    let written = tree::read(text)?;
    let (root, unset) = variables::filled_in(&written, variables)?;
    let stack = Stack::of(root)?;
    let mut services = Vec::new();
    for service in stack.services()? {
        services.extend(judged(file, &stack, service)?);
    }
    let unset = unset.into_iter().map(|unset| UnsetVariable {
        name: unset.name,
        place: place(file, unset.at),
    });
    Ok(Linted {
        services,
        unset: unset.collect(),
    })
}

fn judged(file: &str, stack: &Stack, service: &Entry) -> Result<Option<Checked>, Wrong> {
    let labels = labels(&service.node)?;
    let Some(asked) = Asked::by(&service.key, &labels) else {
        return Ok(None);
    };
    let mut checked = check(&facts(stack, service, asked)?);
    for finding in &mut checked.findings {
        let at = stack.place(&finding.set_by, &finding.at);
        finding.place = Some(place(file, at));
    }
    Ok(Some(checked))
}

fn place(file: &str, at: Spot) -> Place {
    Place {
        file: file.to_owned(),
        line: at.line,
        column: at.column,
    }
}
