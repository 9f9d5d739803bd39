//! What a lab is, written down for another process that uses it.

use std::fs;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{LabError, Resources, error::At};

const FILE: &str = "lab.json";

/// What a lab is. It is written when the lab is up; one without it is not whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) up_since: Timestamp,
    pub(crate) nodes: u8,
    pub(crate) managers: u8,
    pub(crate) subnet: String,
    pub(crate) volume: String,
    pub(crate) acme: String,
    /// The image references that the registry was given.
    pub(crate) images: Vec<String>,
}

impl Manifest {
    pub(crate) fn write(&self, resources: &Resources) -> Result<(), LabError> {
        let text = serde_json::to_vec_pretty(self).unwrap_or_default();
        resources.write(FILE, &text).map(|_| ())
    }

    /// That of a lab that stands; none where it is not whole.
    pub(crate) fn read(resources: &Resources) -> Result<Option<Self>, LabError> {
        let path = resources.directory().join(FILE);
        match fs::read(&path) {
            Ok(text) => Ok(serde_json::from_slice(&text).ok()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).at("read", path),
        }
    }
}
