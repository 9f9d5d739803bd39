//! The runs as JUnit, which continuous integration knows how to show.

use std::time::Duration;

use chrono::{DateTime, Utc};
use jiff::{SignedDuration, Timestamp};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::{Run, Verdict};

/// The runs as one JUnit document: a test case for each, a control one that
/// passes when it turned red. What shows nothing either way is an error.
///
/// # Errors
/// When it cannot be written as XML, which would be an error of this crate.
pub fn junit(runs: &[Run]) -> Result<String, quick_junit::SerializeError> {
    let mut suite = TestSuite::new("scenarios");
    suite.add_test_cases(runs.iter().map(case));
    suite.set_time(runs.iter().map(time).sum());
    let mut report = Report::new("rollover-lab");
    if let Some(first) = runs.first() {
        report.set_timestamp(date(first.started_at));
        suite.set_timestamp(date(first.started_at));
    }
    report.set_time(runs.iter().map(time).sum());
    report.add_test_suite(suite);
    report.to_string()
}

fn case(run: &Run) -> TestCase {
    let kind = if run.control { "control" } else { "scenario" };
    let name = match run.control {
        true => format!("{}/control", run.scenario),
        false => run.scenario.clone(),
    };
    let mut case = TestCase::new(name, status(run));
    case.set_classname(format!("rollover-lab.{kind}"))
        .set_time(time(run))
        .set_timestamp(date(run.started_at))
        .set_system_out(account(run));
    let parameters = run.parameters.iter();
    case.add_properties(parameters.map(|(name, value)| (name.as_str(), value.as_str())));
    case.add_property(("requests sent", run.sent().to_string().as_str()));
    case.add_property(("requests lost", run.lost().to_string().as_str()));
    case
}

fn status(run: &Run) -> TestCaseStatus {
    if run.is_as_it_must_be() {
        return TestCaseStatus::success();
    }
    let kind = match run.verdict {
        Verdict::Void { .. } => NonSuccessKind::Error,
        Verdict::Passed | Verdict::Failed { .. } => NonSuccessKind::Failure,
    };
    let mut status = TestCaseStatus::non_success(kind);
    let first_line = run.said().first().and_then(|text| text.lines().next());
    status
        .set_type(run.verdict_in_words())
        .set_message(first_line.unwrap_or("the control should have turned red, and did not"))
        .set_description(run.said().join("\n"));
    status
}

/// What people read in a terminal, with the figures.
fn account(run: &Run) -> String {
    let figures = run.figures.iter();
    let lines = figures.map(|figure| format!("{}: {} {}", figure.name, figure.value, figure.unit));
    let lines: Vec<_> = lines.collect();
    let traffic = run
        .traffic
        .iter()
        .map(|record| record.summary().to_string());
    format!("{run}{}\n{}", traffic.collect::<String>(), lines.join("\n"))
        .trim_end()
        .to_owned()
}

fn time(run: &Run) -> Duration {
    run.length().max(SignedDuration::ZERO).unsigned_abs()
}

fn date(at: Timestamp) -> DateTime<Utc> {
    let nanoseconds = at.subsec_nanosecond().unsigned_abs();
    DateTime::from_timestamp(at.as_second(), nanoseconds).unwrap_or_default()
}
