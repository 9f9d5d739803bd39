//! What stands under `deploy`: how a service is kept and changed.

use std::collections::HashMap;

use rollover::preflight::{Failure, Order, Replicas, Update};

use super::node::{Node, Pair, Value, Wrong};

/// The labels of the service.
pub(in crate::gate) fn labels(service: &Node) -> Result<HashMap<String, String>, Wrong> {
    let Some(labels) = service.find("deploy.labels")? else {
        return Ok(HashMap::new());
    };
    let pairs = labels.pairs()?.into_iter().map(|pair| {
        if is_truth(pair.node) {
            let Pair { key, value, .. } = pair;
            return Err(Wrong {
                at: pair.node.at,
                expected: format!("{key} to be a text (\"{value}\", in quotes)"),
                found: value.to_owned(),
            });
        }
        Ok((pair.key.to_owned(), pair.value.to_owned()))
    });
    pairs.collect()
}

/// Such a label the docker command refuses, where a number is taken.
fn is_truth(node: &Node) -> bool {
    let Value::Scalar { text, plain: true } = &node.value else {
        return false;
    };
    ["true", "True", "TRUE", "false", "False", "FALSE"].contains(&text.as_str())
}

/// A job has no replicas that are kept.
pub(in crate::gate) fn replicas(service: &Node) -> Result<Option<Replicas>, Wrong> {
    let number = |node: &Node| node.parsed("a number of replicas");
    let number = service.read("deploy.replicas", number)?.unwrap_or(1);
    let replicated = Some(Replicas::Replicated(number));
    let Some(mode) = service.find("deploy.mode")? else {
        return Ok(replicated);
    };
    let expected = "replicated, global, replicated-job or global-job";
    match mode.text(expected)? {
        "replicated" | "" => Ok(replicated),
        "global" => Ok(Some(Replicas::Global)),
        "replicated-job" | "global-job" => Ok(None),
        _ => Err(mode.wrong(expected)),
    }
}

pub(in crate::gate) fn update(service: &Node) -> Result<Update, Wrong> {
    let default = Update::default();
    let Some(config) = service.find("deploy.update_config")? else {
        return Ok(default);
    };
    let number = |node: &Node| node.parsed("a number of replicas");
    let parallelism = config.read("parallelism", number)?;
    Ok(Update {
        parallelism: parallelism.unwrap_or(default.parallelism),
        order: config.read("order", order)?.unwrap_or(default.order),
        failure: config
            .read("failure_action", failure)?
            .unwrap_or(default.failure),
        monitor: Update::watched_for(config.read("monitor", Node::duration)?),
    })
}

fn order(node: &Node) -> Result<Order, Wrong> {
    let expected = "stop-first or start-first";
    match node.text(expected)? {
        "stop-first" => Ok(Order::StopFirst),
        "start-first" => Ok(Order::StartFirst),
        _ => Err(node.wrong(expected)),
    }
}

fn failure(node: &Node) -> Result<Failure, Wrong> {
    let expected = "pause, continue or rollback";
    match node.text(expected)? {
        "pause" | "" => Ok(Failure::Pause),
        "continue" => Ok(Failure::Continue),
        "rollback" => Ok(Failure::Rollback),
        _ => Err(node.wrong(expected)),
    }
}

/// Where its replicas may run.
pub(in crate::gate) fn constraints(service: &Node) -> Result<Vec<String>, Wrong> {
    let constraints = |node: &Node| node.texts("a list of constraints");
    let constraints = service.read("deploy.placement.constraints", constraints)?;
    Ok(constraints.unwrap_or_default())
}
