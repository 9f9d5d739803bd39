//! The certificates that the runner keeps as swarm secrets.

use std::collections::HashMap;

use bollard::models::Secret;
use bollard::query_parameters::ListSecretsOptionsBuilder;
use jiff::Timestamp;

use super::{Site, SiteError};
use crate::lab::Doing;

/// A secret with a part of a certificate, as its labels tell it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateSecret {
    /// Its ID.
    pub id: String,
    /// Its name.
    pub name: String,
    /// SHA-256 of the leaf's DER, as lowercase hex.
    pub fingerprint: String,
    /// When it was made.
    pub created: Option<Timestamp>,
}

impl Site<'_> {
    /// The secrets that the runner has made of the site's certificate, oldest
    /// first.
    ///
    /// # Errors
    /// When the manager does not answer.
    pub async fn secrets(&self) -> Result<Vec<CertificateSecret>, SiteError> {
        let label = format!("rollover.certificate={}", self.options().domain);
        let options = ListSecretsOptionsBuilder::default()
            .filters(&HashMap::from([("label", vec![label])]))
            .build();
        let listed = self.lab().manager().docker().list_secrets(Some(options));
        let listed = listed.await;
        let listed = listed.doing(|| "list the secrets of the swarm".to_owned())?;
        let mut secrets: Vec<_> = listed.into_iter().filter_map(read).collect();
        secrets.sort_by(|one, other| (one.created, &one.name).cmp(&(other.created, &other.name)));
        Ok(secrets)
    }

    /// The fingerprints of the versions that are kept as secrets, oldest first.
    ///
    /// # Errors
    /// When the manager does not answer.
    pub async fn secret_versions(&self) -> Result<Vec<String>, SiteError> {
        let secrets = self.secrets().await?.into_iter();
        let mut versions: Vec<String> = secrets.map(|secret| secret.fingerprint).collect();
        versions.dedup();
        Ok(versions)
    }

    /// The IDs of the secrets that the load balancer's specification names.
    ///
    /// # Errors
    /// When the manager does not answer.
    pub async fn named_secrets(&self) -> Result<Vec<String>, SiteError> {
        let service = self.load_balancer().inspect().await?;
        let container = service
            .and_then(|service| service.spec?.task_template)
            .and_then(|template| template.container_spec);
        let references = container.and_then(|container| container.secrets);
        let references = references.unwrap_or_default().into_iter();
        Ok(references.filter_map(|it| it.secret_id).collect())
    }
}

fn read(secret: Secret) -> Option<CertificateSecret> {
    let created = secret.created_at.map(|at| at.unix_timestamp_nanos());
    let spec = secret.spec?;
    Some(CertificateSecret {
        id: secret.id?,
        name: spec.name?,
        fingerprint: spec.labels?.remove("rollover.fingerprint")?,
        created: created.and_then(|at| Timestamp::from_nanosecond(at).ok()),
    })
}
