//! The secret strategy: chain and key as swarm secrets, which one update of the
//! service swaps for those of before. Swarm restarts each replica for that, as
//! it does for `restart`.
//!
//! Every step can be the last before a crash. A secret is called by its
//! content's fingerprint, so the next attempt finds it and makes no other; the
//! service names all new secrets or none, for that is one compare-and-swap; and
//! what nothing uses, `collect.rs` takes away.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tracing::info;

use super::update::{Rolling, not_stuck};
use super::verify::Verified;
use super::{RolloutCause, STACK_LABEL};
use crate::act::step::{About, NamedStep};
use crate::config::Settings;
use crate::decide::{Expected, Named, RolloutStep, SecretsStep};
use crate::docker::{Manager, RawError};
use crate::model::{CertificateName, OwnSecret, PairError, Part, SecretReference, Update, Version};
use crate::observe::files;
use crate::observe::secrets::own_secrets;

/// Swarm takes less than this: 500 KiB.
const TOO_LARGE: usize = 500 * 1024;
/// Who may read them in the replica: the owner the key, everybody the chain.
const KEY_MODE: u32 = 0o400;
const CHAIN_MODE: u32 = 0o444;

/// Why a published pair cannot be made secrets of.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretError {
    #[error("certificate {name}: published files are not used: {error}")]
    Pair {
        name: CertificateName,
        error: PairError,
    },
    #[error("certificate {0}: another one was published meanwhile; the next look takes that")]
    Changed(CertificateName),
    #[error(
        "certificate {name}: its {part} has {size} bytes; swarm takes less than {TOO_LARGE} in a \
         secret"
    )]
    TooLarge {
        name: CertificateName,
        part: &'static str,
        size: usize,
    },
    #[error(
        "make the secret {name}, which is named for a fingerprint: {error}; if there is one of \
         that name that is not the runner's, remove it"
    )]
    Refused { name: String, error: RawError },
}

/// Makes the secrets that are missing, swaps them on the service, and watches
/// the update to its end.
///
/// Caveat: pace, and what counts as a failure, stay in the service's
/// specification.
pub(super) async fn run(
    manager: &Manager,
    settings: &Settings,
    mut rolling: Rolling<'_>,
) -> Result<Verified, RolloutCause> {
    let step = rolling.step;
    let (hold_at, name) = (settings.hold_at, &step.target.name);
    let (wanted, named) = match &step.secrets {
        Some(SecretsStep { wanted, named }) => (wanted.as_slice(), named),
        None => (&[][..], &Named::Current),
    };
    let update = Update::read(&rolling.service().await?);
    match ready(&update, &rolling.down().await?, named)? {
        Ready::Done => return rolling.verified(hold_at).await,
        Ready::Underway => info!(service = name, "an update to these secrets is followed"),
        Ready::Yes => {
            let root = &settings.certificate_root;
            let mounts = Mounts::make(manager, root, step, wanted).await?;
            let about = About::Service(name);
            hold_at.passed(NamedStep::SecretsCreated, about).await;
            let service = rolling.service().await?;
            ready(&Update::read(&service), &[], named)?;
            let specification = mounts.swapped(service["Spec"].clone());
            rolling.start(&service, specification).await?;
            info!(service = name, "giving every replica the new secrets");
        }
    }
    rolling.watched(hold_at).await
}

/// Whether the secrets are to be swapped.
#[derive(Debug, PartialEq, Eq)]
enum Ready {
    Yes,
    /// The specification names them, and an update brings them to the replicas:
    /// ours, from before a crash.
    Underway,
    /// The specification names them, and nothing is under way.
    Done,
}

