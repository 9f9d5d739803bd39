//! Carrying out what was decided of certificates, and remembering what came of
//! it: at once, for a crash may come at any step.

use std::net::SocketAddr;

use futures_util::stream::{self, StreamExt};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;
use tracing::{error, info, warn};

use crate::act::issue::acme::{AcmeError, AcmeErrorClass};
use crate::act::issue::{
    self, Acme, CHALLENGE_PORT, IssueError, Issued, PlaceholderError, Request,
};
use crate::act::step::{About, NamedStep};
use crate::clock::now;
use crate::config::Settings;
use crate::daemon::{Teller, Work};
use crate::decide::renewal::{AriAnswer, AriFailure, Digest, Failure, FailureClass, Order};
use crate::decide::{Attempted, CertificateStep, Memory, Step, WhyIssue};
use crate::docker::Manager;
use crate::model::{CertificateName, Challenge, Fingerprint, KeyKind, Leaf};
use crate::observe::own::Own;
use crate::observe::{Snapshot, TargetView, files};
use crate::report::CertificateResult;
use crate::state::State;

/// What it takes to obtain certificates.
pub(crate) struct Obtaining<'a> {
    pub(crate) manager: &'a Manager,
    pub(crate) settings: &'a Settings,
    pub(crate) own: Option<&'a Own>,
    pub(crate) acme: &'a Acme,
    pub(crate) teller: &'a Teller,
    pub(crate) remembered: Mutex<Remembered<'a>>,
}

/// What is remembered of certificates, here and in the swarm.
pub(crate) struct Remembered<'a> {
    pub(crate) memory: &'a mut Memory,
    pub(crate) state: &'a mut State,
}

