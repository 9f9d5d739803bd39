//! The three files, and what programs read in them.

use quick_junit::{NonSuccessKind, Report, TestCaseStatus};
use rollover_lab::report::{self, Run, junit};

use crate::sample::{failed, passed, red_control, void};

/// A control that should have turned red, and did not.
fn not_found_out() -> Run {
    Run {
        control: true,
        ..passed(1)
    }
}

#[test]
fn three_files_are_written_and_an_earlier_report_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("made/on/the/way");
    report::write(&path, &[failed(1), passed(1)]).unwrap();
    report::write(&path, &[passed(1)]).unwrap();
    let read = |name: &str| std::fs::read_to_string(path.join(name)).unwrap();
    assert!(read("report.html").contains("the run is as it must be"));
    assert!(read("junit.xml").contains("tests=\"1\""));
    let runs: Vec<Run> = serde_json::from_str(&read("report.json")).unwrap();
    assert_eq!(runs, [passed(1)]);
}

#[test]
fn json_keeps_all_of_a_run() {
    let runs = [failed(10), passed(10), red_control(10), void()];
    let json = serde_json::to_string(&runs).unwrap();
    let back: Vec<Run> = serde_json::from_str(&json).unwrap();
    assert_eq!(back, runs);
}

#[test]
fn what_cannot_be_written_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = report::write(&file, &[]).unwrap_err().to_string();
    assert!(error.contains("file"), "{error}");
}

#[test]
fn junit_looks_as_it_did() {
    let runs = [
        failed(1),
        passed(1),
        red_control(1),
        not_found_out(),
        void(),
    ];
    insta::assert_snapshot!(junit(&runs).unwrap());
}

/// A control passes when it turned red; what shows nothing is an error.
#[test]
fn junit_says_what_is_as_it_must_be() {
    let status = |run: Run| {
        let report = Report::deserialize_from_str(&junit(&[run]).unwrap()).unwrap();
        match &report.test_suites[0].test_cases[0].status {
            TestCaseStatus::Success { .. } => None,
            TestCaseStatus::NonSuccess { kind, .. } => Some(*kind),
            TestCaseStatus::Skipped { .. } => panic!("nothing is skipped"),
        }
    };
    assert_eq!(status(passed(1)), None);
    assert_eq!(status(red_control(1)), None);
    assert_eq!(status(failed(1)), Some(NonSuccessKind::Failure));
    assert_eq!(status(not_found_out()), Some(NonSuccessKind::Failure));
    assert_eq!(status(void()), Some(NonSuccessKind::Error));
}
