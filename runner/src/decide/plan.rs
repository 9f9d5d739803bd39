//! What was decided. A plan has no choice left in it, and says why.

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;

use jiff::Timestamp;
use serde::Serialize;

use super::hold::Held;
use super::memory::{Attempted, AttemptedRollout};
use super::renewal::{WhyDue, WhyHeld};
use crate::model::{
    CertificateName, ChainFlaw, Digest, DomainName, Fingerprint, LabelError, Leaf, NoJobs,
    PairError, Schedule, Strategy, Target,
};

/// What brings a look about, as far as it matters to what is due.
#[derive(Debug)]
pub(crate) struct Occasion<'a> {
    /// When due renewals are looked for.
    pub(crate) schedule: &'a Schedule,
    /// Certificates that a person wants renewed now, due or not.
    pub(crate) forced: &'a [CertificateName],
    pub(crate) policy: Policy,
    pub(crate) by_dns: ByDns,
    pub(crate) under_way: UnderWay,
}

/// What goes on by itself when it is decided what else is to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct UnderWay {
    /// The services that are rolled out.
    pub(crate) rolled_out: BTreeSet<String>,
    /// The certificates that are obtained.
    pub(crate) obtained: BTreeSet<CertificateName>,
}

/// What becomes of a certificate that asks for the challenge dns-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ByDns {
    /// It is answered, by the provider that is set.
    Answered,
    /// Nothing, as no provider is set.
    NoProvider,
    /// certbot renews it as its lineage has it; of itself it obtains by http-01 only.
    LeftToCertbot,
}

/// Who decides whether a certificate is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    /// The engine, asked by the schedule: certbot has rules and a memory of its
    /// own.
    Engine,
    /// The runner, with this authority.
    Own(Digest),
}

/// All that is to be done now.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Plan {
    pub(crate) certificates: Vec<CertificateStep>,
    /// Versions that are to be published in place of those that are.
    pub(crate) versions: Vec<VersionStep>,
    /// The certificates of which nothing is held back any more.
    #[serde(skip)]
    pub(crate) released: Vec<CertificateName>,
    /// When those are tried again that are held back.
    #[serde(skip)]
    pub(crate) tries_at: Vec<Timestamp>,
    pub(crate) rollouts: Vec<RolloutStep>,
    /// The targets that are rolled out already.
    pub(crate) rolled_out: Vec<String>,
    /// Rollouts that cannot begin before something is obtained, or not.
    pub(crate) obtained_before: Vec<ObtainedBefore>,
    /// Rollouts that cannot begin before something else has ended.
    pub(crate) deferred: Vec<Deferred>,
    /// Rollouts that wait for a maintenance window.
    pub(crate) held: Vec<Held>,
    pub(crate) problems: Vec<Problem>,
}

impl Plan {
    /// Whether anything is to be done now.
    pub(crate) fn has_work(&self) -> bool {
        self.obtains() || !self.versions.is_empty() || !self.rollouts.is_empty()
    }

    /// Whether a certificate is to be obtained now, or a placeholder made.
    pub(crate) fn obtains(&self) -> bool {
        let mut certificates = self.certificates.iter();
        certificates.any(|certificate| !matches!(certificate.step, Step::Nothing(_)))
    }

    /// The rollouts that wait, each in a line.
    pub(crate) fn waits(&self) -> impl Iterator<Item = String> {
        let rolled_out = self.rolled_out.iter();
        let rolled_out = rolled_out.map(|name| format!("service {name}: a rollout is under way"));
        let obtained = self.obtained_before.iter().map(ObtainedBefore::to_string);
        let deferred = self.deferred.iter().map(Deferred::to_string);
        let held = self.held.iter().map(Held::to_string);
        rolled_out.chain(obtained).chain(deferred).chain(held)
    }

    /// What is waited for, because it comes by itself.
    pub(crate) fn waiting(&self) -> Vec<String> {
        let waits = |step: &Step| *step == Step::Nothing(WhyNot::ReplicasStarting);
        let waiting = self.certificates.iter().filter(|c| waits(&c.step));
        let replicas = waiting
            .map(|certificate| format!("certificate {}: {}", certificate.name, certificate.step));
        replicas.chain(self.waits()).collect()
    }

    /// When the first rollout that waits for a window begins.
    pub(crate) fn opens(&self) -> Option<Timestamp> {
        self.held.iter().map(|held| held.until).min()
    }

