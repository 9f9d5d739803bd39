//! Deciding: from what was seen, what is remembered and the time, what to do
//! and why. Pure: no clock, no IO, no async, no type of Docker's.

mod issue;
mod memory;
mod plan;
mod rollout;
#[cfg(test)]
mod tests;

pub(crate) use memory::Memory;
pub(crate) use plan::{
    CertificateStep, Occasion, Plan, Problem, RolloutStep, Step, WhyIssue, WhyNot,
};

use jiff::Timestamp;

use crate::observe::Snapshot;

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
        plan.certificates.push(CertificateStep {
            name: name.clone(),
            domains: certificate.domains.clone(),
            step,
        });
    }
    for view in &snapshot.targets {
        let (step, problems) = rollout::step(snapshot, view, now);
        plan.rollouts.extend(step);
        plan.problems.extend(problems);
    }
    for unknown in occasion.forced {
        if !snapshot.certificates.keys().any(|name| name == unknown) {
            plan.problems.push(Problem::UnknownForced {
                name: unknown.to_string(),
                known: snapshot
                    .certificates
                    .keys()
                    .map(ToString::to_string)
                    .collect(),
            });
        }
    }
    plan
}
