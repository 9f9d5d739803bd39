//! Obtaining certificates.

mod certbot;
mod challenge;
mod placeholder;

use std::net::SocketAddr;

use crate::config::Settings;
use crate::decide::WhyIssue;
use crate::docker::Manager;
use crate::model::{CertificateName, DomainName, Fingerprint, Leaf, PairError, Published};
use crate::observe::files;
use crate::observe::own::Own;

pub(crate) use challenge::CHALLENGE_PORT;
pub(crate) use placeholder::{PlaceholderError, prepare as prepare_placeholder};

/// A certificate to obtain.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) name: &'a CertificateName,
    pub(crate) domains: &'a [DomainName],
    pub(crate) why: WhyIssue,
    /// What was published when this was decided.
    pub(crate) published: Option<Fingerprint>,
    /// Where replicas that must answer the challenge listen for it.
    pub(crate) replicas: Vec<(String, SocketAddr)>,
}

/// Why a certificate was not obtained: which one, at which step, and the cause.
#[derive(Debug, thiserror::Error)]
#[error("certificate {name}: {step}: {cause}")]
pub(crate) struct IssueError {
    name: CertificateName,
    step: &'static str,
    cause: IssueCause,
}

/// The cause of a failed step.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IssueCause {
    #[error(transparent)]
    Challenge(#[from] challenge::ChallengeError),
    #[error(transparent)]
    Certbot(#[from] certbot::CertbotError),
    #[error("the published files cannot be used: {0}")]
    Broken(PairError),
    #[error("certbot succeeded, but nothing is published under live/{0}")]
    Nothing(CertificateName),
    #[error(
        "certbot succeeded, but what is published is not what was asked for (it is for {0}); does \
         its container see the same volume?"
    )]
    WithoutEffect(String),
}

/// Has the engine obtain or renew a certificate, and reads what it published.
///
/// Guarantees: a certificate that is not there yet is only ordered when every
/// replica given answers for the challenge's path, so that an authority's
/// limit on failed validations is not spent on a load balancer that is not up.
/// A renewal is left to the engine, which alone knows its lineage's challenge.
pub(crate) async fn issue(
    manager: &Manager,
    settings: &Settings,
    own: Option<&Own>,
    request: &Request<'_>,
) -> Result<Published, IssueError> {
    let failed = |step| {
        move |cause: IssueCause| IssueError {
            name: request.name.clone(),
            step,
            cause,
        }
    };
    if request.why.obtains() {
        challenge::check_path(settings, request)
            .await
            .map_err(IssueCause::from)
            .map_err(failed("check the challenge path"))?;
    }
    certbot::run(manager, settings, own, request)
        .await
        .map_err(IssueCause::from)
        .map_err(failed(step_name(request.why)))?;
    match files::published(&settings.certificate_root, request.name) {
        Published::Broken(error) => Err(failed("read what was issued")(IssueCause::Broken(error))),
        Published::Missing => {
            let cause = IssueCause::Nothing(request.name.clone());
            Err(failed("read what was issued")(cause))
        }
        Published::Pair(leaf) if without_effect(&leaf, request) => {
            let cause = IssueCause::WithoutEffect(leaf.names.join(", "));
            Err(failed("read what was issued")(cause))
        }
        published => Ok(published),
    }
}

/// Whether the engine ended well and yet did not do what it was asked for: it
/// wrote elsewhere, or got other names. Not to be taken for a success, which
/// would be tried again at once, and spend an authority's limit.
fn without_effect(leaf: &Leaf, request: &Request<'_>) -> bool {
    leaf.placeholder || !leaf.is_for_exactly(request.domains)
}

fn step_name(why: WhyIssue) -> &'static str {
    match why {
        WhyIssue::Placeholder | WhyIssue::NamesChanged => "obtain with certbot",
        WhyIssue::Forced | WhyIssue::Scheduled | WhyIssue::Due { .. } => "renew with certbot",
    }
}
