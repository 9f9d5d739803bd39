//! What the global job does on one node: for each local container of the
//! target, wait until it sees the published pair, run the test command, signal.

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::exec::{CreateExecOptions, StartExecResults};
use bollard::models::ContainerSummaryStateEnum;
use bollard::query_parameters::{
    ContainerArchiveInfoOptionsBuilder, DownloadFromContainerOptionsBuilder,
    KillContainerOptionsBuilder, ListContainersOptionsBuilder,
};
use futures_util::future::join_all;
use futures_util::{StreamExt, TryStreamExt};
use tokio::time::{Instant, timeout};

use crate::act::rollout::{Order, OrderedCertificate};
use crate::act::wait::{Seen, TimedOut, until};
use crate::docker::{describe, is_not_found};
use crate::model::{Named, Pair};

/// The label by which Docker names the task of a container.
const TASK: &str = "com.docker.swarm.task.id";
const INTERVAL: Duration = Duration::from_millis(200);
/// Links are followed this far, as a kernel would; certbot's need one.
const MAX_LINKS: usize = 8;
/// No chain and no key is larger; a file that is, is not what is looked for.
const MAX_FILE: u64 = 1 << 20;

/// Why a container was not signalled.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AgentError {
    #[error("{what}: {why}")]
    Engine { what: &'static str, why: String },
    #[error(transparent)]
    NotThere(#[from] TimedOut),
    #[error("the test command `{command}` does not end, so no signal was sent")]
    TestHangs { command: String },
    #[error(
        "the test command `{command}` failed with exit code {code}, so no signal was sent: {said}"
    )]
    Test {
        command: String,
        code: i64,
        said: String,
    },
}

/// What became of a container.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Done {
    Signalled,
    /// It ended by itself before it could be signalled.
    Gone,
}

fn failed(what: &'static str) -> impl Fn(Error) -> AgentError {
    move |error| AgentError::Engine {
        what,
        why: describe(&error),
    }
}

/// Carries out `order` for those of its tasks whose containers are on this node.
/// Returns one line for each: done, or why not.
pub(crate) async fn carry_out(
    docker: &Docker,
    order: &Order,
) -> Result<Vec<(String, Result<Done, AgentError>)>, AgentError> {
    let options = ListContainersOptionsBuilder::default()
        .filters(&HashMap::from([("label", vec![TASK])]))
        .build();
    let containers = docker
        .list_containers(Some(options))
        .await
        .map_err(failed("list the containers of this node"))?;
    let meant = containers.into_iter().filter_map(|container| {
        let runs = container.state == Some(ContainerSummaryStateEnum::RUNNING);
        let labels = container.labels.unwrap_or_default();
        let task = labels
            .get(TASK)
            .filter(|task| order.tasks.contains(*task))?;
        let name = labels.get("com.docker.swarm.task.name").unwrap_or(task);
        let id = container.id.filter(|_| runs)?;
        Some((name.clone(), id))
    });
    let end = Instant::now() + Duration::from_secs(order.patience);
    let work = meant.map(|(name, id)| async move {
        let result = match signal(docker, &id, order, end).await {
            // Whoever was replaced meanwhile needs no signal.
            Err(_) if !runs(docker, &id).await => Ok(Done::Gone),
            result => result,
        };
        (name, result)
    });
    Ok(join_all(work).await)
}

async fn runs(docker: &Docker, container: &str) -> bool {
    match docker.inspect_container(container, None).await {
        Ok(found) => found.state.and_then(|state| state.running) == Some(true),
        Err(error) => !is_not_found(&error),
    }
}

async fn signal(
    docker: &Docker,
    container: &str,
    order: &Order,
    end: Instant,
) -> Result<Done, AgentError> {
    for certificate in &order.certificates {
        let what = format!(
            "the container sees {} at {}",
            certificate.fingerprint.short(),
            certificate.chain.display()
        );
        let patience = end.saturating_duration_since(Instant::now());
        until(what, patience, INTERVAL, async || {
            match sees(docker, container, certificate).await {
                Ok(()) => Seen::Done(()),
                Err(why) => Seen::NotYet(why),
            }
        })
        .await?;
    }
    if !order.test.is_empty() {
        let patience = end.saturating_duration_since(Instant::now());
        timeout(patience, test(docker, container, &order.test))
            .await
            .map_err(|_| AgentError::TestHangs {
                command: order.test.join(" "),
            })??;
    }
    let options = KillContainerOptionsBuilder::default()
        .signal(&order.signal)
        .build();
    docker
        .kill_container(container, Some(options))
        .await
        .map_err(failed("signal the container"))?;
    Ok(Done::Signalled)
}

