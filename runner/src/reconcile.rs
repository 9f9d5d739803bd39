//! One reconcile: look, decide, act, and say when to look again. It takes no
//! hint of what has changed; a crash anywhere is just another start.

use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;
use tracing::{error, info, warn};

use crate::act::hold::{self, HoldPoint};
use crate::act::issue::{self, Request};
use crate::act::rollout::{remove_leftovers, roll_out};
use crate::clock::now;
use crate::config::Settings;
use crate::decide::{
    Attempted, CertificateStep, Memory, Occasion, Plan, RolloutStep, Step, WhyIssue, all_served,
    decide, forced_in_vain,
};
use crate::docker::Manager;
use crate::model::{CertificateName, Published, Schedule, Strategy};
use crate::observe::own::Own;
use crate::observe::swarm::SwarmError;
use crate::observe::{Snapshot, observe};
use crate::report::{CertificateResult, Report, RolloutResult};

/// How soon to look again while something is under way.
const SOON: Duration = Duration::from_secs(2);

/// What a reconcile works with.
pub(crate) struct Runner {
    pub(crate) manager: Manager,
    pub(crate) settings: Settings,
    pub(crate) schedule: Schedule,
    pub(crate) own: Option<Own>,
    pub(crate) memory: Memory,
}

impl Runner {
    /// Brings the swarm as near to what is wanted as one pass can.
    ///
    /// # Errors
    /// When the swarm cannot be read. What failed for one certificate or one
    /// service is in the report, and the others went on.
    pub(crate) async fn reconcile(
        &mut self,
        forced: &[CertificateName],
    ) -> Result<Report, SwarmError> {
        let mut seen = self.observe().await?;
        let mut plan = self.decide(&seen, forced);
        let in_vain = forced_in_vain(&plan, forced);
        let mut report = Report::default();
        for step in &plan.certificates {
            let result = self.carry_out(step, &seen).await;
            report.certificates.extend(result);
        }
        if report.changed() {
            hold::at(HoldPoint::Issued, &self.settings.hold_at).await;
        }
        // Obtaining takes its time, and the world goes on meanwhile.
        if !report.certificates.is_empty() {
            seen = self.observe().await?;
            plan = self.decide(&seen, &[]);
        }
        for step in &plan.rollouts {
            let result = self.roll_out(step).await;
            report.rollouts.push(result);
        }
        if !plan.rollouts.is_empty() {
            seen = self.observe().await?;
            plan = self.decide(&seen, &[]);
        }
        remove_leftovers(&self.manager, &plan.unfinished()).await;
        report.conclude(&plan, &in_vain, all_served(&seen));
        Ok(report)
    }

    async fn roll_out(&mut self, step: &RolloutStep) -> RolloutResult {
        let result = roll_out(&self.manager, &self.settings, self.own.as_ref(), step).await;
        match &result {
            Ok(done) => info!(
                service = done.target,
                "every replica serves what is published, after {:.1} s", done.verified.seconds
            ),
            Err(why) => error!("{why}"),
        }
        let failed = result.is_err();
        match step.target.strategy {
            Strategy::Signal { .. } => self.memory.record_eager(step.attempted(), now(), failed),
            Strategy::Restart { .. } => self.memory.record(step.attempted(), now(), failed),
        }
        RolloutResult::from(result)
    }

    /// What a reconcile would do now, without doing it.
    pub(crate) async fn plan(&self, forced: &[CertificateName]) -> Result<Plan, SwarmError> {
        let mut plan = self.decide(&self.observe().await?, forced);
        let in_vain = forced_in_vain(&plan, forced);
        plan.problems.extend(in_vain);
        Ok(plan)
    }

    async fn observe(&self) -> Result<Snapshot, SwarmError> {
        let root = &self.settings.certificate_root;
        observe(&self.manager, root, self.own.as_ref()).await
    }

    fn decide(&self, snapshot: &Snapshot, forced: &[CertificateName]) -> Plan {
        let occasion = Occasion {
            schedule: &self.schedule,
            forced,
        };
        decide(snapshot, &self.memory, &occasion, now())
    }

    async fn carry_out(
        &mut self,
        step: &CertificateStep,
        snapshot: &Snapshot,
    ) -> Option<CertificateResult> {
        match &step.step {
            Step::Nothing(_) => None,
            Step::PublishPlaceholder => Some(self.publish_placeholder(step)),
            Step::Issue(why) => Some(self.issue(step, *why, snapshot).await),
        }
    }

    fn publish_placeholder(&mut self, step: &CertificateStep) -> CertificateResult {
        info!(certificate = %step.name, "publishing a placeholder");
        let root = &self.settings.certificate_root;
        let published = issue::publish_placeholder(root, &step.name, &step.domains, now());
        if let Err(why) = &published {
            error!("{why}");
            let attempted = Attempted::Certificate(step.name.clone());
            self.memory.record(attempted, now(), true);
        }
        CertificateResult::placeholder(&step.name, published)
    }

    async fn issue(
        &mut self,
        step: &CertificateStep,
        why: WhyIssue,
        snapshot: &Snapshot,
    ) -> CertificateResult {
        info!(certificate = %step.name, "{}", step.step);
        let request = Request {
            name: &step.name,
            domains: &step.domains,
            why,
            replicas: answering(snapshot, &step.name),
        };
        let result = issue::issue(&self.manager, &self.settings, self.own.as_ref(), &request).await;
        let attempted = Attempted::Certificate(step.name.clone());
        self.memory.record(attempted, now(), result.is_err());
        let before = snapshot
            .certificates
            .get(&step.name)
            .and_then(|view| view.published.leaf());
        let after = result.as_ref().ok().and_then(Published::leaf).cloned();
        let result = CertificateResult::issued(&step.name, before, after, result.err());
        match &result.error {
            Some(why) => error!("{why}"),
            None => info!(certificate = %step.name, "{}", result.outcome),
        }
        result
    }

    /// When to look again, after a pass that ended with `report`.
    pub(crate) fn look_again(&self, report: &Report, time: Timestamp) -> Duration {
        if report.under_way {
            return SOON;
        }
        let until = |moment: Option<Timestamp>| {
            let span = moment?.duration_since(time);
            Some(Duration::try_from(span).unwrap_or(Duration::ZERO))
        };
        [
            Some(self.settings.check_interval),
            until(self.schedule.next_after(time)),
            until(self.memory.next_retry(time)),
        ]
        .into_iter()
        .flatten()
        .min()
        .unwrap_or(SOON)
        .max(SOON)
    }
}

/// The replicas that serve the certificate's name, and so may be asked for the
/// answer to a challenge.
fn answering(snapshot: &Snapshot, name: &CertificateName) -> Vec<(String, IpAddr)> {
    let mut found = Vec::new();
    for view in &snapshot.targets {
        for replica in &view.replicas {
            let serves = replica.serving.get(name).and_then(|serving| serving.leaf());
            if let (Some(_), Some(address)) = (serves, replica.replica.address) {
                found.push((replica.replica.name(), address));
            }
        }
    }
    found
}

/// Logs what is new since the last pass, and what is no longer: problems, and
/// what is waited for.
pub(crate) fn log_changes(before: &Report, after: &Report) {
    for problem in &after.problems {
        if !before.problems.contains(problem) {
            warn!("{problem}");
        }
    }
    for waiting in &after.waiting {
        if !before.waiting.contains(waiting) {
            info!("{waiting}");
        }
    }
    for problem in &before.problems {
        if !after.problems.contains(problem) {
            info!("no longer: {problem}");
        }
    }
}
