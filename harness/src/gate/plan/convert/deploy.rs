//! What stands under `deploy`.

use super::super::spec::{Effect, Spec};
use super::container;
use super::written::{bytes, processors, written};
use crate::gate::stack::{Entry, Node, Value, Wrong, labels, replicas};

/// Where the constraints are.
pub(in crate::gate::plan) const CONSTRAINTS: &str = "deploy.placement.constraints";

pub(super) fn deploy(spec: &mut Spec, service: &Node) -> Result<(), Wrong> {
    mode(spec, service)?;
    // A truth value among them is refused.
    labels(service)?;
    if let Some(labels) = service.find("deploy.labels")? {
        container::pairs(spec, "deploy.labels", labels, Effect::Update)?;
    }
    restart_policy(spec, service)?;
    let Some(deploy) = service.field("deploy")? else {
        return Ok(());
    };
    for entry in deploy.entries("a mapping")? {
        if !matches!(entry.node.value, Value::Nothing) {
            key(spec, entry)?;
        }
    }
    Ok(())
}

fn key(spec: &mut Spec, entry: &Entry) -> Result<(), Wrong> {
    let path = format!("deploy.{}", entry.key);
    match entry.key.as_str() {
        "mode" | "replicas" | "labels" | "restart_policy" => {}
        "update_config" | "rollback_config" => {
            for entry in entry.node.entries("a mapping")? {
                let path = format!("{path}.{}", entry.key);
                spec.show(path, written(&entry.node), Effect::Update);
            }
        }
        "resources" => resources(spec, &entry.node)?,
        "placement" => placement(spec, &entry.node)?,
        // A virtual address is the default.
        "endpoint_mode" => match entry.node.text("vip or dnsrr")?.to_lowercase().as_str() {
            "" | "vip" => {}
            mode => spec.show(path, mode, Effect::Restart),
        },
        key if key.starts_with("x-") => spec.hide(path, written(&entry.node), Effect::Ignored),
        _ => spec.hide(path, written(&entry.node), Effect::NotKnown),
    }
    Ok(())
}

fn mode(spec: &mut Spec, service: &Node) -> Result<(), Wrong> {
    // What may stand there is known to it.
    replicas(service)?;
    let mode = service.text_at("deploy.mode")?.unwrap_or_default();
    let mode = if mode.is_empty() { "replicated" } else { mode };
    spec.show("deploy.mode", mode, Effect::Refused);
    let number: Option<u64> = service.read("deploy.replicas", |node| match mode {
        "global" | "global-job" => Err(node.wrong(&format!("no replicas for mode {mode}"))),
        _ => node.parsed("a number of replicas"),
    })?;
    if !mode.starts_with("global") {
        spec.show("deploy.replicas", number.unwrap_or(1), Effect::Update);
    }
    Ok(())
}

/// The key `restart` holds where `deploy` says nothing (docker/cli,
/// `convertRestartPolicy`).
fn restart_policy(spec: &mut Spec, service: &Node) -> Result<(), Wrong> {
    if let Some(policy) = service.find("deploy.restart_policy")? {
        // An empty one is not the same as none.
        spec.show("deploy.restart_policy", "set", Effect::Restart);
        for entry in policy.entries("a mapping")? {
            of_a_restart_policy(spec, entry)?;
        }
        return Ok(());
    }
    match service.text_at("restart")?.unwrap_or_default() {
        "" | "no" => {}
        restart => spec.show("restart", restart, Effect::Restart),
    }
    Ok(())
}

fn of_a_restart_policy(spec: &mut Spec, entry: &Entry) -> Result<(), Wrong> {
    let path = format!("deploy.restart_policy.{}", entry.key);
    match (entry.key.as_str(), &entry.node.value) {
        (_, Value::Nothing) => {}
        ("delay" | "window", _) => container::duration(spec, &path, &entry.node)?,
        ("condition", _) => match entry.node.text("none, on-failure or any")? {
            // The default.
            "" | "any" => {}
            condition => spec.show(path, condition, Effect::Restart),
        },
        ("max_attempts", _) => spec.show(path, written(&entry.node), Effect::Restart),
        _ => spec.hide(path, written(&entry.node), Effect::NotKnown),
    }
    Ok(())
}

fn resources(spec: &mut Spec, resources: &Node) -> Result<(), Wrong> {
    for kind in resources.entries("a mapping")? {
        let path = format!("deploy.resources.{}", kind.key);
        let does = match kind.key.as_str() {
            "limits" | "reservations" => Effect::Restart,
            _ => Effect::NotKnown,
        };
        if !matches!(kind.node.value, Value::Nothing) {
            spec.show(&path, "set", does);
        }
        for entry in kind.node.entries("a mapping")? {
            let path = format!("{path}.{}", entry.key);
            spec.show(path, resource(entry)?, does);
        }
    }
    Ok(())
}

fn resource(entry: &Entry) -> Result<String, Wrong> {
    Ok(match entry.key.as_str() {
        "cpus" => processors(entry.node.text("a number of processors")?),
        "memory" => bytes(entry.node.text("an amount of memory")?),
        _ => written(&entry.node),
    })
}

fn placement(spec: &mut Spec, placement: &Node) -> Result<(), Wrong> {
    for entry in placement.entries("a mapping")? {
        let path = format!("deploy.placement.{}", entry.key);
        match entry.key.as_str() {
            "constraints" => {
                let constraints = entry.node.texts("a list of constraints")?;
                if !constraints.is_empty() {
                    spec.show(CONSTRAINTS, constraints.join(", "), Effect::Placement);
                }
            }
            // For the next task; one that runs is not moved.
            "preferences" | "max_replicas_per_node" => {
                spec.show(path, written(&entry.node), Effect::Update);
            }
            _ => spec.hide(path, written(&entry.node), Effect::NotKnown),
        }
    }
    Ok(())
}
