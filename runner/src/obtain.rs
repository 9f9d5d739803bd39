//! Carrying out what was decided of certificates, and remembering what came of
//! it: at once, for a crash may come at any step.

use std::net::SocketAddr;
use std::sync::Arc;

use jiff::Timestamp;
use tracing::{error, info};

use crate::act::issue::acme::AcmeErrorClass;
use crate::act::issue::{
    self, Acme, CHALLENGE_PORT, IssueError, Issued, PlaceholderError, Request,
};
use crate::act::step::{About, NamedStep};
use crate::clock::{left, now};
use crate::config::Settings;
use crate::daemon::{Teller, Work};
use crate::decide::renewal::{Failure, FailureClass, Order};
use crate::decide::{Attempted, CertificateStep, Memory, Step, WhyIssue};
use crate::docker::Manager;
use crate::model::{CertificateName, Challenge, Digest, KeyKind, Leaf, Ordering};
use crate::observe::own::Own;
use crate::observe::{Snapshot, TargetView};
use crate::orders::{Notes, What};
use crate::report::CertificateResult;

/// What it takes to obtain certificates.
pub(crate) struct Obtaining {
    pub(crate) manager: Manager,
    pub(crate) settings: Settings,
    pub(crate) own: Option<Own>,
    pub(crate) acme: Arc<Acme>,
    pub(crate) teller: Teller,
}

/// A certificate that is to be obtained, and what of the look it takes.
pub(crate) struct Wanted {
    pub(crate) step: CertificateStep,
    /// What was published then.
    before: Option<Leaf>,
    ordering: Ordering,
    /// The replicas of each target that serve its name.
    answering: Vec<Vec<(String, SocketAddr)>>,
}

impl Wanted {
    fn new(step: &CertificateStep, snapshot: &Snapshot) -> Self {
        let view = snapshot.certificates.get(&step.name);
        let before = view.and_then(|view| view.published.leaf());
        Self {
            step: step.clone(),
            before: before.cloned(),
            ordering: snapshot.ordering(&step.name),
            answering: answering(snapshot, &step.name),
        }
    }

    /// Whether it counts against the limits of the account.
    pub(crate) fn counts(&self) -> bool {
        let why = &self.step.step;
        matches!(why, Step::Issue(WhyIssue::Due { counts: true, .. }))
    }
}

impl Obtaining {
    /// Those for the same names. Let's Encrypt answers an order for names that
    /// another order of the account is still open for with that one, so that two
    /// at a time would get one certificate. And what fails for one fails for the
    /// next, and would count again.
    pub(crate) async fn one_by_one(&self, group: Vec<Wanted>, notes: &Notes) {
        let mut failed = false;
        for wanted in group {
            let result = if failed {
                None
            } else {
                self.carry_out(&wanted, notes).await
            };
            failed |= result.as_ref().is_some_and(|result| result.error.is_some());
            notes.ended(&wanted.step.name, result);
        }
    }

    async fn carry_out(&self, wanted: &Wanted, notes: &Notes) -> Option<CertificateResult> {
        match &wanted.step.step {
            Step::Nothing(_) => None,
            Step::PublishPlaceholder => Some(self.publish_placeholder(wanted, notes).await),
            Step::Issue(why) => Some(self.issue(wanted, *why, notes).await),
        }
    }

    async fn passed(&self, step: NamedStep, about: About<'_>) {
        self.settings.hold_at.passed(step, about).await;
    }

