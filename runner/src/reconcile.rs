//! One reconcile: look, decide, act, and say when to look again. It takes no
//! hint of what has changed; a crash anywhere is just another start.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use tracing::{error, info, warn};

use crate::act::issue::{self, CHALLENGE_PORT, PlaceholderError, Request};
use crate::act::rollout::{
    RolloutError, RolloutOutcome, collect_secrets, remove_leftovers, roll_out,
};
use crate::act::step::{About, NamedStep};
use crate::ahead::Ahead;
use crate::clock::now;
use crate::config::Settings;
use crate::daemon::{Teller, Work};
use crate::decide::lease::Lease;
use crate::decide::{
    Attempted, CertificateStep, Memory, Occasion, Plan, RolloutStep, Step, WhyIssue, all_served,
    decide, forced_in_vain, forced_rollout,
};
use crate::docker::Manager;
use crate::model::{CertificateName, Published, Schedule, Strategy};
use crate::observe::own::Own;
use crate::observe::swarm::SwarmError;
use crate::observe::{Snapshot, observe};
use crate::report::{CertificateResult, Report, RolloutResult};
use crate::state::{Key, State, StateError, Store};

/// How soon to look again while something is under way.
const SOON: Duration = Duration::from_secs(2);

/// What a reconcile works with.
pub(crate) struct Runner {
    pub(crate) manager: Manager,
    pub(crate) settings: Settings,
    pub(crate) schedule: Schedule,
    pub(crate) own: Option<Own>,
    pub(crate) memory: Memory,
    /// What of the memory outlives this process.
    pub(crate) state: State,
    /// Where that lies.
    pub(crate) store: Store,
    /// Tells `rollover status` what is only known here.
    pub(crate) teller: Teller,
    pub(crate) ahead: Ahead,
}

