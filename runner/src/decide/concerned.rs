//! Which services a plan leads to a rollout of.

use std::collections::BTreeSet;

use super::plan::{Plan, Step, WhyIssue};
use crate::model::{CertificateName, Target};
use crate::observe::{Snapshot, TargetView};

impl Plan {
    /// The targets of which there is a rollout to come, with replicas that run: those that
    /// serve what is to be obtained, and those that are to be rolled out at once. Where an
    /// engine is only asked whether something is due, nothing may come of it.
    pub(crate) fn leads_to_rollouts_of<'a>(
        &'a self,
        seen: &'a Snapshot,
    ) -> impl Iterator<Item = &'a Target> {
        let obtained: BTreeSet<&CertificateName> = self.obtained().collect();
        let steps = self.rollouts.iter();
        let begun: BTreeSet<&str> = steps.map(|step| step.target.name.as_str()).collect();
        let concerned = move |view: &&TargetView| {
            let mut wanted = view.target.certificates.iter();
            let obtains = wanted.any(|spec| obtained.contains(&spec.name));
            let runs = view.replicas.iter().any(|it| it.replica.running);
            let free = !self.rolled_out.contains(&view.target.name);
            runs && free && (obtains || begun.contains(view.target.name.as_str()))
        };
        let concerned = seen.targets.iter().filter(concerned);
        concerned.map(|view| &view.target)
    }

    fn obtained(&self) -> impl Iterator<Item = &CertificateName> {
        let obtained = self.certificates.iter().filter(|certificate| {
            let step = &certificate.step;
            matches!(step, Step::Issue(why) if *why != WhyIssue::Scheduled)
        });
        obtained.map(|certificate| &certificate.name)
    }
}
