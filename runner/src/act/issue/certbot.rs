//! The certbot engine: certbot's image in a container that runs once.
//!
//! certbot exits 0 for "renewed" and for "not due" alike, so its exit code
//! says only whether it failed. What it did is read from the files.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::{
    ContainerCreateBody, ContainerSummaryStateEnum, HostConfig, Mount, MountType,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, CreateImageOptionsBuilder, ListContainersOptionsBuilder,
    LogsOptionsBuilder, RemoveContainerOptionsBuilder, StartContainerOptions, WaitContainerOptions,
};
use futures_util::{StreamExt, TryStreamExt};
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::Request;
use crate::act::step::{About, NamedStep};
use crate::config::{SettingError, Settings, WEBROOT};
use crate::decide::WhyIssue;
use crate::docker::{Manager, describe, is_not_found};
use crate::observe::files;
use crate::observe::own::Own;

/// Where certbot's image looks by itself.
const ROOT: &str = "/etc/letsencrypt";
const LABEL_ENGINE: &str = "rollover.engine";
const LABEL_CERTIFICATE: &str = "rollover.certificate";
/// What it printed lies on this node; a log that takes longer is not coming.
const TO_READ_LOGS: Duration = Duration::from_secs(10);
/// How much of what it printed is kept for a message.
const LOG_LINES: usize = 12;

/// Why certbot did not do its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CertbotError {
    #[error("{what}: {why}")]
    Engine { what: String, why: String },
    #[error(transparent)]
    Login(#[from] SettingError),
    #[error("pull the image {image}: {why}")]
    Pull { image: String, why: String },
    #[error(
        "find what to mount into certbot's container: the runner's own container mounts nothing \
         at {root}; mount the shared volume there, or set --certificate-source / \
         ROLLOVER_CERTIFICATE_SOURCE"
    )]
    NoSource { root: String },
    #[error("certbot did not end within {} s and was stopped; {said}", limit.as_secs())]
    TimedOut { limit: Duration, said: String },
    #[error("certbot failed with exit code {code}: {said}")]
    Failed { code: i64, said: String },
}

fn failed(what: &str) -> impl FnOnce(Error) -> CertbotError {
    let what = what.to_owned();
    move |error| CertbotError::Engine {
        what,
        why: describe(&error),
    }
}

/// Runs certbot once for the certificate of `request` and waits for its end.
///
/// A container that an earlier runner left for the same certificate is
/// adopted while it runs, because two at once would spend the authority's
/// limits twice; one that has ended is removed.
pub(super) async fn run(
    manager: &Manager,
    settings: &Settings,
    own: Option<&Own>,
    request: &Request<'_>,
) -> Result<(), CertbotError> {
    let docker = &manager.docker;
    let about = About::Certificate(request.name);
    if let Some(running) = adopt(docker, request.name.as_str()).await? {
        info!(certificate = %request.name, "waiting for certbot, started by an earlier runner");
        let ended = wait_for_its_end(docker, settings, &running, about).await;
        // It was asked for what was due then, not for what a person wants now.
        if request.why != WhyIssue::Forced {
            return ended;
        }
    }
    if issued_meanwhile(settings, request) {
        info!(certificate = %request.name, "an earlier runner's certbot has issued it meanwhile");
        return Ok(());
    }
    let container = timeout(
        settings.certbot_timeout,
        create(docker, settings, own, request),
    )
    .await
    .map_err(|_| CertbotError::Pull {
        image: settings.certbot_image.clone(),
        why: format!("not done within {} s", settings.certbot_timeout.as_secs()),
    })??;
    let hold_at = settings.hold_at;
    hold_at.passed(NamedStep::CertbotCreated, about).await;
    // Pulling its image can have taken minutes.
    manager.fence.pass().await;
    start(docker, &container).await?;
    hold_at.passed(NamedStep::CertbotStarted, about).await;
    wait_for_its_end(docker, settings, &container, about).await
}