/// Whether the container sees the published chain, whole, with its key.
async fn sees(
    docker: &Docker,
    container: &str,
    certificate: &OrderedCertificate,
) -> Result<(), String> {
    let key = certificate.chain.with_file_name("privkey.pem");
    let (chain_file, key_file) = (
        certificate.chain.display().to_string(),
        key.display().to_string(),
    );
    let chain_content = read(docker, container, &certificate.chain).await?;
    let key_content = read(docker, container, &key).await?;
    let pair = Pair::check(
        &Named {
            file: &chain_file,
            content: &chain_content,
        },
        &Named {
            file: &key_file,
            content: &key_content,
        },
    )
    .map_err(|error| error.to_string())?;
    if pair.leaf.fingerprint == certificate.fingerprint {
        return Ok(());
    }
    Err(format!(
        "{chain_file} still is {}",
        pair.leaf.fingerprint.short()
    ))
}

/// A file as the container sees it, through its mounts; links are followed
/// inside the container. Works for images without a shell.
async fn read(docker: &Docker, container: &str, path: &Path) -> Result<Vec<u8>, String> {
    let file = resolve(docker, container, path).await?;
    let options = DownloadFromContainerOptionsBuilder::default()
        .path(&file.to_string_lossy())
        .build();
    let archive: Vec<u8> = docker
        .download_from_container(container, Some(options))
        .map_ok(|bytes| bytes.to_vec())
        .try_concat()
        .await
        .map_err(|error| format!("{}: {}", path.display(), describe(&error)))?;
    let unreadable = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut archive = tar::Archive::new(archive.as_slice());
    let mut entries = archive.entries().map_err(unreadable)?;
    let entry = entries
        .next()
        .ok_or_else(|| format!("{}: the engine sent nothing", path.display()))?
        .map_err(unreadable)?;
    let mut content = Vec::new();
    entry
        .take(MAX_FILE)
        .read_to_end(&mut content)
        .map_err(unreadable)?;
    Ok(content)
}

async fn resolve(docker: &Docker, container: &str, path: &Path) -> Result<PathBuf, String> {
    let mut file = path.to_owned();
    for _ in 0..MAX_LINKS {
        let options = ContainerArchiveInfoOptionsBuilder::default()
            .path(&file.to_string_lossy())
            .build();
        let info = docker
            .get_container_archive_info(container, Some(options))
            .await
            .map_err(|error| format!("{}: {}", file.display(), describe(&error)))?;
        if info.link_target.is_empty() {
            return Ok(file);
        }
        file = match file.parent() {
            Some(parent) => normal(&parent.join(&info.link_target)),
            None => PathBuf::from(&info.link_target),
        };
    }
    Err(format!("{}: more than {MAX_LINKS} links", path.display()))
}

/// `path` without `.` and `..`, which the engine would take literally.
fn normal(path: &Path) -> PathBuf {
    use std::path::Component;
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                normal.pop();
            }
            Component::CurDir => {}
            other => normal.push(other),
        }
    }
    normal
}

async fn test(docker: &Docker, container: &str, command: &[String]) -> Result<(), AgentError> {
    let options = CreateExecOptions {
        cmd: Some(command.to_vec()),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        ..CreateExecOptions::default()
    };
    let exec = docker
        .create_exec(container, options)
        .await
        .map_err(failed("prepare the test command"))?;
    let started = docker
        .start_exec(&exec.id, None)
        .await
        .map_err(failed("start the test command"))?;
    let mut said = String::new();
    if let StartExecResults::Attached { mut output, .. } = started {
        while let Some(Ok(line)) = output.next().await {
            if let LogOutput::StdOut { message } | LogOutput::StdErr { message } = line {
                said.push_str(&String::from_utf8_lossy(&message));
            }
        }
    }
    let ended = docker
        .inspect_exec(&exec.id)
        .await
        .map_err(failed("read the test command's result"))?;
    match ended.exit_code {
        Some(0) => Ok(()),
        code => Err(AgentError::Test {
            command: command.join(" "),
            code: code.unwrap_or(-1),
            said: said.split_whitespace().collect::<Vec<_>>().join(" "),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_followed_as_the_kernel_would() {
        let link = Path::new("/etc/letsencrypt/live/example.org/../../archive/a/./cert1.pem");
        assert_eq!(
            normal(link),
            Path::new("/etc/letsencrypt/archive/a/cert1.pem")
        );
    }
}