    /// The targets some of whose replicas do not serve what is published, or is held
    /// back.
    pub(crate) fn unfinished(&self) -> Vec<&str> {
        let held = self.problems.iter().flat_map(|problem| match problem {
            Problem::RolloutHeld { target, .. } => std::slice::from_ref(target),
            // They serve what is published, but not what was meant to be.
            Problem::HeldBack { targets, .. } => targets,
            _ => &[],
        });
        let held = held.map(String::as_str);
        let planned = self.rollouts.iter().map(|step| step.target.name.as_str());
        let rolled_out = self.rolled_out.iter().map(String::as_str);
        let obtained = self.obtained_before.iter().map(|it| it.target.as_str());
        let planned = planned.chain(rolled_out).chain(obtained);
        let deferred = self.deferred.iter().map(|it| it.target.as_str());
        let waiting = self.held.iter().map(|held| held.target.as_str());
        planned.chain(held).chain(deferred).chain(waiting).collect()
    }

    /// When the first certificate is to be looked at again, as the policy has it.
    pub(crate) fn looks_at(&self) -> Option<Timestamp> {
        let decided = self.certificates.iter().filter_map(|it| it.look_at);
        decided.chain(self.tries_at.iter().copied()).min()
    }

    /// Whether a look soon would find more to do.
    pub(crate) fn under_way(&self) -> bool {
        let soon = self.certificates.iter().any(|certificate| {
            matches!(
                certificate.step,
                Step::PublishPlaceholder | Step::Nothing(WhyNot::ReplicasStarting)
            )
        });
        soon || !self.deferred.is_empty()
    }
}

/// What is to be done about one certificate.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct CertificateStep {
    pub(crate) name: CertificateName,
    pub(crate) domains: Vec<DomainName>,
    #[serde(flatten)]
    pub(crate) step: Step,
    /// When to look at it again, where the runner decides. It may be the time to
    /// ask the authority for its window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) look_at: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "step", content = "why")]
pub(crate) enum Step {
    /// Put a self-signed certificate there, so that a load balancer can start.
    PublishPlaceholder,
    /// Have the engine obtain it.
    Issue(WhyIssue),
    /// Leave it.
    Nothing(WhyNot),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WhyIssue {
    /// A person asked for it.
    Forced,
    /// Only a placeholder is published.
    Placeholder,
    /// The labels name other domains than the certificate.
    NamesChanged,
    /// The schedule says to ask the engine whether it is due.
    Scheduled,
    /// It is due by the runner's own policy. `counts`: against the limits of the
    /// account, because no window of the authority's covers it.
    Due { why: WhyDue, counts: bool },
}

impl WhyIssue {
    /// Whether the authority will see something new: names that were not there, or
    /// a server that has only begun.
    pub(crate) fn obtains(self) -> bool {
        match self {
            Self::Placeholder | Self::NamesChanged => true,
            Self::Forced | Self::Scheduled => false,
            Self::Due { why, .. } => why.obtains(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WhyNot {
    /// The engine was asked since the schedule last came round.
    AskAt(Timestamp),
    /// An attempt failed not long ago.
    BackingOff(Timestamp),
    /// The answer to a challenge needs replicas, and they are on their way.
    ReplicasStarting,
    /// A service that serves it is rolled out, and must find what it began with.
    RolledOut,
    /// It is being obtained, or another for the same names is.
    UnderWay,
    /// A problem stands in the way.
    Problem,
    /// A newer version is there, and held back: that is tried again then.
    HeldBack {
        fingerprint: Fingerprint,
        until: Timestamp,
    },
    /// The runner's own policy: it is due then, for that reason.
    NotDue { until: Timestamp, then: WhyDue },
    /// The runner's own policy: it is due, and waits.
    Held {
        until: Timestamp,
        by: WhyHeld,
        why: WhyDue,
    },
}

/// A version that is there and is to be published in place of another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct VersionStep {
    pub(crate) name: CertificateName,
    /// What is published now; none if that is no pair.
    pub(crate) from: Option<Fingerprint>,
    pub(crate) to: Fingerprint,
    /// By which the archive knows it.
    pub(crate) number: u64,
    pub(crate) turn: Turn,
}

/// Which way it goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "turn", content = "why")]
pub(crate) enum Turn {
    /// To the one before: no replica came to serve the new one. Why that was found.
    Back(String),
    /// To the new one again, for another try.
    Again(WhyAgain),
}

/// Why a version that was held back is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WhyAgain {
    /// A person asked for a rollout.
    Forced,
    /// It has waited long enough.
    InItsTurn,
    /// The service whose replicas did not take it was changed.
    Changed,
    /// A replica serves it.
    Served,
    /// What is published can be served no more.
    NothingElse,
}

/// A target some of whose replicas serve something else than is published.
#[derive(Debug, Serialize)]
pub(crate) struct RolloutStep {
    pub(crate) target: Target,
    /// What every replica must serve in the end: all that the target serves,
    /// because a signal or a restart loads all of it.
    pub(crate) expected: Vec<Expected>,
    /// The replicas that do not: name and what they serve.
    pub(crate) stale: Vec<Stale>,
    /// The stale replica that is told first and alone, where replicas are told:
    /// the others are not touched before it was seen to serve what is expected.
    /// None if one is stale only, or a replica serves it already.
    pub(crate) canary: Option<Canary>,
    /// Tasks of stale replicas on nodes that no job reaches now; a [`Problem`]
    /// says so of each.
    pub(crate) out_of_reach: Vec<String>,
    /// Replicas that answer with some other certificate, as one does that is not
    /// configured for it, while others answer with this one: no signal would mend that,
    /// and it is no reason to leave the others behind. A [`Problem`] says so of each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) not_mended: Vec<NotMended>,
    /// A person wants every replica told or replaced, whatever it serves.
    pub(crate) forced: bool,
    /// For `secret`: what the service's specification must name in the end.
    pub(crate) secrets: Option<SecretsStep>,
}

/// A replica, and the certificate in whose place it serves another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct NotMended {
    pub(crate) certificate: CertificateName,
    pub(crate) task: String,
}

/// What a specification must name in the end, and what it names now.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct SecretsStep {
    /// Every certificate that is published, also one that no replica is
    /// configured to serve yet.
    pub(crate) wanted: Vec<Expected>,
    pub(crate) named: Named,
}

/// What a service's specification names, compared with what it must name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Named {
    /// The secrets of all that is published.
    Current,
    /// Those of an older version.
    Older,
    /// None of this certificate: a replica that starts now finds none. So it is
    /// before the first rollout, and after a deploy of a file without them.
    Nothing(CertificateName),
}

