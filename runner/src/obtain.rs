//! Carrying out what was decided of certificates, and remembering what came of
//! it: at once, for a crash may come at any step.

use std::cell::Cell;
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
            let authority = self.settings.own_policy();
            account_for(memory, authority, step, before, &result, now());
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

    /// Asks the authority when each of these certificates is to be renewed
    /// (RFC 9773), and remembers what it said. One that does not answer one of them is
    /// not asked the others: each would wait as long, and all else waits meanwhile.
    pub(crate) async fn ask_when_to_renew(&self, questions: &[(CertificateName, Fingerprint)]) {
        let silent = Cell::new(None);
        let answers = stream::iter(questions).map(async |(name, fingerprint)| {
            let root = &self.settings.certificate_root;
            // What was replaced meanwhile is asked for by the next look.
            let Ok(certificate) = files::certificate(root, name) else {
                return;
            };
            if Fingerprint::of_der(&certificate) != *fingerprint {
                return;
            }
            if let Some(failure) = silent.get() {
                let failed = |memory: &mut Memory| {
                    let history = memory.history_mut(name);
                    history.ari_failed(now(), *fingerprint, failure);
                };
                return self.remember(name, failed).await;
            }
            let answer = self.acme.renewal_info(self.settings, &certificate).await;
            let at = now();
            if let Err(error) = &answer {
                warn!(certificate = %name, "when to renew is not known: {error}");
                if is_silent(error) {
                    silent.set(Some(unanswered(error, at)));
                }
            }
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

/// Notes in `memory` what came of an attempt that ended at `at`; `authority` is the one
/// that was asked, where the runner decides what is due.
fn account_for(
    memory: &mut Memory,
    authority: Option<Digest>,
    step: &CertificateStep,
    before: Option<&Leaf>,
    result: &Result<Issued, IssueError>,
    at: Timestamp,
) {
    let failed = result.as_ref().err().map(ToString::to_string);
    memory.record(Attempted::Certificate(step.name.clone()), at, failed);
    let after = leaf(result);
    if let Some(leaf) = after {
        memory.record_issued(&step.name, leaf, at);
    }
    let Some(authority) = authority else {
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

/// What was issued.
fn leaf(result: &Result<Issued, IssueError>) -> Option<&Leaf> {
    result.as_ref().ok()?.published.leaf()
}

/// How long it is from `at` to `until`; nothing if that is past.
fn from(at: Timestamp, until: Timestamp) -> SignedDuration {
    until.duration_since(at).max(SignedDuration::ZERO)
}

/// Whether it is of no use to ask the authority something else just now.
fn is_silent(error: &AcmeError) -> bool {
    let class = error.class();
    matches!(class, AcmeErrorClass::Network | AcmeErrorClass::Unavailable)
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
    use crate::decide::renewal::WhyDue;
    use crate::decide::tests::leaf as leaf_of;
    use crate::model::{DomainName, Published};

    /// Where the authority will not have a certificate replaced, its limits count the
    /// order that was to be exempt; and that one only.
    #[test]
    fn an_order_that_was_to_replace_and_did_not_counts_in_the_pace() {
        let at: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        let domain = DomainName::parse("example.org").unwrap();
        let free_at = |counts, replaces_refused| {
            let step = CertificateStep {
                name: CertificateName::of(&domain),
                domains: vec![domain.clone()],
                step: Step::Issue(WhyIssue::Due {
                    why: WhyDue::Age,
                    counts,
                }),
                look_at: None,
            };
            let (authority, before) = (Digest::of_authority("https://acme.example/"), leaf_of(1));
            let mut memory = Memory::default();
            for _ in 0..500 {
                let issued = Ok(Issued {
                    published: Published::Pair(leaf_of(2)),
                    replaces_refused,
                });
                account_for(
                    &mut memory,
                    Some(authority),
                    &step,
                    Some(&before),
                    &issued,
                    at,
                );
            }
            memory.pace().free_at()
        };
        assert!(free_at(false, false) <= at, "a replacement is exempt");
        assert!(free_at(false, true) > at, "it was refused, and counts");
        // What counts anyhow was counted when it was ordered.
        assert!(free_at(true, true) <= at);
    }

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
