//! What the job that looks does on one node: see what each local container of a
//! service is like from inside. It changes nothing there, and of what it reads
//! (a key, a whole configuration) it gives away only what [`Inside`] holds.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use bollard::Docker;
use bollard::models::{ContainerConfig, ContainerInspectResponse};
use bollard::query_parameters::{ListContainersOptionsBuilder, TopOptionsBuilder};
use futures_util::future::join_all;

use super::exec::exec;
use super::files::{KEY, pair_in};
use super::{AgentError, failed};
use crate::act::look::Order;
use crate::docker::{describe, is_not_found};
use crate::observe::merged_health_check;
use crate::preflight::nginx::Nginx;
use crate::preflight::{Inside, Seen};

/// nginx prints its configuration in a moment; a DNS name in it may take longer.
const TO_PRINT: Duration = Duration::from_secs(20);
/// What is told of a command line or an error. A line of a log has its limits.
const MAX_TOLD: usize = 300;
/// How nginx names its first process: then the command line by which it was
/// started.
const MASTER: &str = "nginx: master process ";

/// Looks into every running container of the ordered service on this node.
///
/// # Errors
/// When the engine does not list its containers.
pub(crate) async fn look(docker: &Docker, order: &Order) -> Result<Vec<Inside>, AgentError> {
    let label = format!("com.docker.swarm.service.id={}", order.service);
    let options = ListContainersOptionsBuilder::default()
        .filters(&HashMap::from([("label", vec![label])]))
        .build();
    let containers = docker.list_containers(Some(options)).await;
    let containers = containers.map_err(failed("list the containers of this node"))?;
    let node = docker.info().await.map_err(failed("ask for its name"))?;
    let node = node.name.unwrap_or_default();
    let ids = containers.into_iter().filter_map(|container| container.id);
    let looks = join_all(ids.map(|id| inside(docker, id, &node, order))).await;
    looks.into_iter().filter_map(Result::transpose).collect()
}

/// `None`: it has ended meanwhile.
async fn inside(
    docker: &Docker,
    id: String,
    node: &str,
    order: &Order,
) -> Result<Option<Inside>, AgentError> {
    let container = match docker.inspect_container(&id, None).await {
        Err(error) if is_not_found(&error) => return Ok(None),
        found => found.map_err(failed("inspect a container"))?,
    };
    let processes = processes(docker, &id, &container).await;
    let config = container.config.unwrap_or_default();
    let user = config.user.clone().filter(|user| !is_root(user));
    let certificates = order.certificates.iter().map(|chain| async {
        Seen {
            chain: chain.clone(),
            leaf: leaf(docker, &id, chain).await,
            kept_from: match &user {
                Some(user) if is_kept_from(docker, &id, chain).await => Some(user.clone()),
                _ => None,
            },
        }
    });
    Ok(Some(Inside {
        replica: label(&config, "com.docker.swarm.task.name"),
        node: node.to_owned(),
        certificates: join_all(certificates).await,
        nginx: nginx(docker, &id, &processes).await,
        first_process: processes.map(|processes| cut(&processes.first)),
        stop_signal: config.stop_signal.unwrap_or_else(|| "SIGTERM".to_owned()),
        health_check: merged_health_check(config.healthcheck.as_ref()),
    }))
}

fn label(config: &ContainerConfig, label: &str) -> String {
    let labels = config.labels.as_ref();
    let value = labels.and_then(|labels| labels.get(label));
    value.cloned().unwrap_or_default()
}

/// The command lines in a container.
struct Processes {
    /// Of the one that a signal reaches.
    first: String,
    /// Of an nginx, wherever it stands: below an init, say.
    nginx: Option<String>,
}

async fn processes(
    docker: &Docker,
    id: &str,
    container: &ContainerInspectResponse,
) -> Result<Processes, String> {
    let first = container.state.as_ref().and_then(|state| state.pid);
    let first = first.unwrap_or_default().to_string();
    let options = TopOptionsBuilder::default().ps_args("-eo pid,args").build();
    let listed = docker.top_processes(id, Some(options)).await;
    let listed = listed.map_err(|error| format!("list its processes: {}", describe(&error)))?;
    let processes = listed.processes.unwrap_or_default();
    let lines: Vec<(&String, &String)> = processes
        .iter()
        .filter_map(|columns| Some((columns.first()?, columns.get(1)?)))
        .collect();
    let nginx = lines.iter().find(|(_, line)| line.starts_with(MASTER));
    let nginx = nginx.map(|(_, line)| (*line).clone());
    let first = lines.iter().find(|(pid, _)| **pid == first);
    first
        .map(|(_, line)| Processes {
            first: (*line).clone(),
            nginx,
        })
        .ok_or_else(|| "its first process is not among those that the engine lists".to_owned())
}

