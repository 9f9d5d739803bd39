//! A command inside a container, with bounds to its time and to what it prints.

use std::time::Duration;

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::exec::{CreateExecOptions, StartExecResults};
use futures_util::StreamExt;
use tokio::time::timeout;

use crate::docker::describe;

/// More is cut off; the largest configurations have a few megabytes.
const MAX_OUTPUT: usize = 8 << 20;

/// How a command ended.
pub(super) struct Ended {
    pub(super) code: i64,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

/// Why a command did not come to an end of its own.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExecError {
    /// That says nothing of the command.
    #[error("{0}")]
    Engine(String),
    /// There is no such command, or it does not end.
    #[error("{0}")]
    Command(String),
}

/// How the engine begins to say that the command cannot be started in there.
const NO_COMMAND: &str = "OCI runtime exec failed";

/// Runs `command` in `container`, as the container's own user.
///
/// # Errors
/// When it could not be run or does not end.
pub(super) async fn exec(
    docker: &Docker,
    container: &str,
    command: &[&str],
    patience: Duration,
) -> Result<Ended, ExecError> {
    let line = command.join(" ");
    let Ok(ended) = timeout(patience, run(docker, container, command)).await else {
        return Err(ExecError::Command(format!("`{line}` does not end")));
    };
    ended.map_err(|error| {
        let why = format!("`{line}`: {}", describe(&error));
        if why.contains(NO_COMMAND) {
            ExecError::Command(why)
        } else {
            ExecError::Engine(why)
        }
    })
}

async fn run(
    docker: &Docker,
    container: &str,
    command: &[&str],
) -> Result<Ended, bollard::errors::Error> {
    let options = CreateExecOptions {
        cmd: Some(command.to_vec()),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        ..CreateExecOptions::default()
    };
    let exec = docker.create_exec(container, options).await?;
    // Bytes, not text: a character may come in two parts.
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let started = docker.start_exec(&exec.id, None).await?;
    if let StartExecResults::Attached { mut output, .. } = started {
        while let Some(part) = output.next().await {
            let (kept, message) = match part? {
                LogOutput::StdErr { message } => (&mut stderr, message),
                LogOutput::StdOut { message }
                | LogOutput::Console { message }
                | LogOutput::StdIn { message } => (&mut stdout, message),
            };
            if kept.len() + message.len() <= MAX_OUTPUT {
                kept.extend_from_slice(&message);
            }
        }
    }
    let ended = docker.inspect_exec(&exec.id).await?;
    Ok(Ended {
        code: ended.exit_code.unwrap_or(-1),
        stdout: String::from_utf8_lossy(&stdout).into_owned(),
        stderr: String::from_utf8_lossy(&stderr).into_owned(),
    })
}