/// Looks before it swaps anything.
///
/// Where the specification names nothing, no replica can start. Then every wait
/// makes it worse: an update that is under way, or that swarm has given up, is
/// most likely the deploy that took the secrets away, and a replica that is down
/// comes up by this.
fn ready(update: &Update, down: &[String], named: &Named) -> Result<Ready, RolloutCause> {
    match named {
        Named::Nothing(_) => return Ok(Ready::Yes),
        Named::Current if update.is_running() => return Ok(Ready::Underway),
        Named::Older if update.is_running() => return Err(RolloutCause::Busy),
        Named::Current | Named::Older => not_stuck(update)?,
    }
    match named {
        Named::Current => Ok(Ready::Done),
        _ if !down.is_empty() => Err(RolloutCause::Down(down.join("; "))),
        _ => Ok(Ready::Yes),
    }
}

/// A reference that the specification is to have.
#[derive(Debug)]
struct Mount {
    id: String,
    name: String,
    part: Part,
    path: PathBuf,
}

/// What a specification is to name.
#[derive(Debug)]
struct Mounts {
    new: Vec<Mount>,
    /// The IDs of the secrets of before.
    own: Vec<String>,
}

impl Mounts {
    /// The secrets of all `wanted`; those that are missing are made.
    async fn make(
        manager: &Manager,
        root: &Path,
        step: &RolloutStep,
        wanted: &[Expected],
    ) -> Result<Self, RolloutCause> {
        let own = own_secrets(&manager.docker).await?;
        let mut new = Vec::new();
        for spec in &step.target.certificates {
            let Some(expected) = wanted.iter().find(|it| it.certificate == spec.name) else {
                continue;
            };
            let version = Version::of(&spec.name, &expected.leaf);
            for part in Part::BOTH {
                let (id, name) = match there(&own, &version, part) {
                    Some(secret) => (secret.id.clone(), secret.name.clone()),
                    None => make(manager, root, step, &version, part).await?,
                };
                let path = part.path(&spec.path);
                new.push(Mount {
                    id,
                    name,
                    part,
                    path,
                });
            }
        }
        let own = own.into_iter().map(|secret| secret.id).collect();
        Ok(Self { new, own })
    }

    /// The specification with the new secrets in place of ours of before, and of
    /// whatever stood at their paths; all else goes back as it came.
    fn swapped(&self, mut specification: Value) -> Value {
        let container = &mut specification["TaskTemplate"]["ContainerSpec"];
        let before = container["Secrets"].take();
        let before = before.as_array().map(Vec::as_slice).unwrap_or_default();
        let kept = before.iter().filter(|reference| !self.replaces(reference));
        let owner = owner(container["User"].as_str().unwrap_or_default());
        let new = self.new.iter().map(|mount| mount.reference(owner));
        let secrets = kept.cloned().chain(new).collect();
        container["Secrets"] = secrets;
        specification
    }

    fn replaces(&self, reference: &Value) -> bool {
        let id = reference["SecretID"].as_str().unwrap_or_default();
        let file = reference["File"]["Name"].as_str().unwrap_or_default();
        let SecretReference { secret, path } = SecretReference::new(id, file);
        self.own.contains(&secret) || self.new.iter().any(|mount| mount.path == path)
    }
}

impl Mount {
    fn reference(&self, (user, group): (&str, &str)) -> Value {
        let mode = match self.part {
            Part::Chain => CHAIN_MODE,
            Part::Key => KEY_MODE,
        };
        json!({
            "SecretID": self.id,
            "SecretName": self.name,
            "File": {"Name": self.path, "UID": user, "GID": group, "Mode": mode},
        })
    }
}

fn there<'a>(own: &'a [OwnSecret], version: &Version, part: Part) -> Option<&'a OwnSecret> {
    let is_it = |secret: &&OwnSecret| secret.part == part && secret.version == *version;
    own.iter().find(is_it)
}

