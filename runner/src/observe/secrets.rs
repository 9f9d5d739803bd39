//! The secrets of the swarm that the runner has made.

use std::collections::HashMap;

use bollard::Docker;
use bollard::models::{Secret, Service};
use bollard::query_parameters::ListSecretsOptionsBuilder;

use super::swarm::{SwarmError, failed, timestamp};
use crate::model::{CERTIFICATE_LABEL, OwnSecret, SecretReference};

/// All of them, of every certificate, in use or not.
pub(crate) async fn own_secrets(docker: &Docker) -> Result<Vec<OwnSecret>, SwarmError> {
    let filters = HashMap::from([("label", vec![CERTIFICATE_LABEL])]);
    let options = ListSecretsOptionsBuilder::default()
        .filters(&filters)
        .build();
    let secrets = docker
        .list_secrets(Some(options))
        .await
        .map_err(failed("secrets"))?;
    Ok(secrets.into_iter().filter_map(own).collect())
}

fn own(secret: Secret) -> Option<OwnSecret> {
    let spec = secret.spec?;
    let created_at = timestamp(secret.created_at).unwrap_or_default();
    let labels = spec.labels.unwrap_or_default();
    OwnSecret::read(secret.id?, spec.name?, created_at, &labels)
}

/// What a service's specification names.
pub(super) fn references(service: &Service) -> Vec<SecretReference> {
    let template = service
        .spec
        .as_ref()
        .and_then(|it| it.task_template.as_ref());
    let container = template.and_then(|template| template.container_spec.as_ref());
    let secrets = container.and_then(|container| container.secrets.as_deref());
    let references = secrets.unwrap_or_default().iter();
    references
        .filter_map(|reference| {
            let file = reference.file.as_ref()?.name.as_deref()?;
            Some(SecretReference::new(reference.secret_id.as_deref()?, file))
        })
        .collect()
}
