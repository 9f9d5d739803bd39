//! Deciding: from what was seen, what is remembered and the time, what to do
//! and why. Pure: no clock, no IO, no async, no type of Docker's.

mod challenge;
mod concerned;
mod held_back;
mod hold;
mod issue;
mod kept;
pub(crate) mod lease;
mod memory;
mod own;
mod plan;
pub(crate) mod renewal;
mod rollout;
mod secret;
mod standing;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use challenge::without_provider;
pub(crate) use held_back::waiting;
pub(crate) use hold::Because;
pub(crate) use kept::Kept;
pub(crate) use memory::{Attempted, Memory};
#[cfg(test)]
pub(crate) use plan::NotMended;
use plan::WhyNot;
pub(crate) use plan::{
    ByDns, CertificateStep, Expected, Named, Occasion, Plan, Policy, Problem, RolloutStep,
    SecretsStep, Step, Turn, UnderWay, VersionStep, WhyIssue,
};
use renewal::WhyHeld;
pub(crate) use standing::{Flaw, Standing, standing, standings, target_in_step};

use std::collections::{BTreeSet, HashSet};

use jiff::Timestamp;

use crate::model::{CertificateName, Digest, Fingerprint};
use crate::observe::{CertificateView, Snapshot, TargetView};

/// What to do about `snapshot` at `now`.
pub(crate) fn decide(
    snapshot: &Snapshot,
    memory: &Memory,
    occasion: &Occasion<'_>,
    now: Timestamp,
) -> Plan {
    let mut plan = Plan::default();
    plan.problems
        .extend(snapshot.labels.iter().cloned().map(Problem::Label));
    let rolled_out = rolled_out(snapshot, occasion);
    let obtained = &occasion.under_way.obtained;
    let under_way = obtained
        .iter()
        .filter_map(|name| snapshot.certificates.get(name));
    let ordered: HashSet<Digest> = under_way
        .map(|view| Digest::of_domains(&view.domains))
        .collect();
    let mut planned = own::Planned::none(snapshot, memory);
    for (name, certificate) in &snapshot.certificates {
        let (step, look_at) = match look(snapshot, name, certificate, memory, occasion, now) {
            _ if obtained.contains(name) => (Step::Nothing(WhyNot::UnderWay), None),
            Some(look) => look.step(&mut planned),
            None => {
                let step = issue::step(snapshot, name, certificate, memory, occasion, now);
                (step, None)
            }
        };
        let refused = challenge::refused(snapshot, name, occasion.by_dns, &step);
        // What is not done now is no reason to look again at once.
        let (step, look_at) = match step {
            Step::Issue(_) if refused.is_some() => (Step::Nothing(WhyNot::Problem), None),
            Step::Issue(why) if why != WhyIssue::Forced && rolled_out.contains(name) => {
                (Step::Nothing(WhyNot::RolledOut), None)
            }
            // An authority may answer a second order with the first.
            Step::Issue(_) if ordered.contains(&Digest::of_domains(&certificate.domains)) => {
                (Step::Nothing(WhyNot::UnderWay), None)
            }
            step => (step, look_at),
        };
        // It is said once of a service that has several.
        let refused = refused.map(Problem::Label);
        let refused = refused.filter(|it| !plan.problems.contains(it));
        plan.problems.extend(refused);
        plan.problems.extend(own::problem(name, &step));
        plan.problems.extend(failed_before(name, &step, memory));
        plan.problems
            .extend(issue::problem(snapshot, name, certificate, memory, now));
        plan.problems
            .extend(out_of_its_time(name, certificate, now));
        plan.certificates.push(CertificateStep {
            name: name.clone(),
            domains: certificate.domains.clone(),
            step,
            look_at,
        });
    }
    // certbot has its own way to know which version is the newest.
    if let Policy::Own(_) = occasion.policy {
        let left_alone = rolled_out.into_iter().chain(obtained).collect();
        held_back::decide(&mut plan, snapshot, memory, &left_alone, now);
    }
    for view in &snapshot.targets {
        rollout::decide(&mut plan, snapshot, view, memory, occasion, now);
    }
    plan
}

/// The certificates that services serve which are rolled out now.
fn rolled_out<'a>(
    snapshot: &'a Snapshot,
    occasion: &Occasion<'_>,
) -> BTreeSet<&'a CertificateName> {
    let targets = snapshot.targets.iter().map(|view| &view.target);
    let targets = targets.filter(|target| occasion.under_way.rolled_out.contains(&target.name));
    let certificates = targets.flat_map(|target| &target.certificates);
    certificates.map(|wanted| &wanted.name).collect()
}