impl Obtaining<'_> {
    /// As many at a time as the engine takes; one that fails holds no other back.
    pub(crate) async fn all(
        &self,
        steps: &[CertificateStep],
        snapshot: &Snapshot,
    ) -> Vec<CertificateResult> {
        let results = stream::iter(by_names(steps))
            .map(|steps| self.one_by_one(steps, snapshot))
            .buffered(self.settings.certificates_at_once());
        results.map(stream::iter).flatten().collect().await
    }

    /// Those for the same names. Let's Encrypt answers an order for names that
    /// another order of the account is still open for with that one, so that two
    /// at a time would get one certificate. And what fails for one fails for the
    /// next, and would count again.
    async fn one_by_one(
        &self,
        steps: Vec<&CertificateStep>,
        snapshot: &Snapshot,
    ) -> Vec<CertificateResult> {
        let mut results = Vec::new();
        for step in steps {
            let result = self.carry_out(step, snapshot).await;
            let failed = result.as_ref().is_some_and(|result| result.error.is_some());
            results.extend(result);
            if failed {
                break;
            }
        }
        results
    }

    async fn carry_out(
        &self,
        step: &CertificateStep,
        snapshot: &Snapshot,
    ) -> Option<CertificateResult> {
        match &step.step {
            Step::Nothing(_) => None,
            Step::PublishPlaceholder => Some(self.publish_placeholder(step, snapshot).await),
            Step::Issue(why) => Some(self.issue(step, *why, snapshot).await),
        }
    }

    /// Changes what is remembered of that certificate, and keeps it.
    async fn remember(&self, name: &CertificateName, change: impl FnOnce(&mut Memory)) {
        let mut remembered = self.remembered.lock().await;
        let Remembered { memory, state } = &mut *remembered;
        change(memory);
        state.keep(memory, name).await;
    }

    async fn passed(&self, step: NamedStep, about: About<'_>) {
        self.settings.hold_at.passed(step, about).await;
    }

    async fn publish_placeholder(
        &self,
        step: &CertificateStep,
        snapshot: &Snapshot,
    ) -> CertificateResult {
        info!(certificate = %step.name, "publishing a placeholder");
        let kind = snapshot.ordering(&step.name).key.kind();
        let published = self.placeholder(step, kind).await;
        if let Err(why) = &published {
            error!("{why}");
        }
        let change = |memory: &mut Memory| match &published {
            Err(why) => {
                let attempted = Attempted::Certificate(step.name.clone());
                memory.record(attempted, now(), Some(why.to_string()));
            }
            // Only a person can have had one published over what was issued.
            Ok(()) => memory.forget_issued(&step.name),
        };
        self.remember(&step.name, change).await;
        CertificateResult::placeholder(&step.name, published)
    }

    async fn placeholder(
        &self,
        step: &CertificateStep,
        kind: KeyKind,
    ) -> Result<(), PlaceholderError> {
        let (root, about) = (
            &self.settings.certificate_root,
            About::Certificate(&step.name),
        );
        let key = issue::generate_key(issue::placeholder_key(kind)).await;
        let key = key.map_err(|source| PlaceholderError::Key {
            name: step.name.clone(),
            source,
        })?;
        let prepared = issue::prepare_placeholder(root, &step.name, &step.domains, &key, now())?;
        self.passed(NamedStep::PlaceholderPrepared, about).await;
        self.manager.fence.pass().await;
        prepared.publish()?;
        self.passed(NamedStep::PlaceholderPublished, about).await;
        Ok(())
    }

    async fn issue(
        &self,
        step: &CertificateStep,
        why: WhyIssue,
        snapshot: &Snapshot,
    ) -> CertificateResult {
        info!(certificate = %step.name, "{}", step.step);
        let _at_work = self.teller.begins(Work::Obtaining(step.name.clone()));
        let view = snapshot.certificates.get(&step.name);
        let before = view.and_then(|view| view.published.leaf());
        let ordering = snapshot.ordering(&step.name);
        let request = Request {
            name: &step.name,
            domains: &step.domains,
            why,
            published: before.map(|leaf| leaf.fingerprint),
            replicas: match ordering.challenge {
                Challenge::Http01 => issue::listening(answering(snapshot, &step.name)).await,
                Challenge::Dns01 => Vec::new(),
            },
            key: ordering.key,
            profile: ordering.profile.as_deref(),
            challenge: ordering.challenge,
            fence: &self.manager.fence,
        };
        self.manager.fence.pass().await;
        if let WhyIssue::Due { counts: true, .. } = why {
            self.remembered
                .lock()
                .await
                .memory
                .pace_mut()
                .ordered(now());
        }
        let result = issue::issue(self.manager, self.settings, self.own, self.acme, &request).await;
        self.remember(&step.name, |memory| {
            self.account_for(memory, step, before, &result);
        })
        .await;
        let after = leaf(&result).cloned();
        let result = CertificateResult::issued(&step.name, before, after, result.err());
        match &result.error {
            Some(why) => error!("{why}"),
            None => info!(certificate = %step.name, "{}", result.outcome),
        }
        if result.changed() {
            let about = About::Certificate(&step.name);
            self.passed(NamedStep::Issued, about).await;
        }
        result
    }

    /// Notes in `memory` what came of an attempt.
    fn account_for(
        &self,
        memory: &mut Memory,
        step: &CertificateStep,
        before: Option<&Leaf>,
        result: &Result<Issued, IssueError>,
    ) {
        let at = now();
        let failed = result.as_ref().err().map(ToString::to_string);
        memory.record(Attempted::Certificate(step.name.clone()), at, failed);
        let after = leaf(result);
        if let Some(leaf) = after {
            memory.record_issued(&step.name, leaf, at);
        }
        let Some(authority) = self.settings.own_policy() else {
            return;
        };
        let replaced = before.filter(|leaf| !leaf.placeholder);
        let meant = matches!(step.step, Step::Issue(WhyIssue::Due { counts: false, .. }));
        let refused = matches!(result, Ok(issued) if issued.replaces_refused);
        if meant && refused {
            memory.pace_mut().ordered(at);
        }
        let order = Order {
            authority,
            names: Digest::of_domains(&step.domains),
            replaced: replaced.map(|leaf| leaf.fingerprint),
            exempt: meant && !refused,
        };
        let history = memory.history_mut(&step.name);
        match (after, result) {
            (Some(leaf), _) => history.issued(at, &order, leaf.fingerprint),
            (None, Err(error)) => history.failed(at, &order, failure(error, at)),
            (None, Ok(_)) => {}
        }
    }

    /// Asks the authority when each of these certificates is to be renewed
    /// (RFC 9773), and remembers what it said.
    pub(crate) async fn ask_when_to_renew(&self, questions: &[(CertificateName, Fingerprint)]) {
        let answers = stream::iter(questions).map(async |(name, fingerprint)| {
            let root = &self.settings.certificate_root;
            // What was replaced meanwhile is asked for by the next look.
            let Ok(certificate) = files::certificate(root, name) else {
                return;
            };
            if Fingerprint::of_der(&certificate) != *fingerprint {
                return;
            }
            let answer = self.acme.renewal_info(self.settings, &certificate).await;
            if let Err(error) = &answer {
                warn!(certificate = %name, "when to renew is not known: {error}");
            }
            let at = now();
            self.remember(name, |memory| {
                let history = memory.history_mut(name);
                match &answer {
                    Ok(window) => {
                        let answer = AriAnswer {
                            window: Some((window.start, window.end)),
                            retry_after: window.retry_after.map(|until| from(at, until)),
                        };
                        history.ari_answered(at, *fingerprint, &answer);
                    }
                    Err(error) => history.ari_failed(at, *fingerprint, unanswered(error, at)),
                }
            })
            .await;
        });
        let at_once = self.settings.certificates_at_once();
        answers.buffer_unordered(at_once).collect::<()>().await;
    }
}

