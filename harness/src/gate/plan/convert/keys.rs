//! Which key of a service is read by whom.

use std::path::Path;

use super::super::spec::{Effect, Spec};
use super::written::written;
use super::{container, deploy, environment, file_objects, mounts, networks, publish};
use crate::gate::stack::{Entry, Node, Stack, Value, Variables, Wrong};

/// What a service is read with.
pub(in crate::gate::plan) struct Around<'a> {
    pub(in crate::gate::plan) file: &'a str,
    /// What paths in the file are relative to.
    pub(in crate::gate::plan) directory: &'a Path,
    pub(in crate::gate::plan) stack: &'a Stack,
    pub(in crate::gate::plan) variables: Variables<'a>,
}

/// What `docker stack deploy` takes, and does nothing with (docker/cli,
/// `cli/compose/types/types.go`, and what `convert.Service` does not read).
const IGNORED: [&str; 19] = [
    "build",
    "cgroup_parent",
    "cgroupns_mode",
    "container_name",
    "depends_on",
    "devices",
    "domainname",
    "expose",
    "external_links",
    "ipc",
    "links",
    "mac_address",
    "network_mode",
    "pid",
    "privileged",
    "security_opt",
    "shm_size",
    "tmpfs",
    "userns_mode",
];

/// What it refuses (the same, `ForbiddenProperties`).
const FORBIDDEN: [&str; 8] = [
    "cpu_quota",
    "cpu_shares",
    "cpuset",
    "extends",
    "mem_limit",
    "memswap_limit",
    "volume_driver",
    "volumes_from",
];

/// The service of that entry as the swarm is given it.
pub(in crate::gate::plan) fn convert(around: &Around<'_>, service: &Entry) -> Result<Spec, Wrong> {
    let mut spec = Spec::default();
    let node = &service.node;
    for entry in node.entries("a mapping")? {
        if !matches!(entry.node.value, Value::Nothing) {
            key(&mut spec, &entry.key, &entry.node)?;
        }
    }
    environment::environment(&mut spec, around, node)?;
    deploy::deploy(&mut spec, node)?;
    mounts::mounts(&mut spec, around, node)?;
    networks::networks(&mut spec, around, service)?;
    file_objects::references(&mut spec, around, node)?;
    publish::ports(&mut spec, node)?;
    Ok(spec)
}

/// What is told by its own value alone.
fn key(spec: &mut Spec, key: &str, node: &Node) -> Result<(), Wrong> {
    match key {
        "image" | "hostname" | "working_dir" | "user" | "stop_signal" => {
            container::text(spec, key, node)
        }
        "read_only" | "tty" | "stdin_open" => container::flag(spec, key, node),
        "init" => container::init(spec, node),
        "stop_grace_period" => container::duration(spec, key, node),
        "command" | "entrypoint" => container::words(spec, key, node),
        "labels" | "sysctls" => container::pairs(spec, key, node, Effect::Restart),
        "dns" | "dns_search" => container::texts(spec, key, node),
        "cap_add" | "cap_drop" => container::capabilities(spec, key, node),
        "healthcheck" => container::health_check(spec, node),
        "ulimits" | "extra_hosts" | "isolation" | "credential_spec" | "oom_score_adj"
        | "logging" => {
            spec.hide(key, written(node), Effect::Restart);
            Ok(())
        }
        _ if is_read_elsewhere(key) => Ok(()),
        _ if FORBIDDEN.contains(&key) => Err(Wrong {
            at: node.at,
            expected: "no key that docker stack deploy refuses".to_owned(),
            found: format!("{key:?}"),
        }),
        _ if key.starts_with("x-") || IGNORED.contains(&key) => {
            spec.hide(key, written(node), Effect::Ignored);
            Ok(())
        }
        _ => {
            spec.hide(key, written(node), Effect::NotKnown);
            Ok(())
        }
    }
}

fn is_read_elsewhere(key: &str) -> bool {
    let elsewhere = [
        "env_file",
        "environment",
        "env_file",
        "deploy",
        "restart",
        "volumes",
        "networks",
        "secrets",
        "configs",
        "ports",
    ];
    elsewhere.contains(&key)
}
