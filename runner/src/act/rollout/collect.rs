//! Taking away the secrets that nothing uses any more.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tracing::{info, warn};

use super::RolloutCause;
use crate::docker::{Manager, describe, is_not_found};
use crate::model::{CertificateName, Fingerprint, OwnSecret, Part};
use crate::observe::secrets::own_secrets;

/// How many versions of each certificate are kept: what is served, and what was
/// before, for `docker service rollback`.
const KEPT: usize = 2;

/// Removes the secrets of versions that no service names, but the two newest of
/// each certificate. What could not be removed is told, and found again by the
/// next look.
pub(crate) async fn collect_secrets(manager: &Manager) {
    if let Err(error) = collect(manager).await {
        warn!("secrets of earlier certificates stay behind: {error}");
    }
}

async fn collect(manager: &Manager) -> Result<(), RolloutCause> {
    let own = own_secrets(&manager.docker).await?;
    if own.len() <= KEPT * Part::BOTH.len() {
        return Ok(());
    }
    let used = used(manager).await?;
    for secret in unneeded(&own, &used) {
        let (name, certificate) = (&secret.name, &secret.version.certificate);
        manager.fence.pass().await;
        match manager.docker.delete_secret(&secret.id).await {
            Ok(()) => info!(%certificate, secret = name, "secret removed: nothing uses it"),
            Err(error) if is_not_found(&error) => {}
            // Swarm removes none that a service names: one that was named just
            // now is in use again.
            Err(error) => warn!(secret = name, "a secret stays behind: {}", describe(&error)),
        }
    }
    Ok(())
}

/// The IDs of all secrets that a service names, or named before its last update:
/// without them, it could not be rolled back.
async fn used(manager: &Manager) -> Result<BTreeSet<String>, RolloutCause> {
    // As plain JSON, for the models leave out the specification of before.
    let services = manager.raw.get("/services").await?;
    let services = services.as_array().map(Vec::as_slice).unwrap_or_default();
    Ok(services.iter().flat_map(names).collect())
}

fn names(service: &Value) -> Vec<String> {
    let of = |specification: &str| {
        let container = &service[specification]["TaskTemplate"]["ContainerSpec"];
        container["Secrets"].as_array().cloned().unwrap_or_default()
    };
    let references = ["Spec", "PreviousSpec"].into_iter().flat_map(of);
    references
        .filter_map(|it| Some(it["SecretID"].as_str()?.to_owned()))
        .collect()
}

/// What can be removed. A version of which only a half was made, because the
/// runner died, is worth nothing; if it is still wanted, the rollout before this
/// has made the other half.
fn unneeded<'a>(own: &'a [OwnSecret], used: &BTreeSet<String>) -> Vec<&'a OwnSecret> {
    let mut certificates: BTreeMap<&CertificateName, BTreeMap<Fingerprint, Vec<&OwnSecret>>> =
        BTreeMap::new();
    for secret in own {
        let versions = certificates.entry(&secret.version.certificate).or_default();
        let version = versions.entry(secret.version.fingerprint).or_default();
        version.push(secret);
    }
    let mut unneeded = Vec::new();
    for versions in certificates.into_values() {
        let (whole, halves): (Vec<_>, Vec<_>) = versions
            .into_values()
            .partition(|version| is_whole(version));
        let mut whole = whole;
        whole
            .sort_by_key(|version| std::cmp::Reverse(version.iter().map(|it| it.created_at).max()));
        unneeded.extend(whole.into_iter().skip(KEPT).chain(halves).flatten());
    }
    unneeded.retain(|secret| !used.contains(&secret.id));
    unneeded
}

fn is_whole(version: &[&OwnSecret]) -> bool {
    let has = |part| version.iter().any(|secret| secret.part == part);
    Part::BOTH.into_iter().all(has)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::secret_tests::secret;

    fn both(nth: u8) -> [OwnSecret; 2] {
        Part::BOTH.map(|part| secret(nth, part))
    }

    fn removed(own: &[OwnSecret], used: &[&str]) -> Vec<String> {
        let used = used.iter().map(|&id| id.to_owned()).collect();
        let unneeded = unneeded(own, &used);
        let mut ids: Vec<_> = unneeded.iter().map(|it| it.id.clone()).collect();
        ids.sort();
        ids
    }

    #[test]
    fn the_two_newest_versions_are_kept_and_older_ones_are_not() {
        let own = [both(3), both(1), both(4), both(2)].concat();
        let expected = ["1-chain", "1-key", "2-chain", "2-key"];
        assert_eq!(removed(&own, &["4-chain", "4-key"]), expected);
        assert_eq!(removed(&[both(1), both(2)].concat(), &[]), [""; 0]);
    }

    #[test]
    fn what_a_service_names_is_kept_however_old() {
        let own = [both(1), both(2), both(3)].concat();
        assert_eq!(removed(&own, &["1-key"]), ["1-chain"]);
    }

    #[test]
    fn a_half_is_no_version_to_go_back_to() {
        let half = vec![secret(4, Part::Chain)];
        let own = [&both(1)[..], &both(2), &half].concat();
        assert_eq!(removed(&own, &[]), ["4-chain"]);
    }

    #[test]
    fn each_certificate_has_its_own_two() {
        let other = both(9).map(|mut secret| {
            let domain = crate::model::DomainName::parse("example.net").unwrap();
            secret.version.certificate = CertificateName::of(&domain);
            secret
        });
        let own = [both(1), both(2), other].concat();
        assert_eq!(removed(&own, &[]), [""; 0]);
    }

    #[test]
    fn the_specification_of_before_counts_too() {
        let container =
            |id: &str| json!({"TaskTemplate": {"ContainerSpec": {"Secrets": [{"SecretID": id}]}}});
        let service = json!({"Spec": container("a"), "PreviousSpec": container("b")});
        assert_eq!(names(&service), ["a", "b"]);
        assert_eq!(names(&json!({"Spec": {}})), [""; 0]);
    }
}
