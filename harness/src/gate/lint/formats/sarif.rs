//! As SARIF 2.1.0 (docs.oasis-open.org/sarif/sarif/v2.1.0), which code scanning
//! reads. Of its many objects a dozen are all that is said here, so no library for
//! it (`docs/decisions/2026-11-30-sarif-without-a-library.md`).

use rollover::preflight::{Place, RULES, Severity};
use serde::Serialize;
use serde_json::{Value, json};

use super::diagnostic::Diagnostic;
use crate::gate::lint::{ComplaintKind, Linted};

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
const REPOSITORY: &str = env!("CARGO_PKG_REPOSITORY");

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Log<'a> {
    version: &'static str,
    #[serde(rename = "$schema")]
    schema: &'static str,
    runs: [Run<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Run<'a> {
    tool: Value,
    column_kind: &'static str,
    invocations: [Invocation; 1],
    results: Vec<Outcome<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Invocation {
    execution_successful: bool,
    tool_execution_notifications: Vec<Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome<'a> {
    rule_id: &'static str,
    level: &'static str,
    message: Value,
    locations: Vec<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    suppressions: Vec<Suppression<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Suppression<'a> {
    kind: &'static str,
    justification: &'a str,
}

/// One log with one run. What is allowed is there as suppressed; what is not known
/// is a notification, as is a variable without a value.
///
/// # Errors
/// When it cannot be written as JSON, which would be an error of this crate.
pub fn sarif(linted: &Linted) -> serde_json::Result<String> {
    let diagnostics = linted.diagnostics();
    serde_json::to_string_pretty(&Log {
        version: "2.1.0",
        schema: SCHEMA,
        runs: [Run {
            tool: tool(),
            // As the places of this crate count.
            column_kind: "unicodeCodePoints",
            invocations: [Invocation {
                execution_successful: true,
                tool_execution_notifications: notifications(linted),
            }],
            results: diagnostics.iter().map(result).collect(),
        }],
    })
}

fn tool() -> Value {
    let rules = RULES.iter().map(|rule| {
        let anchor = format!("{}-{}", rule.code.to_lowercase(), rule.name);
        descriptor(
            rule.code,
            rule.name,
            rule.why,
            &format!("rules.md#{anchor}"),
        )
    });
    let kinds = ComplaintKind::ALL.into_iter().map(|kind| {
        let (code, name, why) = (kind.code(), kind.name(), kind.why());
        descriptor(code, name, why, "lab.md#the-gate")
    });
    json!({"driver": {
        "name": "rollover-lab",
        "version": env!("CARGO_PKG_VERSION"),
        "informationUri": REPOSITORY,
        "rules": rules.chain(kinds).collect::<Vec<_>>(),
    }})
}

fn descriptor(code: &str, name: &str, why: &str, page: &str) -> Value {
    json!({
        "id": code,
        "name": name,
        "shortDescription": {"text": name},
        "fullDescription": {"text": why},
        "helpUri": format!("{REPOSITORY}/blob/main/docs/{page}"),
    })
}

fn result<'a>(diagnostic: &Diagnostic<'a>) -> Outcome<'a> {
    let suppressions = diagnostic.allowed.map(|reason| Suppression {
        kind: "inSource",
        justification: reason,
    });
    Outcome {
        rule_id: diagnostic.code,
        level: match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        message: json!({"text": diagnostic.message()}),
        locations: diagnostic.place.map(location).into_iter().collect(),
        suppressions: suppressions.into_iter().collect(),
    }
}

fn location(place: &Place) -> Value {
    json!({"physicalLocation": {
        "artifactLocation": {"uri": uri(&place.file)},
        "region": {"startLine": place.line, "startColumn": place.column},
    }})
}

fn notifications(linted: &Linted) -> Vec<Value> {
    let not_known = linted.services.iter().flat_map(|checked| {
        checked.not_known.iter().map(|it| {
            let text = format!("service {}: not known: {}", checked.service, it.what);
            json!({"descriptor": {"id": it.code}, "level": "note", "message": {"text": text}})
        })
    });
    let unset = linted.unset.iter().map(|unset| {
        let text = unset.to_string();
        json!({
            "level": "warning",
            "message": {"text": text},
            "locations": [location(&unset.place)],
        })
    });
    not_known.chain(unset).collect()
}

/// A path as a reference (RFC 3986): one from the root on names a file, any other
/// is relative to where the program was started.
fn uri(path: &str) -> String {
    let mut uri = String::new();
    if path.starts_with('/') {
        uri.push_str("file://");
    }
    for &byte in path.as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => {
                uri.push(char::from(byte));
            }
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}