async fn make(
    manager: &Manager,
    root: &Path,
    step: &RolloutStep,
    version: &Version,
    part: Part,
) -> Result<(String, String), RolloutCause> {
    let content = content(root, version, part)?;
    let name = version.secret_name(part);
    let mut labels = version.labels(part);
    if let Some(stack) = &step.target.stack {
        // So that `docker stack rm` takes the key along.
        labels.insert(STACK_LABEL.to_owned(), stack.clone());
    }
    let secret = json!({
        "Name": name,
        "Labels": labels,
        "Data": STANDARD.encode(content),
    });
    manager.fence.pass().await;
    // As plain JSON, because the typed client logs at debug level what it sends.
    let error = match manager.raw.post("/secrets/create", &secret).await {
        Ok(answer) => {
            info!(certificate = %version.certificate, secret = name, "secret made");
            let id = answer["ID"].as_str().unwrap_or_default().to_owned();
            return Ok((id, name));
        }
        Err(error) => error,
    };
    // Another target of the same certificate is rolled out at the same time.
    match there(&own_secrets(&manager.docker).await?, version, part) {
        Some(secret) => Ok((secret.id.clone(), secret.name.clone())),
        None => Err(SecretError::Refused { name, error }.into()),
    }
}

/// Reads a part, if what is published is still the version that is meant.
fn content(root: &Path, version: &Version, part: Part) -> Result<Vec<u8>, SecretError> {
    let name = &version.certificate;
    let read = files::content_of(root, name).map_err(|error| SecretError::Pair {
        name: name.clone(),
        error,
    })?;
    if read.pair.leaf.fingerprint != version.fingerprint {
        return Err(SecretError::Changed(name.clone()));
    }
    let content = match part {
        Part::Chain => read.chain,
        Part::Key => read.key,
    };
    if content.len() >= TOO_LARGE {
        return Err(SecretError::TooLarge {
            name: name.clone(),
            part: part.as_str(),
            size: content.len(),
        });
    }
    Ok(content)
}

