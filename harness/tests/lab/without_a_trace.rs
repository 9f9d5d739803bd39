//! What is left of a lab: nothing.

use std::{
    env,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::Duration,
};

use rollover_lab::acme::Acme;
use rollover_lab::lab::wait::until;
use rollover_lab::lab::{Lab, LabBuilder};
use rollover_lab::volume::Volume;

use super::{rollover_lab, small, traces::Traces};

/// Set for the process that is to be killed, and for no other.
const HOLDS: &str = "LAB_TEST_HOLDS";

#[tokio::test(flavor = "multi_thread")]
async fn a_lab_that_is_dropped_leaves_nothing() {
    let lab = small().start().await.unwrap();
    let traces = Traces::of(lab.run());
    assert!(traces.are_whole(), "{traces:?}");
    assert!(!traces.left().is_empty(), "what there is must be seen");
    drop(lab.without_bundle());
    assert_eq!(traces.left(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes ten times what one lab takes: ci/test --full runs it"]
async fn ten_labs_leave_nothing() {
    for number in 1..=10 {
        let lab = of_a_kind(number).start().await.unwrap();
        let traces = Traces::of(lab.run());
        assert!(traces.are_whole(), "lab {number}: {traces:?}");
        // By turns, as a test that succeeds does it, and as one that panics does.
        if number % 2 == 0 {
            lab.stop().await.unwrap();
        } else {
            drop(lab.without_bundle());
        }
        assert_eq!(traces.left(), [""; 0], "lab {number}");
    }
}

/// Each kind of lab twice: by turns with what most leave behind if they can.
fn of_a_kind(number: usize) -> LabBuilder {
    let three = || Lab::builder().images([""; 0]);
    match number % 5 {
        0 => three().acme(Acme::None).volume(Volume::Gluster),
        1 => small().volume("lagging:1s".parse().unwrap()),
        2 => three().managers(3),
        3 => three().acme(Acme::Mock),
        _ => small(),
    }
}

/// Holds a lab until it is ended; only [`held`] has it do so.
#[tokio::test(flavor = "multi_thread")]
async fn hold_a_lab() {
    if env::var_os(HOLDS).is_none() {
        return;
    }
    let lab = small().start().await.unwrap();
    println!("\nrun {}", lab.run());
    std::future::pending::<()>().await;
}

/// A process that holds a lab, and what that is made of.
fn held() -> (Child, Traces) {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "without_a_trace::hold_a_lab", "--nocapture"])
        .env(HOLDS, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut runs = lines.filter_map(|line| Some(line.ok()?.strip_prefix("run ")?.to_owned()));
    let run = runs.next().expect("the lab comes up");
    let traces = Traces::of(&run);
    assert!(traces.are_whole(), "{traces:?}");
    (child, traces)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_told_to_end_takes_its_lab_down() {
    let (mut child, traces) = held();
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    // As a shell says it of one that a signal has ended.
    assert_eq!(child.wait().unwrap().code(), Some(128 + 15));
    assert_eq!(traces.left(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_run_is_reaped() {
    let (mut child, traces) = held();
    // SIGKILL: nothing in there can clean up.
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!traces.left().is_empty(), "nothing is left to be reaped");

    // Another lab that starts at this moment may reap it first.
    let (code, _, stderr) = rollover_lab(&["reap"], "");
    assert_eq!(code, Some(0), "{stderr}");
    let gone = until("nothing left", Duration::from_secs(60), async || {
        let left = traces.left();
        if left.is_empty() {
            Ok(())
        } else {
            Err(left.join(", "))
        }
    });
    gone.await.unwrap();
}