/// Whether something else is published than when it was decided to ask: the
/// certbot that an earlier runner left may have ended between that look and this
/// moment, and asking again would spend the authority's limits twice.
fn issued_meanwhile(settings: &Settings, request: &Request<'_>) -> bool {
    let published = files::published(&settings.certificate_root, request.name);
    let now = published.leaf().map(|leaf| leaf.fingerprint);
    request.why != WhyIssue::Forced && now.is_some() && now != request.published
}

async fn wait_for_its_end(
    docker: &Docker,
    settings: &Settings,
    container: &str,
    about: About<'_>,
) -> Result<(), CertbotError> {
    let ended = timeout(settings.certbot_timeout, exit_code(docker, container)).await;
    let hold_at = settings.hold_at;
    hold_at.passed(NamedStep::CertbotEnded, about).await;
    let said = log(docker, container).await;
    remove(docker, container).await;
    match ended {
        Ok(Ok(0)) => Ok(()),
        Ok(Ok(code)) => Err(CertbotError::Failed {
            code,
            said: digest(&said),
        }),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(CertbotError::TimedOut {
            limit: settings.certbot_timeout,
            said: digest(&said),
        }),
    }
}

/// The container of an earlier runner that still runs for this certificate.
/// Those that have ended are removed on the way.
async fn adopt(docker: &Docker, certificate: &str) -> Result<Option<String>, CertbotError> {
    let labels = vec![
        format!("{LABEL_ENGINE}=certbot"),
        format!("{LABEL_CERTIFICATE}={certificate}"),
    ];
    let filters = HashMap::from([("label".to_owned(), labels)]);
    let options = ListContainersOptionsBuilder::default()
        .all(true)
        .filters(&filters)
        .build();
    let left = docker
        .list_containers(Some(options))
        .await
        .map_err(failed("look for earlier runs of certbot"))?;
    let mut running = None;
    for container in left {
        let Some(id) = container.id else { continue };
        if container.state == Some(ContainerSummaryStateEnum::RUNNING) && running.is_none() {
            running = Some(id);
        } else {
            remove(docker, &id).await;
        }
    }
    Ok(running)
}

