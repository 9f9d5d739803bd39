//! Obtaining certificates.

pub(crate) mod acme;
mod certbot;
mod challenge;
mod dns;
mod key;
mod placeholder;

use std::net::SocketAddr;

use crate::config::{Engine, Settings};
use crate::decide::WhyIssue;
use crate::docker::Manager;
use crate::model::{
    CertificateName, Challenge, DomainName, Fingerprint, KeyAlgorithm, Leaf, PairError, Published,
};
use crate::observe::files;
use crate::observe::own::Own;
use crate::state::Fence;

pub(crate) use acme::Acme;
pub(crate) use challenge::{CHALLENGE_PORT, listening};
pub(crate) use key::generate as generate_key;
pub(crate) use placeholder::{
    PlaceholderError, key_of as placeholder_key, prepare as prepare_placeholder,
};

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
    /// What its key is to be, by which profile it is to be issued, and by what its
    /// names are proved: the engine acme asks for them.
    pub(crate) key: KeyAlgorithm,
    pub(crate) profile: Option<&'a str>,
    pub(crate) challenge: Challenge,
    /// What is passed before each step that another runner must not take as well.
    pub(crate) fence: &'a Fence,
}

/// Why a certificate was not obtained: which one, at which step, and the cause.
#[derive(Debug, thiserror::Error)]
#[error("certificate {name}: {step}: {cause}")]
pub(crate) struct IssueError {
    name: CertificateName,
    step: &'static str,
    cause: IssueCause,
}

impl IssueError {
    /// What the authority said or did, if that was the cause.
    pub(crate) fn acme(&self) -> Option<&acme::AcmeError> {
        match &self.cause {
            IssueCause::Acme(error) => Some(error),
            _ => None,
        }
    }
}

/// The cause of a failed step.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IssueCause {
    #[error(transparent)]
    Challenge(#[from] challenge::ChallengeError),
    #[error(transparent)]
    Certbot(#[from] certbot::CertbotError),
    #[error(transparent)]
    Acme(#[from] acme::AcmeError),
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

/// What an engine has come to.
pub(crate) struct Issued {
    pub(crate) published: Published,
    /// The order was to replace what was published before, and the authority would not
    /// have that: its limits count it.
    pub(crate) replaces_refused: bool,
}

/// Has the engine that is set obtain or renew a certificate; what is published
/// then.
///
/// # Errors
/// When it was not obtained; what was published before still is.
pub(crate) async fn issue(
    manager: &Manager,
    settings: &Settings,
    own: Option<&Own>,
    acme: &Acme,
    request: &Request<'_>,
) -> Result<Issued, IssueError> {
    match settings.engine {
        Engine::Certbot => {
            let published = issue_by_certbot(manager, settings, own, request).await?;
            Ok(Issued {
                published,
                replaces_refused: false,
            })
        }
        Engine::Acme => issue_by_acme(settings, acme, request).await,
    }
}

async fn issue_by_acme(
    settings: &Settings,
    acme: &Acme,
    request: &Request<'_>,
) -> Result<Issued, IssueError> {
    let issued = acme.obtain(settings, request).await;
    let issued = issued.map_err(|cause| IssueError {
        name: request.name.clone(),
        step: "obtain by ACME",
        cause: cause.into(),
    })?;
    Ok(Issued {
        published: Published::Pair(issued.version.leaf),
        replaces_refused: issued.replaces_refused,
    })
}

/// Has certbot obtain or renew a certificate, and reads what it published.
///
/// Guarantees: a certificate that is not there yet is only ordered when every
/// replica given answers for the challenge's path, so that an authority's
/// limit on failed validations is not spent on a load balancer that is not up.
/// A renewal is left to the engine, which alone knows its lineage's challenge.
async fn issue_by_certbot(
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
