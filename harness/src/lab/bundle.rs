//! Everything that may explain a failed test, as files.

use std::{collections::BTreeSet, fmt::Write, fs, path::Path};

use serde_json::json;

use super::{Lab, LabError, error::At, service};

/// Writes logs, tasks and events into `directory`; what cannot be had is said in
/// the file that would have held it.
pub(super) async fn write(lab: &Lab, directory: &Path) -> Result<(), LabError> {
    fs::create_dir_all(directory).at("make the directory", directory)?;
    for node in lab.nodes() {
        save(directory, &format!("{}.log", node.name()), node.log().await)?;
    }
    if let Some(pebble) = lab.pebble() {
        save(directory, "pebble.log", pebble.log().await)?;
    }
    save(directory, "tasks.txt", task_list(lab).await)?;
    save(directory, "timeline.txt", Ok(timeline(lab)))?;
    for name in services(lab).await {
        save(
            directory,
            &format!("{name}.log"),
            lab.service(&name).logs().await,
        )?;
    }
    Ok(())
}

fn save(directory: &Path, name: &str, text: Result<String, LabError>) -> Result<(), LabError> {
    let path = directory.join(name);
    let text = text.unwrap_or_else(|error| format!("failed to {error}\n"));
    fs::write(&path, text).at("write", path)
}

async fn task_list(lab: &Lab) -> Result<String, LabError> {
    let mut text = String::new();
    for task in service::tasks(lab.nodes(), &json!({})).await? {
        let _ = writeln!(
            text,
            "{} {}.{} on {}: {} (desired {}) since {}: {} {}",
            task.id,
            task.service,
            task.slot.unwrap_or_default(),
            task.node,
            task.state,
            task.desired,
            task.updated.map(|at| at.to_string()).unwrap_or_default(),
            task.message,
            task.error.as_deref().unwrap_or_default(),
        );
    }
    Ok(text)
}

fn timeline(lab: &Lab) -> String {
    lab.timeline()
        .iter()
        .fold(String::new(), |mut text, event| {
            let service = event.service.as_deref().unwrap_or("-");
            let _ = writeln!(
                text,
                "{} {} {service} {:?}",
                event.at, event.node, event.what
            );
            text
        })
}

/// The services that had a container: a removed one's log may be what explains.
async fn services(lab: &Lab) -> BTreeSet<String> {
    let seen = lab.timeline().into_iter().filter_map(|event| event.service);
    seen.collect()
}
