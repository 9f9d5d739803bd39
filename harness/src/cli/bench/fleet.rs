//! Many certificates that a swarm's services ask for, without replicas: all that
//! a look at them is, but for the probes.

use std::collections::HashMap;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, symlink};
use std::path::Path;

use bollard::models::{
    Mount, MountType, ServiceSpec, ServiceSpecMode, ServiceSpecModeReplicated, TaskSpec,
    TaskSpecContainerSpec,
};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair,
};
use time::{Duration, OffsetDateTime};

use super::CouldNot;
use rollover_lab::lab::Lab;

/// How many certificates one service asks for: what one change of a service
/// weighs has a limit in the swarm.
const OF_A_SERVICE: usize = 500;
const LIFE: Duration = Duration::days(90);

/// How old the certificates are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Age {
    /// A day: nothing is due.
    New,
    /// They have expired: all are due, and no window of an authority's is asked
    /// for.
    Expired,
}

/// The names `PREFIX-0.test`, `PREFIX-1.test`, …
pub(super) fn names(prefix: &str, count: usize) -> Vec<String> {
    (0..count)
        .map(|nth| format!("{prefix}-{nth}.test"))
        .collect()
}

/// Publishes a certificate for each name below `root`, laid out as the engine
/// acme does, from an authority of its own.
///
/// `identified`: each says which key has signed it, without which an authority
/// cannot be asked about it (RFC 9773, section 4.1), nor told that it is replaced.
pub(super) fn publish(
    root: &Path,
    names: &[String],
    age: Age,
    identified: bool,
) -> Result<(), CouldNot> {
    let authority = Authority::new(age, identified)?;
    fs::create_dir_all(root.join("live"))?;
    for name in names {
        let (certificate, key) = authority.issue(name)?;
        let version = root.join("archive").join(name).join("1");
        DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(&version)?;
        let chain = format!("{certificate}{}", authority.pem);
        for (file, content, mode) in [
            ("privkey.pem", &key, 0o600),
            ("combined.pem", &format!("{chain}{key}"), 0o600),
            ("cert.pem", &certificate, 0o644),
            ("chain.pem", &authority.pem, 0o644),
            ("fullchain.pem", &chain, 0o644),
        ] {
            let mut options = OpenOptions::new();
            options.create_new(true).write(true).mode(mode);
            options
                .open(version.join(file))?
                .write_all(content.as_bytes())?;
        }
        let target = format!("../archive/{name}/1");
        symlink(target, root.join("live").join(name))?;
    }
    Ok(())
}

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    not_before: OffsetDateTime,
    identified: bool,
}

impl Authority {
    fn new(age: Age, identified: bool) -> Result<Self, CouldNot> {
        #[expect(
            clippy::disallowed_methods,
            reason = "certificates begin at a real time"
        )]
        let now = OffsetDateTime::from(std::time::SystemTime::now());
        let not_before = match age {
            Age::New => now - Duration::days(1),
            Age::Expired => now - LIFE - Duration::days(1),
        };
        let mut params = named("Rollover bench");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.not_before = not_before - Duration::days(365);
        params.not_after = not_before + Duration::days(3650);
        let key = KeyPair::generate()?;
        let pem = params.self_signed(&key)?.pem();
        Ok(Self {
            issuer: Issuer::new(params, key),
            pem,
            not_before,
            identified,
        })
    }

    /// A certificate and its key, in PEM.
    fn issue(&self, name: &str) -> Result<(String, String), rcgen::Error> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(vec![name.to_owned()])?;
        params.distinguished_name = DistinguishedName::new();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = self.identified;
        params.not_before = self.not_before;
        params.not_after = self.not_before + LIFE;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok((certificate.pem(), key.serialize_pem()))
    }
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

/// Has services of the lab's swarm ask for them; without replicas, for what is
/// measured is not how long so many probes take.
pub(super) async fn ask_for(lab: &Lab, prefix: &str, names: &[String]) -> Result<(), CouldNot> {
    let docker = lab.manager().docker();
    for (nth, names) in names.chunks(OF_A_SERVICE).enumerate() {
        let service = service(format!("{prefix}-{nth}"), names);
        docker.create_service(service, None).await?;
    }
    Ok(())
}

fn service(name: String, names: &[String]) -> ServiceSpec {
    let asks = |name: &String| (format!("rollover.domains.{name}"), name.clone());
    let mut labels: HashMap<String, String> = names.iter().map(asks).collect();
    labels.insert("rollover.enable".to_owned(), "true".to_owned());
    ServiceSpec {
        name: Some(name),
        labels: Some(labels),
        mode: Some(ServiceSpecMode {
            replicated: Some(ServiceSpecModeReplicated { replicas: Some(0) }),
            ..ServiceSpecMode::default()
        }),
        task_template: Some(TaskSpec {
            container_spec: Some(TaskSpecContainerSpec {
                image: Some("nobody/runs-it".to_owned()),
                // Without, each certificate would be found to be unreadable.
                mounts: Some(vec![Mount {
                    target: Some("/etc/letsencrypt".to_owned()),
                    source: Some("/mnt/certificates".to_owned()),
                    typ: Some(MountType::BIND),
                    read_only: Some(true),
                    ..Mount::default()
                }]),
                ..TaskSpecContainerSpec::default()
            }),
            ..TaskSpec::default()
        }),
        ..ServiceSpec::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lineage_lies_as_the_engine_acme_leaves_it() {
        let root = tempfile::tempdir().unwrap();
        let names = names("site", 2);
        publish(root.path(), &names, Age::New, true).unwrap();
        for name in ["site-0.test", "site-1.test"] {
            let live = root.path().join("live").join(name);
            let target = fs::read_link(&live).unwrap();
            assert_eq!(target, Path::new("../archive").join(name).join("1"));
            let read = |file: &str| fs::read_to_string(live.join(file)).unwrap();
            let (chain, key) = (read("fullchain.pem"), read("privkey.pem"));
            assert_eq!(read("combined.pem"), format!("{chain}{key}"));
            assert_eq!(chain, format!("{}{}", read("cert.pem"), read("chain.pem")));
        }
    }

    #[test]
    fn a_service_asks_for_each_by_a_label() {
        let service = service("a".to_owned(), &names("site", 3));
        let labels = service.labels.unwrap();
        assert_eq!(labels.len(), 4);
        assert_eq!(labels["rollover.domains.site-2.test"], "site-2.test");
    }
}
