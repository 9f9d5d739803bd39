//! Records in the labels of swarm config objects.

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bollard::Docker;
use bollard::errors::Error;
use bollard::models::{Config, ConfigSpec};
use bollard::query_parameters::UpdateConfigOptionsBuilder;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::Key;
use crate::docker::{Raw, describe, is_not_found};
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
struct Envelope<T> {
    schema: u32,
    by: String,
    record: T,
}

/// What can be read of an envelope whatever is in it.
#[derive(Debug, Deserialize)]
struct Outside {
    schema: u32,
    #[serde(default)]
    by: String,
}

/// What of a config object is looked at.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Object {
    #[serde(default, rename = "ID")]
    id: String,
    #[serde(default)]
    version: Version,
    #[serde(default)]
    spec: Spec,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Version {
    index: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Spec {
    #[serde(default)]
    labels: Labels,
}

/// By the labels' names, which are constants everywhere else.
#[derive(Debug, Default, Deserialize)]
struct Labels {
    #[serde(rename = "rollover.state")]
    state: Option<String>,
    #[serde(rename = "rollover.certificate")]
    certificate: Option<String>,
}

impl From<Config> for Object {
    fn from(config: Config) -> Self {
        let mut labels = config.spec.and_then(|spec| spec.labels).unwrap_or_default();
        Self {
            id: config.id.unwrap_or_default(),
            version: Version {
                index: config.version.and_then(|version| version.index),
            },
            spec: Spec {
                labels: Labels {
                    state: labels.remove(STATE_LABEL),
                    certificate: labels.remove(CERTIFICATE_LABEL),
                },
            },
        }
    }
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
            Some(object) => read(key, object).map(Some),
            None => Ok(None),
        }
    }

    /// Hands on the records of all certificates, each as it comes; one that cannot
    /// be read has its own error. `raw` leads to the same swarm.
    ///
    /// # Errors
    /// When the engine does not answer, or stops in the middle.
    pub(crate) async fn each<T: Record>(
        raw: &Raw,
        mut take: impl FnMut(CertificateName, Result<Stored<T>, StateError>),
    ) -> Result<(), StateError> {
        // Percent-encoded {"label":["rollover.state","rollover.certificate"]}.
        let path = "/configs?filters=%7B%22label%22%3A%5B%22rollover.state%22%2C\
                    %22rollover.certificate%22%5D%7D";
        let listed = raw.each(path, |object: Object| {
            if let Some((name, read)) = certificate(object) {
                take(name, read);
            }
        });
        listed.await.map_err(|error| StateError::Engine {
            what: "read",
            key: "certificates".to_owned(),
            why: error.to_string(),
        })
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
            Err(error) => Err(self.conflict(key, None, error).await),
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
            Err(error) => Err(self.conflict(key, Some(over.version), error).await),
        }
    }

    /// Removes a record that was read.
    pub(crate) async fn remove<T>(&self, key: &Key, stored: &Stored<T>) -> Result<(), StateError> {
        let removed = async {
            match self.docker.delete_config(&stored.id).await {
                Err(error) if is_not_found(&error) => Ok(()),
                other => other,
            }
        };
        answered("remove", key, removed).await
    }

    async fn inspect(&self, key: &Key) -> Result<Option<Object>, StateError> {
        let object = key.object();
        let inspected = async {
            match self.docker.inspect_config(&object).await {
                Err(error) if is_not_found(&error) => Ok(None),
                other => other.map(|config| Some(config.into())),
            }
        };
        answered("read", key, inspected).await
    }

    /// What a refused write means: a conflict, if another version is there than
    /// the one that it was to replace. Swarm's own answer is an error of 500 with
    /// a text (`update out of sequence`), and a text is no contract.
    async fn conflict(&self, key: &Key, over: Option<u64>, error: StateError) -> StateError {
        let Ok(Some(object)) = self.inspect(key).await else {
            return error;
        };
        if object.version.index == over {
            return error;
        }
        StateError::Conflict {
            key: key.to_string(),
            by: writer(&object),
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
            record,
        };
        // Plain data whose every part serialises: this cannot fail.
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
    object: Object,
) -> Option<(CertificateName, Result<Stored<T>, StateError>)> {
    let name = object.spec.labels.certificate.as_deref()?;
    let name = CertificateName::of(&DomainName::parse(name).ok()?);
    let read = read(&Key::Certificate(name.clone()), object);
    Some((name, read))
}

fn read<T: Record>(key: &Key, object: Object) -> Result<Stored<T>, StateError> {
    let damaged = |why: String| StateError::Damaged {
        key: key.to_string(),
        object: key.object(),
        why,
    };
    let text = object.spec.labels.state.as_deref();
    let text = text.ok_or_else(|| damaged("it is missing".to_owned()))?;
    let outside: Outside =
        serde_json::from_str(text).map_err(|error| damaged(error.to_string()))?;
    if outside.schema > T::SCHEMA {
        return Err(StateError::FromNewerVersion {
            key: key.to_string(),
            object: key.object(),
            found: outside.schema,
            known: T::SCHEMA,
        });
    }
    let envelope: Envelope<T> =
        serde_json::from_str(text).map_err(|error| damaged(error.to_string()))?;
    let version = object.version.index;
    Ok(Stored {
        record: envelope.record,
        version: version.ok_or_else(|| damaged("it has no version".to_owned()))?,
        id: object.id,
    })
}

/// Who wrote it last, as far as that can be read.
fn writer(object: &Object) -> String {
    let text = object.spec.labels.state.as_deref();
    let outside = text.and_then(|text| serde_json::from_str::<Outside>(text).ok());
    let by = outside
        .map(|outside| outside.by)
        .filter(|by| !by.is_empty());
    by.unwrap_or_else(|| "somebody".to_owned())
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