/// What is to be done for each set of names, in its order.
fn by_names(steps: &[CertificateStep]) -> Vec<Vec<&CertificateStep>> {
    let mut groups: Vec<(Digest, Vec<&CertificateStep>)> = Vec::new();
    let something = |step: &&CertificateStep| !matches!(step.step, Step::Nothing(_));
    for step in steps.iter().filter(something) {
        let names = Digest::of_domains(&step.domains);
        match groups.iter_mut().find(|(of, _)| *of == names) {
            Some((_, group)) => group.push(step),
            None => groups.push((names, vec![step])),
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

/// What was issued.
fn leaf(result: &Result<Issued, IssueError>) -> Option<&Leaf> {
    result.as_ref().ok()?.published.leaf()
}

/// How long it is from `at` to `until`; nothing if that is past.
fn from(at: Timestamp, until: Timestamp) -> SignedDuration {
    until.duration_since(at).max(SignedDuration::ZERO)
}

/// What the policy needs to know of a failure.
fn failure(error: &IssueError, at: Timestamp) -> Failure {
    let Some(error) = error.acme() else {
        return Failure {
            class: FailureClass::Local,
            retry_after: None,
        };
    };
    Failure {
        class: match error.class() {
            AcmeErrorClass::RateLimited => FailureClass::RateLimited,
            AcmeErrorClass::Unavailable | AcmeErrorClass::BadNonce | AcmeErrorClass::Malformed => {
                FailureClass::Server
            }
            AcmeErrorClass::ValidationFailed => FailureClass::Validation,
            AcmeErrorClass::RejectedIdentifier
            | AcmeErrorClass::Account
            | AcmeErrorClass::AlreadyReplaced
            | AcmeErrorClass::Refused => FailureClass::Refused,
            AcmeErrorClass::Network => FailureClass::Unreachable,
            AcmeErrorClass::DnsRefused
            | AcmeErrorClass::DnsUnavailable
            | AcmeErrorClass::DnsNotSeen
            | AcmeErrorClass::Local => FailureClass::Local,
        },
        retry_after: error.retry_after().map(|until| from(at, until)),
    }
}

/// Whether an answer to when to renew may come in a moment.
fn unanswered(error: &AcmeError, at: Timestamp) -> AriFailure {
    match error.class() {
        AcmeErrorClass::Network | AcmeErrorClass::Unavailable | AcmeErrorClass::RateLimited => {
            AriFailure::Temporary {
                retry_after: error.retry_after().map(|until| from(at, until)),
            }
        }
        _ => AriFailure::LongTerm,
    }
}

/// The replicas of each target that serve the certificate's name, and so may be asked
/// for the answer to a challenge.
fn answering(snapshot: &Snapshot, name: &CertificateName) -> Vec<Vec<(String, SocketAddr)>> {
    let of = |view: &TargetView| {
        let replicas = view.replicas.iter();
        let serving =
            replicas.filter(|it| it.serving.get(name).is_some_and(|it| it.leaf().is_some()));
        let found = serving.filter_map(|it| {
            let address = it.replica.endpoint(CHALLENGE_PORT)?;
            Some((it.replica.name(), address))
        });
        found.collect()
    };
    snapshot.targets.iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::WhyIssue;
    use crate::model::DomainName;

    #[test]
    fn what_is_for_the_same_names_goes_one_after_the_other() {
        let step = |name: &str, domains: &[&str]| CertificateStep {
            name: CertificateName::parse(name).unwrap(),
            domains: domains
                .iter()
                .map(|it| DomainName::parse(it).unwrap())
                .collect(),
            step: Step::Issue(WhyIssue::Forced),
            look_at: None,
        };
        let steps = [
            step("a.example.org", &["a.example.org"]),
            step("example.org", &["example.org", "www.example.org"]),
            step("example.org-rsa", &["example.org", "www.example.org"]),
            step("www.example.org", &["www.example.org", "example.org"]),
        ];
        let groups = by_names(&steps).into_iter().map(|group| {
            let names = group.iter().map(|step| step.name.as_str());
            names.collect::<Vec<_>>()
        });
        assert_eq!(
            groups.collect::<Vec<_>>(),
            [
                vec!["a.example.org"],
                vec!["example.org", "example.org-rsa", "www.example.org"]
            ]
        );
    }
}
