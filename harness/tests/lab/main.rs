//! Labs themselves: beside one another, found again, used by hand, and gone
//! without a trace, however they end.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod by_hand;
mod changed_at_once;
mod doctor;
mod failures;
mod handles;
mod images_once;
mod own_service;
mod planned;
mod side_by_side;
mod traces;
mod without_a_trace;

use rollover_lab::{
    acme::Acme,
    lab::{Lab, LabBuilder},
};

/// The smallest lab there is.
fn small() -> LabBuilder {
    Lab::builder().nodes(1).acme(Acme::None).images([""; 0])
}

/// Runs `rollover-lab` as a person would; its exit code, stdout and stderr.
fn rollover_lab(arguments: &[&str], input: &str) -> (Option<i32>, String, String) {
    use std::io::Write;
    use std::process::{Command, Stdio};

    let mut child = Command::new(env!("CARGO_BIN_EXE_rollover-lab"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut stdin = child.stdin.take().expect("stdin is a pipe");
    stdin.write_all(input.as_bytes()).expect("it is read");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}
