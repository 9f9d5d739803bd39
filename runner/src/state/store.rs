//! Records in the labels of swarm config objects.

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bollard::Docker;
use bollard::errors::Error;
use bollard::models::{Config, ConfigSpec};
use bollard::query_parameters::{ListConfigsOptionsBuilder, UpdateConfigOptionsBuilder};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::timeout;

use super::Key;
use crate::docker::{describe, is_not_found};
use crate::model::{CERTIFICATE_LABEL, CertificateName, DomainName};

/// The label that holds the record, and by which the objects are known.
const STATE_LABEL: &str = "rollover.state";
/// So that `docker stack rm` takes them along with the runner.
const STACK_LABEL: &str = "com.docker.stack.namespace";
/// Swarm wants data; a person who looks at it wants to know.
const DATA: &str = "What Rollover remembers is in the labels of this object, which change.\n";
/// Swarm would take more than a megabyte in one change, but each change goes to
/// every manager's log, and a record that grows so far has lost its way.
const LARGEST: usize = 8 * 1024;
/// How long one answer may take. Several fit into the time that a holder of the
/// lease has to renew it.
const DEADLINE: Duration = Duration::from_secs(3);

/// Something that can be kept.
pub(crate) trait Record: Serialize + DeserializeOwned {
    /// Raised when an earlier version would misread what this one writes, or lose
    /// part of it by writing it again.
    const SCHEMA: u32;
}

/// Why a record could not be read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StateError {
    /// Somebody else wrote it since it was read, and that stays.
    #[error("state of {key}: not written, because {by} wrote it meanwhile")]
    Conflict { key: String, by: String },
    /// It cannot be read. It is never written over.
    #[error(
        "state of {key}: the label {STATE_LABEL} of the swarm's config {object} cannot be read \
         ({why}); it is left as it is. To have it forgotten: docker config rm {object}"
    )]
    Damaged {
        key: String,
        object: String,
        why: String,
    },
    /// It means something that this version does not know. It is never written
    /// over.
    #[error(
        "state of {key}: the swarm's config {object} was written by a newer Rollover (schema \
         {found}, this one reads {known}); it is left as it is. Run that version again, or have \
         it forgotten: docker config rm {object}"
    )]
    FromNewerVersion {
        key: String,
        object: String,
        found: u32,
        known: u32,
    },
    #[error("state of {key}: not written, because it has {size} bytes; expected at most {LARGEST}")]
    TooLarge { key: String, size: usize },
    #[error("{what} the state of {key}: {why}")]
    Engine {
        what: &'static str,
        key: String,
        why: String,
    },
}

/// A record as it was read, and what a compare-and-swap needs to write another
/// over it.
#[derive(Clone, Debug)]
pub(crate) struct Stored<T> {
    pub(crate) record: T,
    /// Raft's index of its last change.
    pub(crate) version: u64,
    id: String,
}

/// The records of the whole swarm.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    docker: Docker,
    /// Who writes: how a conflict names this runner to another one.
    writer: String,
    /// The stack that the runner belongs to, if any.
    stack: Option<String>,
}

/// How a record lies in its label.
#[derive(Debug, Serialize, Deserialize)]
struct Envelope {
    schema: u32,
    by: String,
    record: Value,
}

impl Store {
    /// Those of the swarm that `docker` is a manager of, written as `writer`.
    pub(crate) fn new(docker: Docker, writer: String, stack: Option<String>) -> Self {
        Self {
            docker,
            writer,
            stack,
        }
    }

    /// Reads one record, if there is one.
    pub(crate) async fn load<T: Record>(&self, key: &Key) -> Result<Option<Stored<T>>, StateError> {
        match self.inspect(key).await? {
            Some(config) => read(key, config).map(Some),
            None => Ok(None),
        }
    }

