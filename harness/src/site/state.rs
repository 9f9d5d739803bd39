//! What the runner keeps in the swarm's Raft store: config objects whose label is
//! the record.

use bollard::models::{Config, ConfigSpec};
use bollard::query_parameters::UpdateConfigOptionsBuilder;

use super::{Site, SiteError};
use crate::lab::managers::Managers;
use crate::lab::{Doing, Task};

/// The label that holds a record.
const LABEL: &str = "rollover.state";
/// The object of the lease.
const LEASE: &str = "rollover-lease";

impl Site<'_> {
    /// The record in the object of that name; nothing if there is no such object, or
    /// no record in it.
    ///
    /// # Errors
    /// When no manager answers.
    pub async fn state(&self, object: &str) -> Result<Option<String>, SiteError> {
        let config = self.config(object).await?;
        let labels = config.and_then(|config| config.spec?.labels);
        Ok(labels.and_then(|mut labels| labels.remove(LABEL)))
    }

    /// The object with what is remembered of the site's certificate.
    #[must_use]
    pub fn state_object(&self) -> String {
        format!("rollover-state-{}", self.options().domain)
    }

    /// Writes a record of one's own into the object of that name, behind the
    /// runner's back; as a new object, if there is none.
    ///
    /// # Errors
    /// When the manager refuses.
    pub async fn write_state(&self, object: &str, record: &str) -> Result<(), SiteError> {
        let docker = self.lab().manager().docker();
        let there = self.config(object).await?;
        let mut spec = there.as_ref().and_then(|config| config.spec.clone());
        let spec = spec.get_or_insert_with(|| ConfigSpec {
            name: Some(object.to_owned()),
            data: Some("Lg==".to_owned()),
            ..ConfigSpec::default()
        });
        let labels = spec.labels.get_or_insert_default();
        labels.insert(LABEL.to_owned(), record.to_owned());
        let domain = self.options().domain.clone();
        labels.insert("rollover.certificate".to_owned(), domain);
        let written = match there {
            Some(Config { id, version, .. }) => {
                let index = version.and_then(|version| version.index).unwrap_or(0);
                let options = UpdateConfigOptionsBuilder::new()
                    .version(i64::try_from(index).unwrap_or(i64::MAX))
                    .build();
                let id = id.unwrap_or_default();
                docker.update_config(&id, spec.clone(), options).await
            }
            None => docker.create_config(spec.clone()).await.map(drop),
        };
        Ok(written.doing(|| format!("write the config {object}"))?)
    }

    /// The task of the runner that holds the lease, if one does that the swarm
    /// knows.
    ///
    /// # Errors
    /// When no manager answers.
    pub async fn leading(&self) -> Result<Option<Task>, SiteError> {
        let Some(record) = self.state(LEASE).await? else {
            return Ok(None);
        };
        let record: serde_json::Value = serde_json::from_str(&record).unwrap_or_default();
        let holder = record["record"]["holder"].as_str().unwrap_or_default();
        let tasks = self.runner().tasks().await?;
        // A task's name ends in its ID.
        Ok(tasks.into_iter().find(|task| holder.ends_with(&task.id)))
    }

    async fn config(&self, object: &str) -> Result<Option<Config>, SiteError> {
        let asked = Managers(self.lab().managers()).ask(async |manager| {
            match manager.docker().inspect_config(object).await {
                Err(bollard::errors::Error::DockerResponseServerError {
                    status_code: 404, ..
                }) => Ok(None),
                other => other
                    .map(Some)
                    .doing(|| format!("read the config {object}")),
            }
        });
        Ok(asked.await?)
    }
}