async fn create(
    docker: &Docker,
    settings: &Settings,
    own: Option<&Own>,
    request: &Request<'_>,
) -> Result<String, CertbotError> {
    ensure_image(docker, settings).await?;
    let body = ContainerCreateBody {
        image: Some(settings.certbot_image.clone()),
        cmd: Some(arguments(settings, request)),
        env: environment(settings),
        labels: Some(HashMap::from([
            (LABEL_ENGINE.to_owned(), "certbot".to_owned()),
            (LABEL_CERTIFICATE.to_owned(), request.name.to_string()),
        ])),
        host_config: Some(HostConfig {
            mounts: Some(vec![mount(settings, own)?]),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    };
    let options = CreateContainerOptionsBuilder::default().build();
    let created = docker
        .create_container(Some(options), body)
        .await
        .map_err(failed("create certbot's container"))?;
    Ok(created.id)
}

async fn start(docker: &Docker, container: &str) -> Result<(), CertbotError> {
    let started = docker
        .start_container(container, None::<StartContainerOptions>)
        .await;
    if started.is_err() {
        remove(docker, container).await;
    }
    started.map_err(failed("start certbot's container"))
}

async fn ensure_image(docker: &Docker, settings: &Settings) -> Result<(), CertbotError> {
    let image = settings.certbot_image.as_str();
    match docker.inspect_image(image).await {
        Ok(_) => return Ok(()),
        Err(error) if is_not_found(&error) => {}
        Err(error) => return Err(failed("look for certbot's image")(error)),
    }
    info!(image, "pulling certbot's image");
    let options = CreateImageOptionsBuilder::default()
        .from_image(image)
        .build();
    docker
        .create_image(Some(options), None, settings.login(image)?)
        .try_for_each(|_| async { Ok(()) })
        .await
        .map_err(|error| CertbotError::Pull {
            image: image.to_owned(),
            why: describe(&error),
        })
}

/// The shared volume, where certbot's image expects it, and nothing else: not
/// the Docker socket, which the runner's own container has.
fn mount(settings: &Settings, own: Option<&Own>) -> Result<Mount, CertbotError> {
    let source = if settings.certificate_source.is_empty() {
        source(&settings.certificate_root, own)?
    } else {
        settings.certificate_source.clone()
    };
    let typ = if source.starts_with('/') {
        MountType::BIND
    } else {
        MountType::VOLUME
    };
    Ok(Mount {
        target: Some(ROOT.to_owned()),
        source: Some(source),
        typ: Some(typ),
        ..Mount::default()
    })
}

fn source(root: &Path, own: Option<&Own>) -> Result<String, CertbotError> {
    let Some(own) = own else {
        // Outside of a container the runner and the engine see the same paths.
        return Ok(root.display().to_string());
    };
    own.source_of(root)
        .map(str::to_owned)
        .ok_or_else(|| CertbotError::NoSource {
            root: root.display().to_string(),
        })
}

/// certbot's command line. `renew` is the origin's: certbot decides by itself
/// whether the certificate is due, and keeps to what its lineage says of
/// server and challenge, so that one made by hand goes on as it was made.
/// `certonly` takes over a placeholder or changes the names.
fn arguments(settings: &Settings, request: &Request<'_>) -> Vec<String> {
    // Without --no-random-sleep-on-renew certbot sleeps up to eight minutes
    // when it has no terminal; the schedule spreads already.
    const RENEW: &str = "renew --quiet --no-self-upgrade --no-random-sleep-on-renew";
    let mut arguments = match request.why {
        WhyIssue::Scheduled | WhyIssue::Due { .. } => words(RENEW),
        WhyIssue::Forced => words(&format!("{RENEW} --force-renewal")),
        WhyIssue::Placeholder | WhyIssue::NamesChanged => certonly(settings, request),
    };
    arguments.extend(["--cert-name".to_owned(), request.name.to_string()]);
    arguments
}

fn certonly(settings: &Settings, request: &Request<'_>) -> Vec<String> {
    let mut arguments = words(
        "certonly --non-interactive --agree-tos --no-self-upgrade \
         --force-renewal --renew-with-new-domains --webroot --webroot-path",
    );
    arguments.push(format!("{ROOT}/{WEBROOT}"));
    arguments.extend(["--server".to_owned(), settings.acme_directory.clone()]);
    if settings.acme_contact.is_empty() {
        arguments.push("--register-unsafely-without-email".to_owned());
    } else {
        arguments.extend(["--email".to_owned(), settings.acme_contact.clone()]);
    }
    for domain in request.domains {
        arguments.extend(["--domain".to_owned(), domain.to_string()]);
    }
    arguments
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

fn environment(settings: &Settings) -> Option<Vec<String>> {
    // Checked at the start; requests, which certbot speaks HTTP with, reads it.
    let file = settings.acme_ca_file().ok()??;
    Some(vec![format!(
        "REQUESTS_CA_BUNDLE={ROOT}/{}",
        file.display()
    )])
}

async fn exit_code(docker: &Docker, container: &str) -> Result<i64, CertbotError> {
    let mut ends = docker.wait_container(container, None::<WaitContainerOptions>);
    match ends.next().await {
        Some(Ok(end)) => Ok(end.status_code),
        Some(Err(Error::DockerContainerWaitError { code, .. })) => Ok(code),
        Some(Err(error)) => Err(failed("wait for certbot")(error)),
        None => Err(CertbotError::Engine {
            what: "wait for certbot".to_owned(),
            why: "the engine ended the wait without an answer".to_owned(),
        }),
    }
}

async fn log(docker: &Docker, container: &str) -> String {
    let options = LogsOptionsBuilder::default()
        .stdout(true)
        .stderr(true)
        .build();
    docker
        .logs(container, Some(options))
        .filter_map(|line| async { line.ok().map(|line| line.to_string()) })
        .take_until(sleep(TO_READ_LOGS))
        .collect()
        .await
}

/// Removes a container; if that fails, the next run finds it by its labels.
async fn remove(docker: &Docker, container: &str) {
    let options = RemoveContainerOptionsBuilder::default()
        .force(true)
        .v(true)
        .build();
    if let Err(error) = docker.remove_container(container, Some(options)).await
        && !is_not_found(&error)
    {
        warn!(
            container,
            "certbot's container stays behind: {}",
            describe(&error)
        );
    }
}

/// What certbot said, without what it always says, as one line.
fn digest(said: &str) -> String {
    let noise = [
        "Saving debug log",
        "Use of --no-self-upgrade is deprecated",
        "Ask for help or search",
        "See the logfile",
        "Requesting a certificate",
        "Renewing an existing certificate",
        "Processing /",
        "All renewals failed",
        "Account registered",
        "Some challenges have failed.",
    ];
    let lines: Vec<&str> = said
        .lines()
        .map(str::trim)
        .filter(|line| line.chars().any(char::is_alphanumeric))
        .filter(|line| !noise.iter().any(|noise| line.starts_with(noise)))
        .collect();
    if lines.is_empty() {
        return "it printed nothing".to_owned();
    }
    lines[lines.len().saturating_sub(LOG_LINES)..].join(" | ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CertificateName, DomainName, KeyAlgorithm};
    use crate::state::Fence;
    use clap::Parser;

    #[derive(Parser)]
    struct Given {
        #[command(flatten)]
        settings: Settings,
    }

    fn command(why: WhyIssue, given: &[&str]) -> String {
        let domains = ["example.org", "www.example.org"].map(|d| DomainName::parse(d).unwrap());
        let request = Request {
            name: &CertificateName::of(&domains[0]),
            domains: &domains,
            why,
            published: None,
            replicas: Vec::new(),
            key: KeyAlgorithm::default(),
            profile: None,
            challenge: Default::default(),
            fence: &Fence::default(),
        };
        let given = [&["rollover"], given].concat();
        arguments(&Given::parse_from(given).settings, &request).join(" ")
    }

    #[test]
    fn a_scheduled_run_is_the_origin_s_and_leaves_the_decision_to_certbot() {
        insta::assert_snapshot!(command(WhyIssue::Scheduled, &[]), @"renew --quiet --no-self-upgrade --no-random-sleep-on-renew --cert-name example.org");
    }

    #[test]
    fn a_placeholder_is_taken_over() {
        insta::assert_snapshot!(
            command(WhyIssue::Placeholder, &["--acme-contact", "ops@example.org"]), @"certonly --non-interactive --agree-tos --no-self-upgrade --force-renewal --renew-with-new-domains --webroot --webroot-path /etc/letsencrypt/webroot --server https://acme-v02.api.letsencrypt.org/directory --email ops@example.org --domain example.org --domain www.example.org --cert-name example.org");
    }

    #[test]
    fn a_message_keeps_the_cause_and_drops_the_rest() {
        let said = "Saving debug log to /var/log/letsencrypt/letsencrypt.log\n\
            Failed to renew certificate example.org with error: connection refused\n\
            - - - - - - - - -\n\
            All renewals failed. The following certificates could not be renewed:\n\
            /etc/letsencrypt/live/example.org/fullchain.pem (failure)\n\
            1 renew failure(s), 0 parse failure(s)\n\
            Ask for help or search for solutions at https://community.letsencrypt.org.\n";
        insta::assert_snapshot!(digest(said), @"Failed to renew certificate example.org with error: connection refused | /etc/letsencrypt/live/example.org/fullchain.pem (failure) | 1 renew failure(s), 0 parse failure(s)");
        assert_eq!(digest("\n"), "it printed nothing");
    }
}
