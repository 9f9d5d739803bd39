//! Obtaining certificates.

pub(crate) mod acme;
mod certbot;
mod challenge;
mod placeholder;

use std::net::SocketAddr;

use jiff::Timestamp;

use crate::clock::now;
use crate::config::{Engine, Settings};
use crate::decide::WhyIssue;
use crate::docker::Manager;
use crate::model::{
    CertificateName, DomainName, Fingerprint, KeyAlgorithm, Leaf, PairError, Published,
};
use crate::observe::files;
use crate::observe::own::Own;

pub(crate) use acme::Acme;
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
    /// What its key is to be, and by which profile it is to be issued: the
    /// engine acme asks for them.
    pub(crate) key: KeyAlgorithm,
    pub(crate) profile: Option<&'a str>,
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
    /// Before when the authority does not want to be asked again.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "the policy of when to try again asks for it")
    )]
    pub(crate) fn retry_after(&self) -> Option<Timestamp> {
        match &self.cause {
            IssueCause::Acme(error) => error.retry_after(),
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
) -> Result<Published, IssueError> {
    match settings.engine {
        Engine::Certbot => issue_by_certbot(manager, settings, own, request).await,
        Engine::Acme => issue_by_acme(settings, acme, request).await,
    }
}

/// Obtains a certificate, if it is due.
async fn issue_by_acme(
    settings: &Settings,
    acme: &Acme,
    request: &Request<'_>,
) -> Result<Published, IssueError> {
    let published = files::published(&settings.certificate_root, request.name);
    if published
        .leaf()
        .is_some_and(|leaf| !is_due(leaf, request.why, now()))
    {
        return Ok(published);
    }
    let version = acme.obtain(settings, request).await;
    let version = version.map_err(|cause| IssueError {
        name: request.name.clone(),
        step: "obtain by ACME",
        cause: cause.into(),
    })?;
    Ok(Published::Pair(version.leaf))
}

/// Whether the published certificate is to be renewed now.
///
/// This is the one place that the engine acme asks: a policy that decides by
/// what the authority suggests takes its place. Until then: with a third of its
/// life left, or half of one of under ten days.
fn is_due(leaf: &Leaf, why: WhyIssue, now: Timestamp) -> bool {
    const SHORT: jiff::SignedDuration = jiff::SignedDuration::from_hours(10 * 24);
    let life = leaf.not_after.duration_since(leaf.not_before);
    let part = if life < SHORT { 1.0 / 2.0 } else { 1.0 / 3.0 };
    why != WhyIssue::Scheduled || leaf.life_left(now) <= part
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
    if matches!(request.why, WhyIssue::Placeholder | WhyIssue::NamesChanged) {
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
        WhyIssue::Forced | WhyIssue::Scheduled => "renew with certbot",
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::model::tests::leaf_named;

    #[test]
    fn only_an_authority_says_when_to_ask_again() {
        let (_, name) = leaf_named("example.org");
        let error = IssueError {
            name,
            step: "obtain by ACME",
            cause: acme::AcmeError::new(acme::AcmeErrorClass::Local, "publish", "no space").into(),
        };
        assert_eq!(error.retry_after(), None);
        assert_eq!(
            error.to_string(),
            "certificate example.org: obtain by ACME: publish: no space"
        );
    }

    #[test]
    fn what_is_scheduled_waits_for_a_third_of_its_life_or_half_of_a_short_one() {
        let (leaf, _) = leaf_named("example.org");
        let due = |days: i64, after: i64, why| {
            let leaf = Leaf {
                not_after: leaf.not_before + SignedDuration::from_hours(days * 24),
                ..leaf.clone()
            };
            is_due(
                &leaf,
                why,
                leaf.not_before + SignedDuration::from_hours(after * 24),
            )
        };
        assert!(!due(90, 59, WhyIssue::Scheduled));
        assert!(due(90, 60, WhyIssue::Scheduled));
        assert!(due(90, 91, WhyIssue::Scheduled));
        assert!(!due(6, 2, WhyIssue::Scheduled));
        assert!(due(6, 3, WhyIssue::Scheduled));
        assert!(due(90, 0, WhyIssue::Forced));
        assert!(due(90, 0, WhyIssue::NamesChanged));
    }
}