/// Whom the files belong to: the service's `user`, where it is a number, as in
/// `101` or `101:101`. A name means something in the image only.
fn owner(user: &str) -> (&str, &str) {
    let (user, group) = user.split_once(':').unwrap_or((user, ""));
    let number = |text: &str| text.parse::<u32>().is_ok();
    match (number(user), number(group)) {
        (true, true) => (user, group),
        (true, false) => (user, "0"),
        _ => ("0", "0"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::secret_tests::{name, version};
    use crate::model::tests::pair;

    fn update(state: &str) -> Update {
        Update::read(&json!({"UpdateStatus": {"State": state, "Message": "why"}}))
    }

    #[test]
    fn an_older_version_is_swapped_when_nothing_is_in_the_way() {
        assert_eq!(ready(&update(""), &[], &Named::Older).unwrap(), Ready::Yes);
        let running = ready(&update("updating"), &[], &Named::Older);
        assert!(matches!(running, Err(RolloutCause::Busy)));
        let stuck = ready(&update("paused"), &[], &Named::Older);
        assert!(matches!(stuck, Err(RolloutCause::UpdateStuck { .. })));
        let down = ["replica 2 on node-2".to_owned()];
        let down = ready(&update("completed"), &down, &Named::Older);
        assert!(matches!(down, Err(RolloutCause::Down(_))));
    }

    #[test]
    fn an_update_to_the_named_secrets_is_followed_and_none_is_started_beside_it() {
        let down = ["replica 2 on node-2".to_owned()];
        let named = |state| ready(&update(state), &down, &Named::Current);
        assert_eq!(named("updating").unwrap(), Ready::Underway);
        assert_eq!(named("completed").unwrap(), Ready::Done);
        let stuck = named("paused");
        assert!(matches!(stuck, Err(RolloutCause::UpdateStuck { .. })));
    }

    #[test]
    fn a_service_without_secrets_waits_for_nothing() {
        let down = ["replica 1 on node-1".to_owned()];
        for state in ["", "updating", "paused", "rollback_paused", "completed"] {
            let nothing = Named::Nothing(name());
            assert_eq!(ready(&update(state), &down, &nothing).unwrap(), Ready::Yes);
        }
    }

    fn mounts() -> Mounts {
        let chain = Path::new("/run/secrets/example.org/fullchain.pem");
        let new = Part::BOTH.map(|part| Mount {
            id: format!("new-{}", part.as_str()),
            name: version(2).secret_name(part),
            part,
            path: part.path(chain),
        });
        Mounts {
            new: new.into(),
            own: vec!["old-chain".into(), "old-key".into()],
        }
    }

    fn reference(id: &str, file: &str) -> Value {
        json!({"SecretID": id, "File": {"Name": file, "UID": "0", "GID": "0", "Mode": 292}})
    }

    #[test]
    fn ours_give_way_and_all_else_stays() {
        let specification = json!({
            "Name": "web",
            "TaskTemplate": {
                "ForceUpdate": 4,
                "ContainerSpec": {
                    "User": "101",
                    "Secrets": [
                        reference("password", "password"),
                        reference("old-chain", "/elsewhere/fullchain.pem"),
                        reference("their-key", "example.org/privkey.pem"),
                    ],
                    "FromANewerEngine": {"kept": true},
                },
            },
        });
        let swapped = mounts().swapped(specification.clone());
        let template = &swapped["TaskTemplate"];
        let secrets = template["ContainerSpec"]["Secrets"].as_array().unwrap();
        let ids: Vec<_> = secrets
            .iter()
            .map(|it| it["SecretID"].as_str().unwrap())
            .collect();
        assert_eq!(ids, ["password", "new-chain", "new-key"]);
        let file = json!({
            "Name": "/run/secrets/example.org/privkey.pem", "UID": "101", "GID": "0", "Mode": 0o400,
        });
        assert_eq!(secrets[2]["File"], file);
        assert_eq!(template["ForceUpdate"], json!(4));
        assert_eq!(
            template["ContainerSpec"]["FromANewerEngine"],
            json!({"kept": true})
        );
        assert_eq!(
            mounts().swapped(swapped.clone()),
            swapped,
            "twice is the same as once"
        );
    }

    #[test]
    fn a_service_that_never_had_a_secret_gets_them() {
        let swapped =
            mounts().swapped(json!({"TaskTemplate": {"ContainerSpec": {"Secrets": null}}}));
        let secrets = &swapped["TaskTemplate"]["ContainerSpec"]["Secrets"];
        assert_eq!(secrets.as_array().unwrap().len(), 2);
    }

    #[test]
    fn an_owner_is_a_number_and_a_name_is_none() {
        for (user, expected) in [
            ("", ("0", "0")),
            ("101", ("101", "0")),
            ("99:98", ("99", "98")),
            ("nginx", ("0", "0")),
            ("99:haproxy", ("99", "0")),
        ] {
            assert_eq!(owner(user), expected, "{user}");
        }
    }

    fn root(chain: &str, key: &str) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let live = root.path().join("live/example.org");
        std::fs::create_dir_all(&live).unwrap();
        std::fs::write(live.join("fullchain.pem"), chain).unwrap();
        std::fs::write(live.join("privkey.pem"), key).unwrap();
        root
    }

    fn published(root: &tempfile::TempDir) -> Version {
        let read = files::content_of(root.path(), &name()).unwrap_or_else(|why| panic!("{why}"));
        Version::of(&name(), &read.pair.leaf)
    }

    #[test]
    fn only_the_version_that_is_meant_becomes_a_secret() {
        let (chain, key) = pair(&["example.org"]);
        let root = root(&chain, &key);
        let meant = published(&root);
        assert_eq!(
            content(root.path(), &meant, Part::Key).unwrap(),
            key.as_bytes()
        );
        assert_eq!(
            content(root.path(), &meant, Part::Chain).unwrap(),
            chain.as_bytes()
        );
        let other = content(root.path(), &version(1), Part::Key).unwrap_err();
        assert!(matches!(other, SecretError::Changed(_)), "{other}");
    }

    #[test]
    fn what_swarm_would_not_take_is_named_with_its_size_and_not_shown() {
        let (chain, key) = pair(&["example.org"]);
        let padded = format!("{chain}{}", "\n".repeat(TOO_LARGE));
        let root = root(&padded, &key);
        let error = content(root.path(), &published(&root), Part::Chain).unwrap_err();
        let told = error.to_string();
        assert!(
            told.contains("certificate example.org: its chain has 512"),
            "{told}"
        );
        assert!(told.contains("less than 512000"), "{told}");
    }
}
