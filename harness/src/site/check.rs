//! What `rollover check` finds in the lab's swarm.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::{Site, SiteError};
use crate::lab::Output;

/// What `rollover check --json` said and how it ended.
#[derive(Debug)]
pub struct Check {
    /// Exit code, stdout and stderr.
    pub output: Output,
    /// What was found of each service.
    pub services: BTreeMap<String, Checked>,
}

/// What was found of one service.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The codes of what is wrong: `RO101`.
    pub found: BTreeSet<String>,
    /// What could not be told, with the code.
    pub not_known: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Document {
    services: Vec<Service>,
}

#[derive(Deserialize)]
struct Service {
    service: String,
    findings: Vec<Finding>,
    not_known: Vec<NotKnown>,
}

#[derive(Deserialize)]
struct Finding {
    code: String,
}

#[derive(Deserialize)]
struct NotKnown {
    code: String,
    what: String,
}

impl Site<'_> {
    /// Runs `rollover check --json` in the runner's container.
    ///
    /// # Errors
    /// When it could not be run, or printed no document.
    pub async fn check(&self) -> Result<Check, SiteError> {
        let output = self.rollover(&["check", "--json"]).await?;
        let document: Document = serde_json::from_str(&output.stdout).map_err(|error| {
            let command = "check --json".to_owned();
            let found = format!("expected a document ({error}), found {output}");
            SiteError::Runner { command, found }
        })?;
        let services = document.services.into_iter().map(|service| {
            let not_known = service.not_known.into_iter();
            let checked = Checked {
                found: service.findings.into_iter().map(|it| it.code).collect(),
                not_known: not_known
                    .map(|NotKnown { code, what }| format!("{code}: {what}"))
                    .collect(),
            };
            (service.service, checked)
        });
        Ok(Check {
            services: services.collect(),
            output,
        })
    }
}
