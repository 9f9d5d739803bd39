//! Running a command in a container.

use std::fmt;

use bollard::{
    Docker, container::LogOutput, exec::StartExecResults, models::ExecConfig,
    query_parameters::LogsOptionsBuilder,
};
use futures_util::{Stream, StreamExt};
use jiff::Timestamp;
use tokio::io::AsyncWriteExt;

use super::{LabError, error::Doing};
use crate::event::LogLine;

/// What a command in a container came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Its exit code.
    pub code: i64,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
}

impl Output {
    /// Whether it ended with 0.
    #[must_use]
    pub fn success(&self) -> bool {
        self.code == 0
    }

    /// Itself, if it ended with 0; `command` is named if it did not.
    ///
    /// # Errors
    /// With the exit code and what was written to stderr.
    pub fn succeeded(self, command: &str) -> Result<Self, LabError> {
        if self.success() {
            return Ok(self);
        }
        Err(LabError::Command {
            command: command.to_owned(),
            status: format!("exit code {}", self.code),
            output: self.stderr,
        })
    }
}

/// How it ended, and the last lines of what it wrote to stderr.
impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LAST_LINES: usize = 12;
        write!(f, "exit code {}", self.code)?;
        let lines: Vec<_> = self.stderr.lines().collect();
        if lines.is_empty() {
            return write!(f, ", and nothing on stderr");
        }
        write!(f, ", and on stderr at the end:")?;
        let last = &lines[lines.len().saturating_sub(LAST_LINES)..];
        last.iter().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

/// What a command in a container came to, byte by byte.
#[derive(Debug)]
pub(crate) struct Raw {
    pub(crate) code: i64,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

/// Runs `command` in the container and waits for its end.
pub(crate) async fn run(
    docker: &Docker,
    container: &str,
    command: &[&str],
) -> Result<Output, LabError> {
    let raw = run_raw(docker, container, command, &[]).await?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok(Output {
        code: raw.code,
        stdout: text(raw.stdout),
        stderr: text(raw.stderr),
    })
}

/// Runs `command`, which reads `input`, and waits for its end.
pub(crate) async fn run_raw(
    docker: &Docker,
    container: &str,
    command: &[&str],
    input: &[u8],
) -> Result<Raw, LabError> {
    let doing = || format!("run {command:?} in the container {container}");
    let config = ExecConfig {
        cmd: Some(command.iter().map(|&word| word.to_owned()).collect()),
        attach_stdin: Some(!input.is_empty()),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        ..Default::default()
    };
    let exec = docker.create_exec(container, config).await.doing(doing)?.id;
    let started = docker.start_exec(&exec, None).await.doing(doing)?;
    let StartExecResults::Attached {
        output,
        input: mut stdin,
    } = started
    else {
        unreachable!("an exec that was not asked to detach is attached");
    };
    // A command that ends without reading says why in its output.
    if stdin.write_all(input).await.is_ok() {
        let _ = stdin.shutdown().await;
    }
    let (stdout, stderr) = collect(output).await.doing(doing)?;
    let ended = docker.inspect_exec(&exec).await.doing(doing)?;
    // The engine has no code for a command that it could not start at all.
    Ok(Raw {
        code: ended.exit_code.unwrap_or(-1),
        stdout,
        stderr,
    })
}

/// Everything that a container wrote, stdout and stderr in the order in which
/// they came; the last `lines` where so many are asked for.
pub(crate) async fn log(
    docker: &Docker,
    container: &str,
    lines: Option<usize>,
) -> Result<String, LabError> {
    let tail = lines.map_or_else(|| "all".to_owned(), |lines| lines.to_string());
    let options = LogsOptionsBuilder::new()
        .stdout(true)
        .stderr(true)
        .tail(&tail)
        .build();
    let mut stream = docker.logs(container, Some(options));
    let mut text = Vec::new();
    while let Some(piece) = stream.next().await {
        let piece = piece.doing(|| format!("read the log of the container {container}"))?;
        text.extend_from_slice(&piece.into_bytes());
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// The lines that a container wrote to stderr since then, with the engine's time
/// of each, as the journal keeps them; `source` says whose they are.
pub(crate) async fn lines_since(
    docker: &Docker,
    container: &str,
    since: Timestamp,
    source: &str,
) -> Result<Vec<LogLine>, LabError> {
    let options = LogsOptionsBuilder::new()
        .stderr(true)
        // Whole seconds: what is too early is left out below.
        .since(i32::try_from(since.as_second()).unwrap_or(i32::MAX))
        .timestamps(true)
        .build();
    let doing = || format!("read the log of the container {container}");
    let stream = docker.logs(container, Some(options));
    let (_, text) = collect(stream).await.doing(doing)?;
    let text = String::from_utf8_lossy(&text);
    let line = |line: &str| {
        let (at, text) = line.split_once(' ')?;
        let at: Timestamp = at.parse().ok()?;
        (at >= since).then(|| LogLine {
            at,
            source: source.to_owned(),
            text: text.to_owned(),
        })
    };
    Ok(text.lines().filter_map(line).collect())
}

async fn collect(
    mut output: impl Stream<Item = Result<LogOutput, bollard::errors::Error>> + Unpin,
) -> Result<(Vec<u8>, Vec<u8>), bollard::errors::Error> {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    while let Some(piece) = output.next().await {
        match piece? {
            LogOutput::StdErr { message } => stderr.extend_from_slice(&message),
            other => stdout.extend_from_slice(&other.into_bytes()),
        }
    }
    Ok((stdout, stderr))
}