async fn leaf(docker: &Docker, id: &str, chain: &Path) -> Result<String, String> {
    let pair = pair_in(docker, id, chain).await;
    pair.map(|pair| pair.leaf.fingerprint.short())
        .map_err(|why| cut(&why))
}

fn is_root(user: &str) -> bool {
    matches!(user.split(':').next(), Some("" | "0" | "root"))
}

/// Whether the container's own user may not read the key, which is there. An image
/// without `test` does not tell.
async fn is_kept_from(docker: &Docker, id: &str, chain: &Path) -> bool {
    let key = chain.with_file_name(KEY);
    let command = ["test", "-r", &key.to_string_lossy()];
    let ended = exec(docker, id, &command, TO_PRINT).await;
    ended.is_ok_and(|ended| ended.code == 1)
}

async fn nginx(
    docker: &Docker,
    id: &str,
    processes: &Result<Processes, String>,
) -> Option<Result<Nginx, String>> {
    let line = processes.as_ref().ok()?.nginx.as_deref()?;
    let printed = printed(docker, id, line).await;
    Some(printed.map_err(|why| cut(&why)))
}

async fn printed(docker: &Docker, id: &str, line: &str) -> Result<Nginx, String> {
    let started = Started::read(line);
    let ended = exec(docker, id, &started.to_print(), TO_PRINT).await;
    let ended = ended.map_err(|error| error.to_string())?;
    if ended.code != 0 {
        let (code, said) = (ended.code, ended.stderr.trim());
        return Err(format!("`nginx -T` failed with exit code {code}: {said}"));
    }
    // The version is the first thing on stderr.
    let nginx = Nginx::read(&ended.stdout, &ended.stderr, started.global);
    nginx.map_err(|error| error.to_string())
}

/// How an nginx was started, from the name of its first process.
struct Started<'a> {
    program: &'a str,
    /// The options that lead to its configuration.
    where_it_is: Vec<&'a str>,
    /// Directives by `-g`.
    global: &'a str,
}

impl<'a> Started<'a> {
    fn read(line: &'a str) -> Self {
        let line = line.strip_prefix(MASTER).unwrap_or(line);
        let mut words = line.split(' ').filter(|word| !word.is_empty());
        let program = words.next().unwrap_or("nginx");
        let mut where_it_is = Vec::new();
        while let Some(word) = words.next() {
            if matches!(word, "-c" | "-p" | "-e")
                && let Some(value) = words.next()
            {
                where_it_is.extend([word, value]);
            }
        }
        // The quotes are gone, so it ends with the last semicolon.
        let global = line.split_once(" -g ").map_or("", |(_, rest)| rest);
        let end = global.rfind(';').map_or(0, |end| end + 1);
        Self {
            program,
            where_it_is,
            global: &global[..end],
        }
    }

    fn to_print(&self) -> Vec<&'a str> {
        let mut command = vec![self.program];
        command.extend(&self.where_it_is);
        command.extend(["-v", "-T"]);
        command
    }
}

fn cut(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(MAX_TOLD) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nginx_is_asked_for_the_configuration_that_it_was_started_with() {
        let read = |line| {
            let started = Started::read(line);
            format!("{} | {}", started.to_print().join(" "), started.global)
        };
        assert_eq!(
            read("nginx: master process nginx -g daemon off;"),
            "nginx -v -T | daemon off;"
        );
        assert_eq!(
            read("nginx: master process /opt/nginx -c /conf/a.conf -g daemon off; user x; -q"),
            "/opt/nginx -c /conf/a.conf -v -T | daemon off; user x;"
        );
    }

    #[test]
    fn root_has_three_names() {
        assert!(
            ["", "0", "root", "0:0", "root:101"]
                .into_iter()
                .all(is_root)
        );
        assert!(!["101", "nginx", "101:0"].into_iter().any(is_root));
    }

    #[test]
    fn what_is_told_is_short_and_on_one_line() {
        assert_eq!(cut("a\n  b"), "a b");
        assert_eq!(cut(&"é".repeat(400)).chars().count(), MAX_TOLD + 1);
    }
}