    /// Reads the records of all certificates; each that cannot be read has its own
    /// error.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub(crate) async fn load_all<T: Record>(
        &self,
    ) -> Result<Vec<(CertificateName, Result<Stored<T>, StateError>)>, StateError> {
        let filters = HashMap::from([("label", vec![STATE_LABEL, CERTIFICATE_LABEL])]);
        let options = ListConfigsOptionsBuilder::default()
            .filters(&filters)
            .build();
        let listed = self.docker.list_configs(Some(options));
        let configs = answered("read", &"certificates", listed).await?;
        Ok(configs.into_iter().filter_map(certificate).collect())
    }

    /// Writes a record where there is none.
    ///
    /// # Errors
    /// [`StateError::Conflict`] when there is one.
    pub(crate) async fn create<T: Record>(&self, key: &Key, record: &T) -> Result<(), StateError> {
        let mut spec = self.spec(key, record)?;
        spec.data = Some(STANDARD.encode(DATA));
        let created = self.docker.create_config(spec);
        match answered("write", key, created).await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.conflict::<T>(key, None, error).await),
        }
    }

    /// Writes a record over the one that was read.
    ///
    /// # Errors
    /// [`StateError::Conflict`] when somebody else has written since; then nothing
    /// is changed. After [`StateError::Engine`] it may have been written all the
    /// same: the next read says.
    pub(crate) async fn save<T: Record>(
        &self,
        key: &Key,
        over: &Stored<T>,
        record: &T,
    ) -> Result<(), StateError> {
        let spec = self.spec(key, record)?;
        let version = i64::try_from(over.version).unwrap_or(i64::MAX);
        let options = UpdateConfigOptionsBuilder::default()
            .version(version)
            .build();
        let updated = self.docker.update_config(&over.id, spec, options);
        match answered("write", key, updated).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.conflict::<T>(key, Some(over.version), error).await),
        }
    }

    async fn inspect(&self, key: &Key) -> Result<Option<Config>, StateError> {
        let object = key.object();
        let inspected = async {
            match self.docker.inspect_config(&object).await {
                Err(error) if is_not_found(&error) => Ok(None),
                other => other.map(Some),
            }
        };
        answered("read", key, inspected).await
    }

    /// What a refused write means: a conflict, if another version is there than
    /// the one that it was to replace. Swarm's own answer is an error of 500 with
    /// a text (`update out of sequence`), and a text is no contract.
    async fn conflict<T: Record>(
        &self,
        key: &Key,
        over: Option<u64>,
        error: StateError,
    ) -> StateError {
        let Ok(Some(config)) = self.inspect(key).await else {
            return error;
        };
        if version(&config) == over {
            return error;
        }
        StateError::Conflict {
            key: key.to_string(),
            by: writer(&config),
        }
    }

    fn spec(&self, key: &Key, record: &impl Record) -> Result<ConfigSpec, StateError> {
        Ok(ConfigSpec {
            name: Some(key.object()),
            labels: Some(self.labels(key, record)?),
            ..ConfigSpec::default()
        })
    }

    fn labels<T: Record>(
        &self,
        key: &Key,
        record: &T,
    ) -> Result<HashMap<String, String>, StateError> {
        let envelope = Envelope {
            schema: T::SCHEMA,
            by: self.writer.clone(),
            // Plain data whose every part serialises: this cannot fail.
            record: serde_json::to_value(record).unwrap_or_default(),
        };
        let text = serde_json::to_string(&envelope).unwrap_or_default();
        if text.len() > LARGEST {
            return Err(StateError::TooLarge {
                key: key.to_string(),
                size: text.len(),
            });
        }
        let mut labels = HashMap::from([(STATE_LABEL.to_owned(), text)]);
        if let Key::Certificate(name) = key {
            labels.insert(CERTIFICATE_LABEL.to_owned(), name.to_string());
        }
        if let Some(stack) = &self.stack {
            labels.insert(STACK_LABEL.to_owned(), stack.clone());
        }
        Ok(labels)
    }
}

/// The certificate that an object is about, and its record. An object that names
/// none is not the runner's.
fn certificate<T: Record>(
    config: Config,
) -> Option<(CertificateName, Result<Stored<T>, StateError>)> {
    let name = label(&config, CERTIFICATE_LABEL)?;
    let name = CertificateName::of(&DomainName::parse(name).ok()?);
    let read = read(&Key::Certificate(name.clone()), config);
    Some((name, read))
}

fn read<T: Record>(key: &Key, config: Config) -> Result<Stored<T>, StateError> {
    let damaged = |why: String| StateError::Damaged {
        key: key.to_string(),
        object: key.object(),
        why,
    };
    let text = label(&config, STATE_LABEL).ok_or_else(|| damaged("it is missing".to_owned()))?;
    let envelope: Envelope =
        serde_json::from_str(text).map_err(|error| damaged(error.to_string()))?;
    if envelope.schema > T::SCHEMA {
        return Err(StateError::FromNewerVersion {
            key: key.to_string(),
            object: key.object(),
            found: envelope.schema,
            known: T::SCHEMA,
        });
    }
    let record =
        serde_json::from_value(envelope.record).map_err(|error| damaged(error.to_string()))?;
    let version = version(&config).ok_or_else(|| damaged("it has no version".to_owned()))?;
    Ok(Stored {
        record,
        version,
        id: config.id.unwrap_or_default(),
    })
}

fn label<'a>(config: &'a Config, name: &str) -> Option<&'a str> {
    let labels = config.spec.as_ref()?.labels.as_ref()?;
    labels.get(name).map(String::as_str)
}

fn version(config: &Config) -> Option<u64> {
    config.version.as_ref()?.index
}

/// Who wrote it last, as far as that can be read.
fn writer(config: &Config) -> String {
    label(config, STATE_LABEL)
        .and_then(|text| serde_json::from_str::<Envelope>(text).ok())
        .map_or_else(|| "somebody".to_owned(), |envelope| envelope.by)
}

async fn answered<T>(
    what: &'static str,
    key: &impl ToString,
    answer: impl Future<Output = Result<T, Error>>,
) -> Result<T, StateError> {
    let failed = |why| StateError::Engine {
        what,
        key: key.to_string(),
        why,
    };
    timeout(DEADLINE, answer)
        .await
        .map_err(|_| failed(format!("no answer within {} s", DEADLINE.as_secs())))?
        .map_err(|error| failed(describe(&error)))
}

#[cfg(test)]
mod tests;
