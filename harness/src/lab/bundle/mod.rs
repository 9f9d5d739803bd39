//! Everything that may explain a failed test, as files.
//!
//! | file | what is in it |
//! |---|---|
//! | `node-N.log`, `pebble.log`, `registry.log` | what the daemons wrote |
//! | `nodes.txt`, `services.json`, `tasks.txt` | what the swarm says of itself |
//! | `containers.txt` | every container of every node, with its state |
//! | `SERVICE.log`, `NODE.CONTAINER.log` | what tasks wrote, and what other containers did |
//! | `timeline.txt`, `journal.json` | Docker's events; steps, faults and sightings |
//! | `nginx/TASK.conf` | the configuration of each nginx as it runs (`nginx -T`) |
//! | `certificates.txt`, `certificates/` | which certificate each node's volume shows, and it; never a key |

mod certificates;
mod containers;
mod swarm;

use std::{collections::BTreeSet, fmt::Write, fs, path::Path};

use super::{Lab, LabError, error::At};

/// Writes it all into `directory`; what cannot be had is said in the file that
/// would have held it.
pub(super) async fn write(lab: &Lab, directory: &Path) -> Result<(), LabError> {
    let bundle = Bundle { directory };
    fs::create_dir_all(directory).at("make the directory", directory)?;
    bundle.daemons(lab).await?;
    swarm::write(&bundle, lab).await?;
    containers::write(&bundle, lab).await?;
    bundle.save("timeline.txt", Ok(timeline(lab)))?;
    let journal = serde_json::to_string_pretty(&lab.journal().notes()).unwrap_or_default();
    bundle.save("journal.json", Ok(journal))?;
    for name in services(lab).await {
        let log = lab.service(&name).logs().await;
        bundle.save(&format!("{name}.log"), log)?;
    }
    certificates::write(&bundle, lab)
}

/// Where it is written.
struct Bundle<'a> {
    directory: &'a Path,
}

impl Bundle<'_> {
    fn save(&self, name: &str, text: Result<String, LabError>) -> Result<(), LabError> {
        let path = self.directory.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).at("make the directory", parent)?;
        }
        let text = text.unwrap_or_else(|error| format!("failed to {error}\n"));
        fs::write(&path, text).at("write", path)
    }

    async fn daemons(&self, lab: &Lab) -> Result<(), LabError> {
        for node in lab.nodes() {
            self.save(&format!("{}.log", node.name()), node.log().await)?;
        }
        if let Some(pebble) = lab.pebble() {
            self.save("pebble.log", pebble.log().await)?;
        }
        if let Some(mock) = lab.mock() {
            self.save("mock.log", Ok(mock.log()))?;
        }
        self.save("registry.log", lab.registry.log().await)
    }
}

fn timeline(lab: &Lab) -> String {
    lab.timeline()
        .iter()
        .fold(String::new(), |mut text, event| {
            let service = event.service.as_deref().unwrap_or("-");
            let _ = writeln!(text, "{} {} {service} {}", event.at, event.node, event.what);
            text
        })
}

/// The services that there are, and those that had a container: a removed one's
/// log may be what explains.
async fn services(lab: &Lab) -> BTreeSet<String> {
    let seen = lab.timeline().into_iter().filter_map(|event| event.service);
    let named = swarm::services(lab).await.unwrap_or_default();
    seen.chain(named.into_iter().filter_map(|service| service.spec?.name))
        .collect()
}
