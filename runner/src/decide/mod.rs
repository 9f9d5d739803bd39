//! Deciding: from what was seen, what is remembered and the time, what to do
//! and why. Pure: no clock, no IO, no async, no type of Docker's.

mod issue;
mod memory;
mod plan;
mod rollout;
#[cfg(test)]
mod tests;

pub(crate) use memory::{Attempted, Memory};
#[cfg(test)]
use plan::WhyNot;
pub(crate) use plan::{CertificateStep, Occasion, Plan, Problem, RolloutStep, Step, WhyIssue};

use jiff::Timestamp;

use crate::model::CertificateName;
use crate::observe::{CertificateView, Snapshot};

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
    for (name, certificate) in &snapshot.certificates {
        let step = issue::step(snapshot, name, certificate, memory, occasion, now);
        plan.problems
            .extend(issue::problem(snapshot, name, certificate));
        plan.problems.extend(expired(name, certificate, now));
        plan.certificates.push(CertificateStep {
            name: name.clone(),
            domains: certificate.domains.clone(),
            step,
        });
    }
    for view in &snapshot.targets {
        let (step, problems) = rollout::step(snapshot, view, memory, now);
        plan.rollouts.extend(step);
        plan.problems.extend(problems);
    }
    plan
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

/// Whether every replica that is wanted was seen to serve what is published,
/// and there is at least one.
pub(crate) fn all_served(snapshot: &Snapshot) -> bool {
    rollout::all_served(snapshot)
}

/// A published certificate that has expired: no reason not to renew it, but
/// one to tell, also when all replicas serve it.
fn expired(name: &CertificateName, view: &CertificateView, now: Timestamp) -> Option<Problem> {
    let leaf = view.published.leaf()?;
    (!leaf.placeholder && leaf.not_after < now).then(|| Problem::Expired {
        name: name.clone(),
        at: leaf.not_after,
    })
}
