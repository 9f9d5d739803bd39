//! As JUnit, which continuous integration knows how to show.

use quick_junit::{NonSuccessKind, Report, SerializeError, TestCase, TestCaseStatus, TestSuite};
use rollover::preflight::{Checked, RULES, Rule, Severity};

use super::diagnostic::Diagnostic;
use crate::gate::lint::{ComplaintKind, Linted};

/// A suite for each service with a case for each rule, and one for the file. An
/// error fails its case; a warning is told in a case that passes. What is allowed
/// or not known is skipped.
///
/// # Errors
/// When it cannot be written as XML, which would be an error of this crate.
pub fn junit(linted: &Linted) -> Result<String, SerializeError> {
    let diagnostics = linted.diagnostics();
    let mut report = Report::new("rollover-lab gate lint");
    report.add_test_suites(linted.services.iter().map(|it| suite(it, &diagnostics)));
    report.add_test_suite(of_the_file(&diagnostics));
    report.to_string()
}

fn suite(checked: &Checked, diagnostics: &[Diagnostic<'_>]) -> TestSuite {
    let mut suite = TestSuite::new(checked.service.as_str());
    for rule in RULES {
        let of_the_rule =
            |it: &&Diagnostic<'_>| it.service == Some(&checked.service) && it.code == rule.code;
        let found: Vec<_> = diagnostics.iter().filter(of_the_rule).collect();
        let not_known = not_known(checked, rule);
        suite.add_test_case(case(rule.code, rule.name, &found, &not_known));
    }
    suite
}

fn of_the_file(diagnostics: &[Diagnostic<'_>]) -> TestSuite {
    let mut suite = TestSuite::new("the file");
    for kind in ComplaintKind::ALL {
        let found = diagnostics.iter().filter(|it| it.code == kind.code());
        let found: Vec<_> = found.collect();
        suite.add_test_case(case(kind.code(), kind.name(), &found, &[]));
    }
    suite
}

fn not_known<'a>(checked: &'a Checked, rule: &Rule) -> Vec<&'a str> {
    let of_the_rule = checked.not_known.iter().filter(|it| it.code == rule.code);
    of_the_rule.map(|it| it.what.as_str()).collect()
}

fn case(code: &str, name: &str, found: &[&Diagnostic<'_>], not_known: &[&str]) -> TestCase {
    let (allowed, counts): (Vec<&Diagnostic<'_>>, Vec<&Diagnostic<'_>>) =
        found.iter().partition(|it| it.allowed.is_some());
    let failed = counts.iter().any(|it| it.severity == Severity::Error);
    let said: Vec<String> = counts.iter().map(|it| told(it)).collect();
    let status = match (failed, &allowed[..], not_known) {
        (true, ..) => failure(code, &said),
        _ if !counts.is_empty() => TestCaseStatus::success(),
        (_, [first, ..], _) => skipped("allowed", first.allowed.unwrap_or_default()),
        (_, _, [what, ..]) => skipped("not known", what),
        _ => TestCaseStatus::success(),
    };
    let mut case = TestCase::new(format!("{code} {name}"), status);
    case.set_classname("rollover-lab.gate.lint");
    if !failed && !said.is_empty() {
        case.set_system_out(said.join("\n\n"));
    }
    case
}

fn failure(code: &str, said: &[String]) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    let first_line = said.first().and_then(|text| text.lines().next());
    status
        .set_type(code)
        .set_message(first_line.unwrap_or_default())
        .set_description(said.join("\n\n"));
    status
}

fn skipped(how: &str, why: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::skipped();
    status.set_message(format!("{how}: {why}"));
    status
}

fn told(diagnostic: &Diagnostic<'_>) -> String {
    let severity = diagnostic.severity;
    let place = diagnostic.place.map(|place| format!("{place}: "));
    let place = place.unwrap_or_default();
    format!("{place}{severity}: {}", diagnostic.message())
}
