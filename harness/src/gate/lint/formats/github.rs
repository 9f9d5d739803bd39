//! As workflow commands, which GitHub shows beside the lines of a change
//! (docs.github.com, "Workflow commands for GitHub Actions").

use std::fmt::Write;

use super::diagnostic::Diagnostic;
use crate::gate::lint::Linted;

/// One command for each thing that was found. What is allowed or not known is told
/// in plain lines: GitHub shows ten annotations of a kind for each step.
#[must_use]
pub fn github(linted: &Linted) -> String {
    let mut text = String::new();
    for diagnostic in linted.diagnostics() {
        match diagnostic.allowed {
            None => text += &command(&diagnostic),
            Some(reason) => text += &allowed(&diagnostic, reason),
        }
    }
    for checked in &linted.services {
        for not_known in &checked.not_known {
            let (service, code, what) = (&checked.service, not_known.code, &not_known.what);
            let _ = writeln!(text, "service {service}: not known {code}: {what}");
        }
    }
    text
}

fn command(diagnostic: &Diagnostic<'_>) -> String {
    let mut place = String::new();
    if let Some(at) = diagnostic.place {
        let (file, line, column) = (property(&at.file), at.line, at.column);
        place = format!("file={file},line={line},col={column},");
    }
    let (severity, code, name) = (diagnostic.severity, diagnostic.code, diagnostic.name);
    let title = property(&format!("{code} {name}"));
    let message = data(&diagnostic.message());
    format!("::{severity} {place}title={title}::{message}\n")
}

fn allowed(diagnostic: &Diagnostic<'_>, reason: &str) -> String {
    let (code, found) = (diagnostic.code, diagnostic.found);
    let place = diagnostic.place.map(|place| format!("{place}: "));
    let place = place.unwrap_or_default();
    format!("{place}allowed {code}: {found}: {reason}\n")
}

/// As the runner's own toolkit escapes it (actions/toolkit,
/// `packages/core/src/command.ts`).
fn data(text: &str) -> String {
    let text = text.replace('%', "%25");
    text.replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