/// A look at one certificate by the runner's own policy, if that decides.
fn look<'a>(
    snapshot: &'a Snapshot,
    name: &'a CertificateName,
    view: &'a CertificateView,
    memory: &'a Memory,
    occasion: &'a Occasion<'a>,
    now: Timestamp,
) -> Option<own::Look<'a>> {
    let Policy::Own(authority) = occasion.policy else {
        return None;
    };
    Some(own::Look {
        snapshot,
        name,
        view,
        memory,
        occasion,
        authority,
        now,
    })
}

/// The certificates of which the authority is to be asked now when to renew them
/// (RFC 9773). The answer goes to [`renewal::History::ari_answered`], or its
/// failure to [`renewal::History::ari_failed`], before it is decided.
pub(crate) fn ari_questions(
    snapshot: &Snapshot,
    memory: &Memory,
    occasion: &Occasion<'_>,
    now: Timestamp,
) -> Vec<(CertificateName, Fingerprint)> {
    let certificates = snapshot.certificates.iter();
    certificates
        .filter_map(|(name, view)| {
            let look = look(snapshot, name, view, memory, occasion, now)?;
            Some((name.clone(), look.ari_question()?))
        })
        .collect()
}

/// What it takes to have every replica of a target told or replaced, as a person
/// forces it; why it is not to be, if it is not.
pub(crate) fn forced_rollout(
    snapshot: &Snapshot,
    view: &TargetView,
    now: Timestamp,
) -> Result<RolloutStep, Vec<Problem>> {
    rollout::forced(snapshot, view, now)
}

/// The versions that are held back and that a person who forces a rollout of `view`
/// would have tried first.
pub(crate) fn forced_versions(
    snapshot: &Snapshot,
    view: &TargetView,
    memory: &Memory,
    policy: Policy,
    now: Timestamp,
) -> Vec<VersionStep> {
    match policy {
        Policy::Engine => Vec::new(),
        Policy::Own(_) => held_back::forced(snapshot, view, memory, now),
    }
}

/// What a person forced that `plan` will not renew, and why.
pub(crate) fn forced_in_vain(plan: &Plan, forced: &[CertificateName]) -> Vec<Problem> {
    let step_of = |name: &CertificateName| plan.certificates.iter().find(|c| &c.name == name);
    let in_vain = |name: &CertificateName| match step_of(name) {
        Some(certificate) if matches!(certificate.step, Step::Issue(_)) => None,
        Some(certificate) => Some(Problem::NotForced {
            name: name.clone(),
            step: certificate.step.to_string(),
        }),
        None => Some(Problem::UnknownForced {
            name: name.to_string(),
            known: plan
                .certificates
                .iter()
                .map(|c| c.name.to_string())
                .collect(),
        }),
    };
    forced.iter().filter_map(in_vain).collect()
}

/// Whether every replica that is wanted was seen to serve what is published, as
/// it should, and there is at least one.
pub(crate) fn all_served(snapshot: &Snapshot, now: Timestamp) -> bool {
    let mut targets = snapshot.targets.iter();
    !snapshot.targets.is_empty() && targets.all(|view| target_in_step(snapshot, view, now))
}

/// An attempt that failed and is not made again yet: nothing else would say so of a
/// pass that does nothing about it.
fn failed_before(name: &CertificateName, step: &Step, memory: &Memory) -> Option<Problem> {
    let until = match step {
        Step::Nothing(
            WhyNot::BackingOff(until)
            | WhyNot::Held {
                until,
                by: WhyHeld::Failed { .. } | WhyHeld::RetryAfter { .. },
                ..
            },
        ) => *until,
        _ => return None,
    };
    let why = memory.why(&Attempted::Certificate(name.clone()));
    Some(Problem::IssueHeld {
        name: name.clone(),
        until,
        why: why.unwrap_or("why is not remembered").to_owned(),
    })
}

/// A published certificate that has expired, or is not valid yet: no reason not
/// to renew it, but one to tell, also when all replicas serve it.
fn out_of_its_time(
    name: &CertificateName,
    view: &CertificateView,
    now: Timestamp,
) -> Option<Problem> {
    let leaf = view.published.leaf().filter(|leaf| !leaf.placeholder)?;
    let name = name.clone();
    if leaf.not_after < now {
        let at = leaf.not_after;
        return Some(Problem::Expired { name, at });
    }
    let at = leaf.not_before;
    (now < at).then_some(Problem::NotValidYet { name, at })
}