/// Why a rollout could not be forced.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ForceError {
    #[error(
        "roll out {service}: no service of that name asks for a certificate by labels that can be \
         read; known are: {}",
        if known.is_empty() { "none".to_owned() } else { known.join(", ") }
    )]
    NoTarget { service: String, known: Vec<String> },
    #[error(transparent)]
    Swarm(#[from] SwarmError),
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
        self.recall().await;
        self.state.catch_up(&self.memory).await;
        let mut seen = self.observe_and_remember().await?;
        let mut plan = self.decide(&seen, forced);
        let in_vain = forced_in_vain(&plan, forced);
        let mut report = Report::default();
        if plan.has_work() {
            self.passed(NamedStep::Observed, About::Everything).await;
        }
        for step in &plan.certificates {
            let result = self.carry_out(step, &seen).await;
            report.certificates.extend(result);
        }
        // Obtaining takes its time, and the world goes on meanwhile.
        if !report.certificates.is_empty() {
            seen = self.observe_and_remember().await?;
            plan = self.decide(&seen, &[]);
        }
        self.ahead.look(&self.manager, self.own.as_ref()).await;
        report.preflight = self.ahead.findings().to_vec();
        report.rollouts = self.roll_out(&plan.rollouts).await;
        if !plan.rollouts.is_empty() {
            seen = self.observe_and_remember().await?;
            plan = self.decide(&seen, &[]);
        }
        remove_leftovers(&self.manager, &plan.unfinished()).await;
        collect_secrets(&self.manager).await;
        if report.acted() {
            self.passed(NamedStep::Concluded, About::Everything).await;
        }
        report.conclude(&plan, &in_vain, all_served(&seen, now()));
        Ok(report)
    }

    /// Says that a step is passed, and stands still there if a test asks for it.
    async fn passed(&self, step: NamedStep, about: About<'_>) {
        self.settings.hold_at.passed(step, about).await;
    }

    /// All of them at once: one that fails, or takes long, holds no other back.
    async fn roll_out(&mut self, steps: &[RolloutStep]) -> Vec<RolloutResult> {
        let rollouts = steps.iter().map(async |step| {
            let work = Work::RollingOut(step.target.name.clone());
            let _at_work = self.teller.begins(work);
            let result = self.roll_out_one(step).await;
            match &result {
                Ok(done) => info!(
                    service = done.target,
                    "every replica serves what is published, after {:.1} s", done.verified.seconds
                ),
                Err(why) => error!("{why}"),
            }
            (result, now())
        });
        let results = join_all(rollouts).await;
        let mut told = Vec::new();
        for (step, (result, at)) in steps.iter().zip(results) {
            let superseded = result.as_ref().is_err_and(RolloutError::is_superseded);
            let failed = result.as_ref().err().map(ToString::to_string);
            let attempted = step.attempted();
            match step.target.strategy {
                _ if superseded => {}
                Strategy::Signal { .. } => self.memory.record_eager(attempted, at, failed),
                Strategy::Restart(_) | Strategy::Secret(_) => {
                    self.memory.record(attempted, at, failed);
                }
            }
            told.push(RolloutResult::from(result));
        }
        told
    }

    async fn roll_out_one(&self, step: &RolloutStep) -> Result<RolloutOutcome, RolloutError> {
        let restarts = !matches!(step.target.strategy, Strategy::Signal { .. });
        let held = self.ahead.holds_back(&step.target.name);
        match held.filter(|_| restarts) {
            Some(finding) => Err(RolloutError::held_back(step, finding)),
            None => roll_out(&self.manager, &self.settings, self.own.as_ref(), step).await,
        }
    }

    /// Has every replica of the service named `target` told or replaced, as a person
    /// forces it, by another strategy than its label's if one is given.
    ///
    /// # Errors
    /// When there is no such target, or the swarm cannot be read.
    pub(crate) async fn force(
        &mut self,
        target: &str,
        strategy: Option<&str>,
    ) -> Result<Report, ForceError> {
        self.recall().await;
        let seen = self.observe_and_remember().await?;
        let mut views = seen.targets.iter();
        let Some(view) = views.find(|view| view.target.name == target) else {
            let known = seen.targets.iter().map(|view| view.target.name.clone());
            return Err(ForceError::NoTarget {
                service: target.to_owned(),
                known: known.collect(),
            });
        };
        let mut view = view.clone();
        let mut others = view.target.other_strategies.iter();
        if let Some(other) = others.find(|it| Some(it.name()) == strategy) {
            view.target.strategy = other.clone();
        }
        let mut report = Report::default();
        let unsafe_now = match forced_rollout(&seen, &view, now()) {
            Ok(step) => {
                report.rollouts = self.roll_out(&[step]).await;
                Vec::new()
            }
            Err(problems) => problems,
        };
        let (seen, plan) = self.look(&[]).await?;
        remove_leftovers(&self.manager, &plan.unfinished()).await;
        report.conclude(&plan, &unsafe_now, all_served(&seen, now()));
        Ok(report)
    }

    /// Brings the memory up to what is kept in the swarm.
    pub(crate) async fn recall(&mut self) {
        self.state.recall(&mut self.memory).await;
    }

    /// Who acts, of all runners in the swarm.
    pub(crate) async fn lease(&self) -> Result<Option<Lease>, StateError> {
        let stored = self.store.load::<Lease>(&Key::Lease).await?;
        Ok(stored.map(|stored| stored.record))
    }

    /// What a reconcile would do now, without doing it.
    pub(crate) async fn plan(&self, forced: &[CertificateName]) -> Result<Plan, SwarmError> {
        let (_, mut plan) = self.look(forced).await?;
        let in_vain = forced_in_vain(&plan, forced);
        plan.problems.extend(in_vain);
        Ok(plan)
    }

    /// What is seen now, and what a reconcile would do about it.
    pub(crate) async fn look(
        &self,
        forced: &[CertificateName],
    ) -> Result<(Snapshot, Plan), SwarmError> {
        let seen = self.observe().await?;
        let plan = self.decide(&seen, forced);
        Ok((seen, plan))
    }

    async fn observe_and_remember(&mut self) -> Result<Snapshot, SwarmError> {
        let seen = self.observe().await?;
        let at = now();
        self.memory.saw(&seen, at);
        self.teller.looked(&self.memory, at);
        Ok(seen)
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
        let mut plan = decide(snapshot, &self.memory, &occasion, now());
        plan.problems.extend(self.state.problems());
        plan
    }

    async fn carry_out(
        &mut self,
        step: &CertificateStep,
        snapshot: &Snapshot,
    ) -> Option<CertificateResult> {
        match &step.step {
            Step::Nothing(_) => None,
            Step::PublishPlaceholder => Some(self.publish_placeholder(step).await),
            Step::Issue(why) => Some(self.issue(step, *why, snapshot).await),
        }
    }

    async fn publish_placeholder(&mut self, step: &CertificateStep) -> CertificateResult {
        info!(certificate = %step.name, "publishing a placeholder");
        let published = self.placeholder(step).await;
        match &published {
            Err(why) => {
                error!("{why}");
                let attempted = Attempted::Certificate(step.name.clone());
                self.memory.record(attempted, now(), Some(why.to_string()));
            }
            // Only a person can have had one published over what was issued.
            Ok(()) => self.memory.forget_issued(&step.name),
        }
        self.state.keep(&self.memory, &step.name).await;
        CertificateResult::placeholder(&step.name, published)
    }

    async fn placeholder(&self, step: &CertificateStep) -> Result<(), PlaceholderError> {
        let (root, about) = (
            &self.settings.certificate_root,
            About::Certificate(&step.name),
        );
        let prepared = issue::prepare_placeholder(root, &step.name, &step.domains, now())?;
        self.passed(NamedStep::PlaceholderPrepared, about).await;
        self.manager.fence.pass().await;
        prepared.publish()?;
        self.passed(NamedStep::PlaceholderPublished, about).await;
        Ok(())
    }

    async fn issue(
        &mut self,
        step: &CertificateStep,
        why: WhyIssue,
        snapshot: &Snapshot,
    ) -> CertificateResult {
        info!(certificate = %step.name, "{}", step.step);
        let _at_work = self.teller.begins(Work::Obtaining(step.name.clone()));
        let before = snapshot
            .certificates
            .get(&step.name)
            .and_then(|view| view.published.leaf());
        let request = Request {
            name: &step.name,
            domains: &step.domains,
            why,
            published: before.map(|leaf| leaf.fingerprint),
            replicas: answering(snapshot, &step.name),
        };
        self.manager.fence.pass().await;
        let result = issue::issue(&self.manager, &self.settings, self.own.as_ref(), &request).await;
        let attempted = Attempted::Certificate(step.name.clone());
        let failed = result.as_ref().err().map(ToString::to_string);
        self.memory.record(attempted, now(), failed);
        let after = result.as_ref().ok().and_then(Published::leaf).cloned();
        if let Some(leaf) = &after {
            self.memory.record_issued(&step.name, leaf, now());
        }
        self.state.keep(&self.memory, &step.name).await;
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
            until(report.opens),
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
fn answering(snapshot: &Snapshot, name: &CertificateName) -> Vec<(String, SocketAddr)> {
    let mut found = Vec::new();
    for view in &snapshot.targets {
        for replica in &view.replicas {
            let serves = replica.serving.get(name).and_then(|serving| serving.leaf());
            if let (Some(_), Some(address)) = (serves, replica.replica.endpoint(CHALLENGE_PORT)) {
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
