//! Running a command in a container.

use bollard::{
    Docker, container::LogOutput, exec::StartExecResults, models::ExecConfig,
    query_parameters::LogsOptionsBuilder,
};
use futures_util::{Stream, StreamExt};

use super::{LabError, error::Doing};

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
}

/// Runs `command` in the container and waits for its end.
pub(crate) async fn run(
    docker: &Docker,
    container: &str,
    command: &[&str],
) -> Result<Output, LabError> {
    let doing = || format!("run {command:?} in the container {container}");
    let config = ExecConfig {
        cmd: Some(command.iter().map(|&word| word.to_owned()).collect()),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        ..Default::default()
    };
    let exec = docker.create_exec(container, config).await.doing(doing)?.id;
    let started = docker.start_exec(&exec, None).await.doing(doing)?;
    let StartExecResults::Attached { output, .. } = started else {
        unreachable!("an exec that was not asked to detach is attached");
    };
    let (stdout, stderr) = collect(output).await.doing(doing)?;
    let ended = docker.inspect_exec(&exec).await.doing(doing)?;
    // The engine has no code for a command that it could not start at all.
    Ok(Output {
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

async fn collect(
    mut output: impl Stream<Item = Result<LogOutput, bollard::errors::Error>> + Unpin,
) -> Result<(String, String), bollard::errors::Error> {
    // Bytes first: a character may be cut between two pieces.
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    while let Some(piece) = output.next().await {
        match piece? {
            LogOutput::StdErr { message } => stderr.extend_from_slice(&message),
            other => stdout.extend_from_slice(&other.into_bytes()),
        }
    }
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok((text(stdout), text(stderr)))
}