impl Named {
    /// Makes it the worse of the two.
    pub(super) fn at_least(&mut self, other: Self) {
        if *self < other {
            *self = other;
        }
    }
}

impl RolloutStep {
    /// Whether replicas are replaced, and not only told.
    pub(crate) fn restarts(&self) -> bool {
        !matches!(self.target.strategy, Strategy::Signal { .. })
    }

    /// The tasks that a job can tell; one that serves several certificates is
    /// named once for each.
    pub(crate) fn tasks(&self) -> impl Iterator<Item = &str> {
        let tasks = self.stale.iter().map(|stale| stale.task.as_str());
        tasks.filter(|task| !self.is_out_of_reach(task))
    }

    /// Whether no job reaches that task now.
    pub(crate) fn is_out_of_reach(&self, task: &str) -> bool {
        self.out_of_reach.iter().any(|other| other == task)
    }

    /// Whether that task serves another certificate in that one's place, so that it is
    /// not waited for.
    pub(crate) fn is_not_mended(&self, certificate: &CertificateName, task: &str) -> bool {
        let mut not_mended = self.not_mended.iter();
        not_mended.any(|it| it.certificate == *certificate && it.task == task)
    }

    /// The tasks of which that is so for some certificate.
    pub(crate) fn tasks_not_mended(&self) -> BTreeSet<&str> {
        let not_mended = self.not_mended.iter();
        not_mended.map(|it| it.task.as_str()).collect()
    }

    /// Whether the service names no secrets of a certificate that it is to get as
    /// secrets: what it starts finds none.
    pub(crate) fn names_no_secrets(&self) -> bool {
        let named = self.secrets.as_ref().map(|secrets| &secrets.named);
        matches!(named, Some(Named::Nothing(_)))
    }

    /// By what an attempt at this is remembered.
    pub(crate) fn attempted(&self) -> Attempted {
        let secrets = self.secrets.iter().flat_map(|secrets| &secrets.wanted);
        let expected = self.expected.iter().chain(secrets);
        let certificates =
            expected.map(|expected| (expected.certificate.clone(), expected.leaf.fingerprint));
        Attempted::Rollout(AttemptedRollout {
            service: self.target.id.clone(),
            asked: self.target.asked,
            certificates: certificates.collect(),
        })
    }
}