    async fn publish_placeholder(&self, wanted: &Wanted, notes: &Notes) -> CertificateResult {
        let step = &wanted.step;
        info!(certificate = %step.name, "publishing a placeholder");
        let published = self.placeholder(step, wanted.ordering.key.kind()).await;
        if let Err(why) = &published {
            error!("{why}");
        }
        let failed = published.as_ref().err().map(ToString::to_string);
        let name = step.name.clone();
        let change = move |memory: &mut Memory| match failed {
            Some(why) => memory.record(Attempted::Certificate(name), now(), Some(why)),
            // Only a person can have had one published over what was issued.
            None => memory.forget_issued(&name),
        };
        notes.remember(&step.name, change).await;
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

    async fn issue(&self, wanted: &Wanted, why: WhyIssue, notes: &Notes) -> CertificateResult {
        let (step, ordering) = (&wanted.step, &wanted.ordering);
        info!(certificate = %step.name, "{}", step.step);
        let _at_work = self.teller.begins(Work::Obtaining(step.name.clone()));
        let before = wanted.before.as_ref();
        let request = Request {
            name: &step.name,
            domains: &step.domains,
            why,
            published: before.map(|leaf| leaf.fingerprint),
            replicas: match ordering.challenge {
                Challenge::Http01 => issue::listening(wanted.answering.clone()).await,
                Challenge::Dns01 => Vec::new(),
            },
            key: ordering.key,
            profile: ordering.profile.as_deref(),
            challenge: ordering.challenge,
            fence: &self.manager.fence,
        };
        self.manager.fence.pass().await;
        let (manager, settings, own) = (&self.manager, &self.settings, self.own.as_ref());
        let result = issue::issue(manager, settings, own, &self.acme, &request).await;
        let attempt = Attempt::of(wanted, &result, now());
        let authority = settings.own_policy();
        let account = move |memory: &mut Memory| attempt.account_for(memory, authority);
        notes.remember(&step.name, account).await;
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
}

/// What is to be done of `steps`, those for the same names together.
pub(crate) fn wanted(steps: &[CertificateStep], snapshot: &Snapshot) -> Vec<Vec<Wanted>> {
    let groups = by_names(steps).into_iter();
    let wanted = |group: Vec<&CertificateStep>| {
        let group = group.into_iter();
        group.map(|step| Wanted::new(step, snapshot)).collect()
    };
    groups.map(wanted).collect()
}

/// What it takes to do all of `group`.
pub(crate) fn takes(group: &[Wanted]) -> What {
    let mut steps = group.iter().map(|wanted| &wanted.step.step);
    if steps.all(|step| *step == Step::PublishPlaceholder) {
        What::Placeholder
    } else {
        What::Order
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

/// What came of an attempt, as far as it is to be remembered.
struct Attempt {
    step: CertificateStep,
    before: Option<Leaf>,
    /// What was issued, if it is a pair; or why nothing was.
    outcome: Result<Option<Leaf>, (String, Failure)>,
    replaces_refused: bool,
    at: Timestamp,
}

impl Attempt {
    /// One that ended at `at`.
    fn of(wanted: &Wanted, result: &Result<Issued, IssueError>, at: Timestamp) -> Self {
        let failed = |error: &IssueError| (error.to_string(), failure(error, at));
        Self {
            step: wanted.step.clone(),
            before: wanted.before.clone(),
            outcome: match result {
                Ok(_) => Ok(leaf(result).cloned()),
                Err(error) => Err(failed(error)),
            },
            replaces_refused: matches!(result, Ok(issued) if issued.replaces_refused),
            at,
        }
    }

    /// Notes it in `memory`; `authority` is the one that was asked, where the runner
    /// decides what is due.
    fn account_for(self, memory: &mut Memory, authority: Option<Digest>) {
        let (name, at) = (self.step.name, self.at);
        let failed = self.outcome.as_ref().err().map(|(why, _)| why.clone());
        memory.record(Attempted::Certificate(name.clone()), at, failed);
        if let Ok(Some(leaf)) = &self.outcome {
            memory.record_issued(&name, leaf, at);
        }
        let Some(authority) = authority else {
            return;
        };
        let replaced = self.before.filter(|leaf| !leaf.placeholder);
        let meant = matches!(
            self.step.step,
            Step::Issue(WhyIssue::Due { counts: false, .. })
        );
        if meant && self.replaces_refused {
            memory.pace_mut().ordered(at);
        }
        let order = Order {
            authority,
            names: Digest::of_domains(&self.step.domains),
            replaced: replaced.map(|leaf| leaf.fingerprint),
            exempt: meant && !self.replaces_refused,
        };
        let history = memory.history_mut(&name);
        match self.outcome {
            Ok(Some(leaf)) => history.issued(at, &order, leaf.fingerprint),
            Err((_, failure)) => history.failed(at, &order, failure),
            Ok(None) => {}
        }
    }
}

/// What was issued.
fn leaf(result: &Result<Issued, IssueError>) -> Option<&Leaf> {
    result.as_ref().ok()?.published.leaf()
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
        retry_after: error.retry_after().map(|until| left(at, until)),
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
            let authority = Digest::of_authority("https://acme.example/");
            let wanted = Wanted {
                step,
                before: Some(leaf_of(1)),
                ordering: Ordering::default(),
                answering: Vec::new(),
            };
            let mut memory = Memory::default();
            for _ in 0..500 {
                let issued = Ok(Issued {
                    published: Published::Pair(leaf_of(2)),
                    replaces_refused,
                });
                Attempt::of(&wanted, &issued, at).account_for(&mut memory, Some(authority));
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