/// The replica that goes first, and where it is probed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Canary {
    pub(crate) task: String,
    pub(crate) replica: String,
    pub(crate) address: SocketAddr,
    /// Swarm's ID of the network on which it has that address.
    pub(crate) network: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Expected {
    pub(crate) certificate: CertificateName,
    pub(crate) leaf: Leaf,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Stale {
    pub(crate) certificate: CertificateName,
    pub(crate) task: String,
    pub(crate) replica: String,
    pub(crate) serves: Fingerprint,
}

/// A rollout that cannot begin before one of the service's certificates is obtained, or
/// its order has failed: what it began with must be there until its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct ObtainedBefore {
    pub(crate) target: String,
    pub(crate) certificate: CertificateName,
}

/// A rollout that waits for the end of an update of its service.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize)]
#[error("service {target}: the rollout waits for the end of another update")]
pub(crate) struct Deferred {
    pub(crate) target: String,
}

/// Something that a person should know of.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Problem {
    #[error("{0}")]
    Label(LabelError),
    #[error("certificate {name}: published files are not used: {error}")]
    Broken {
        name: CertificateName,
        error: PairError,
    },
    #[error(
        "certificate {name}: the certificate root has {found}, but {replica} of {target} serves \
         {serves}; is the right volume mounted? Nothing is ordered or rolled out"
    )]
    RootLostIt {
        name: CertificateName,
        found: &'static str,
        target: String,
        replica: String,
        serves: Fingerprint,
    },
    #[error(
        "certificate {name}: the certificate root has {found}, but {issued} was seen there at {at} and \
         has not expired; is the right volume mounted? Nothing is ordered or rolled out. If it is \
         really gone: rollover once --force {name}"
    )]
    RootForgotIt {
        name: CertificateName,
        found: &'static str,
        issued: Fingerprint,
        at: Timestamp,
    },
    #[error(
        "certificate {name}: {replica} of {target} serves a newer certificate than is published; \
         nothing is rolled out"
    )]
    ServesNewer {
        name: CertificateName,
        target: String,
        replica: String,
    },
    #[error("certificate {name}: {replica} of {target} cannot be seen: {why}")]
    Unreachable {
        name: CertificateName,
        target: String,
        replica: String,
        why: String,
    },
    #[error(
        "certificate {name}: what was issued at {issued_at} is not what is published; is the right \
         volume mounted? It is ordered again at {until}; `rollover once --force {name}` does so now"
    )]
    Unseen {
        name: CertificateName,
        issued_at: Timestamp,
        until: Timestamp,
    },
    #[error(
        "certificate {name}: its names were issued {issued} times within a week; nothing is ordered \
         before {until}. Find out why; `rollover once --force {name}` does not wait"
    )]
    Budget {
        name: CertificateName,
        issued: u32,
        until: Timestamp,
    },
    #[error("certificate {name}: the last attempt failed; it is tried again at {until}; {why}")]
    IssueHeld {
        name: CertificateName,
        until: Timestamp,
        /// Why the last attempt failed.
        why: String,
    },
    #[error("certificate {name}: what is published expired at {at}")]
    Expired {
        name: CertificateName,
        at: Timestamp,
    },
    #[error(
        "certificate {name}: what is published is not valid before {at}; is this node's clock \
         right?"
    )]
    NotValidYet {
        name: CertificateName,
        at: Timestamp,
    },
    #[error(
        "certificate {name}: {replica} of {target} answers with another certificate ({serves}); \
         is it configured for this name?"
    )]
    ServesAnother {
        name: CertificateName,
        target: String,
        replica: String,
        serves: Fingerprint,
    },
    #[error("certificate {name}: {replica} of {target}: {flaw}")]
    Chain {
        name: CertificateName,
        target: String,
        replica: String,
        flaw: ChainFlaw,
    },
    #[error(
        "certificate {name}: every replica of {target} serves it, but its public address \
         {address} {found}"
    )]
    Public {
        name: CertificateName,
        target: String,
        address: String,
        found: String,
    },
    #[error(
        "certificate {name}: service {target} names secrets of a better certificate ({names}) than \
         is published; is the right volume mounted? Nothing is rolled out"
    )]
    NamesNewer {
        name: CertificateName,
        target: String,
        names: Fingerprint,
    },
    #[error(
        "service {target}: the rollout waits for the end of another update, which began at {since}; \
         see `docker service ps {target}`"
    )]
    UpdateLasts { target: String, since: Timestamp },
    #[error(
        "service {target}: {replica} serves an earlier certificate and cannot be told, because {}",
        match why {
            NoJobs::Paused => format!("{node} is paused; it is told when {node} is active again"),
            NoJobs::Drained => format!("{node} is drained; the swarm is about to move it"),
            NoJobs::Away => format!("{node} is away; it is told when {node} is back"),
        }
    )]
    OutOfReach {
        target: String,
        replica: String,
        node: String,
        why: NoJobs,
    },
    #[error(
        "service {target}: swarm has stopped an update ({state}: {message}); nothing is rolled out \
         over it. See `docker service ps {target}`, mend the cause, and have it go on \
         (`docker service update {target}`) or go back (`docker service rollback {target}`)"
    )]
    UpdateStopped {
        target: String,
        state: String,
        message: String,
    },
    #[error("service {target}: the last rollout failed; it is tried again at {until}; {why}")]
    RolloutHeld {
        target: String,
        until: Timestamp,
        /// What the last attempt found.
        why: String,
    },
    #[error(
        "certificate {name}: {} is held back since {since}, and the one before is published in its \
         place, for no replica came to serve it: {why}. It is tried again at {until}; `rollover \
         rollout {}` does so now, `rollover once --force {name}` orders another",
        fingerprint.short(), targets.first().map_or("SERVICE", String::as_str)
    )]
    HeldBack {
        name: CertificateName,
        fingerprint: Fingerprint,
        since: Timestamp,
        until: Timestamp,
        targets: Vec<String>,
        why: String,
    },
    #[error(
        "service {target}: nothing was rolled out, for no replica runs that could be told of a \
         published certificate"
    )]
    NobodyToTell { target: String },
    /// What is remembered could not be read or kept.
    #[error("{0}")]
    State(String),
    #[error("--force {name}: not renewed now: {step}")]
    NotForced { name: CertificateName, step: String },
    #[error(
        "--force {name}: no service asks for this certificate; known are: {}",
        if known.is_empty() { "none".to_owned() } else { known.join(", ") }
    )]
    UnknownForced { name: String, known: Vec<String> },
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PublishPlaceholder => {
                f.write_str("publish a placeholder, so that the load balancer can start")
            }
            Self::Issue(why) => match why {
                WhyIssue::Forced => f.write_str("renew: asked for by a person"),
                WhyIssue::Placeholder => f.write_str("obtain: only a placeholder is published"),
                WhyIssue::NamesChanged => f.write_str("obtain: the names have changed"),
                WhyIssue::Scheduled => f.write_str("ask the engine whether it is due"),
                WhyIssue::Due { why, .. } => write!(f, "{}: {why}", why.verb()),
            },
            Self::Nothing(why) => match why {
                WhyNot::AskAt(at) => write!(f, "nothing until {at}"),
                WhyNot::BackingOff(until) => write!(f, "nothing until {until}: it failed before"),
                WhyNot::ReplicasStarting => {
                    f.write_str("wait: replicas are starting, and one must answer a challenge")
                }
                WhyNot::RolledOut => {
                    f.write_str("nothing before the rollout that is under way ends")
                }
                WhyNot::UnderWay => {
                    f.write_str("nothing more: an order for its names is under way")
                }
                WhyNot::Problem => f.write_str("nothing: a problem stands in the way"),
                WhyNot::HeldBack { fingerprint, until } => write!(
                    f,
                    "nothing: {} is there and held back; it is tried again at {until}",
                    fingerprint.short()
                ),
                WhyNot::NotDue { until, then } => write!(f, "nothing until {until}: then {then}"),
                WhyNot::Held { until, by, why } => {
                    write!(f, "nothing until {until}: {by}; it is due: {why}")
                }
            },
        }
    }
}

impl fmt::Display for ObtainedBefore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            target,
            certificate,
        } = self;
        write!(
            f,
            "service {target}: a rollout waits for certificate {certificate}, which is being obtained"
        )
    }
}

impl fmt::Display for VersionStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, to) = (self.number, self.to.short());
        match &self.turn {
            Turn::Back(why) => write!(
                f,
                "publish version {number} ({to}) again, for no replica came to serve the one after \
                 it: {why}"
            ),
            Turn::Again(why) => {
                write!(
                    f,
                    "try version {number} ({to}) again, which was held back: {why}"
                )
            }
        }
    }
}

impl fmt::Display for WhyAgain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Forced => "asked for by a person",
            Self::InItsTurn => "it has waited long enough",
            Self::Changed => "the service that did not take it was changed",
            Self::Served => "a replica serves it",
            Self::NothingElse => "what is published can be served no more",
        })
    }
}
