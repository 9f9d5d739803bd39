//! One reconcile: look, decide, act, and say when to look again. It takes no
//! hint of what has changed; a crash anywhere is just another start.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tracing::{error, info, warn};

use crate::act::issue::Acme;
use crate::act::rollout::{RolloutError, collect_secrets, remove_leftovers, roll_out};
use crate::act::step::{About, NamedStep};
use crate::ahead::Ahead;
use crate::ask::{Asking, Remembered};
use crate::clock::now;
use crate::config::Settings;
use crate::daemon::{Teller, Work};
use crate::decide::lease::Lease;
use crate::decide::{
    Memory, Occasion, Plan, Policy, RolloutStep, Turn, UnderWay, VersionStep, all_served,
    ari_questions, decide, forced_in_vain, forced_rollout, forced_versions,
};
use crate::docker::Manager;
use crate::metrics::{Looked, Metrics};
use crate::model::{CertificateName, Schedule, Strategy, Target};
use crate::observe::own::Own;
use crate::observe::swarm::SwarmError;
use crate::observe::{Snapshot, TargetView, observe};
use crate::obtain::{Obtaining, takes, wanted};
use crate::orders::{Note, Orders};
use crate::progress::Progress;
use crate::report::{CertificateResult, Report, RolloutResult};
use crate::rollouts::{Ended, Rollouts, SHORTLY, Stay};
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
    /// What monitoring is told, if it may ask.
    pub(crate) metrics: Option<Metrics>,
    pub(crate) ahead: Ahead,
    pub(crate) acme: Arc<Acme>,
    /// What a person at a terminal sees of it.
    pub(crate) progress: Progress,
    /// Those that this process has under way.
    pub(crate) orders: Orders,
    pub(crate) rollouts: Rollouts,
    /// What another process in this container is at.
    pub(crate) elsewhere: UnderWay,
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
    #[error(
        "roll out {service}: expected its label rollover.strategy to name secret, found {found}; \
         its replicas look for their files elsewhere than where swarm mounts secrets"
    )]
    NoSecrets {
        service: String,
        found: &'static str,
    },
    #[error(transparent)]
    Swarm(#[from] SwarmError),
}

impl Runner {
    /// Brings the swarm as near to what is wanted as one pass can, which stays with
    /// the rollouts that it begins as long as it is told.
    ///
    /// # Errors
    /// When the swarm cannot be read. What failed for one certificate or one
    /// service is in the report, and the others went on.
    pub(crate) async fn reconcile(
        &mut self,
        forced: &[CertificateName],
        stay: Stay,
    ) -> Result<Report, SwarmError> {
        self.recall().await?;
        self.state.catch_up(&self.memory).await;
        let mut report = Report::default();
        let ended = self.rollouts.ended_before();
        report.rollouts = self.take_notice(ended).await;
        while let Some(note) = self.orders.noted_before() {
            self.take_note(note).await;
        }
        report.certificates = self.orders.results();
        let mut seen = self.observe_and_remember().await?;
        self.ask_when_to_renew(&seen).await;
        let mut plan = self.decide(&seen, forced);
        let in_vain = forced_in_vain(&plan, forced);
        if plan.has_work() {
            // That takes its time.
            self.show(&seen, &plan);
            self.passed(NamedStep::Observed, About::Everything).await;
            self.look_into(plan.leads_to_rollouts_of(&seen)).await;
        }
        // What ends while this looks is left to the next look, which it calls.
        if plan.obtains() {
            let obtained = self.obtain(&plan, &seen, stay).await;
            report.certificates.extend(obtained);
            // That takes its time, and the world goes on meanwhile.
            seen = self.observe_and_remember().await?;
            plan = self.decide(&seen, &[]);
        }
        self.release(&plan.released).await;
        report.versions = self.turn(&plan.versions).await;
        if !report.versions.is_empty() {
            seen = self.observe_and_remember().await?;
            plan = self.decide(&seen, &[]);
        }
        // Whether certbot would renew anything, nobody knew when it was asked.
        let asked = self.policy() == Policy::Engine;
        let rollouts = plan.rollouts.iter();
        let looked_into = rollouts.filter(|step| asked || step.restarts());
        self.look_into(looked_into.map(|step| &step.target)).await;
        let (manager, own) = (&self.manager, self.own.as_ref());
        let targets = seen.targets.iter().map(|view| &view.target);
        self.ahead.ask_again(manager, own, targets).await;
        self.ahead.look(manager, own).await;
        report.preflight = self.ahead.findings().to_vec();
        let begins = std::mem::take(&mut plan.rollouts);
        if !begins.is_empty() {
            report.rollouts.extend(self.roll_out(begins, stay).await);
            (seen, plan) = self.look_after_rollouts(&mut report).await?;
        }
        if self.ask_by_other_names(&report, &seen).await {
            self.ahead.look(&self.manager, self.own.as_ref()).await;
            report.preflight = self.ahead.findings().to_vec();
        }
        remove_leftovers(&self.manager, &plan.unfinished()).await;
        // One that is under way may have made some that no service names yet.
        if self.rollouts.services().is_empty() {
            collect_secrets(&self.manager).await;
        }
        let wanted = |name: &CertificateName| seen.certificates.contains_key(name);
        let (fence, memory) = (&self.manager.fence, &mut self.memory);
        self.state.collect(fence, memory, wanted, now()).await;
        self.show(&seen, &plan);
        if report.acted() {
            self.passed(NamedStep::Concluded, About::Everything).await;
        }
        report.conclude(&plan, &in_vain, all_served(&seen, now()));
        Ok(report)
    }

    /// How all stands after rollouts, and what is to be done next: once what no
    /// replica came to serve is no longer published.
    async fn look_after_rollouts(
        &mut self,
        report: &mut Report,
    ) -> Result<(Snapshot, Plan), SwarmError> {
        let seen = self.observe_and_remember().await?;
        let plan = self.decide(&seen, &[]);
        self.release(&plan.released).await;
        // Another try is a matter of the next pass, which rolls it out.
        let back = |step: &&VersionStep| matches!(step.turn, Turn::Back(_));
        let turned = self.turn(plan.versions.iter().filter(back)).await;
        if turned.is_empty() {
            return Ok((seen, plan));
        }
        report.versions.extend(turned);
        let seen = self.observe_and_remember().await?;
        let plan = self.decide(&seen, &[]);
        Ok((seen, plan))
    }

    /// Shows monitoring how all stands.
    fn show(&self, snapshot: &Snapshot, plan: &Plan) {
        if let (Some(metrics), Some(at)) = (&self.metrics, self.teller.looked_at()) {
            let memory = &self.memory;
            metrics.looked(&Looked {
                snapshot,
                plan,
                memory,
                at,
            });
        }
    }

    /// Says that a step is passed, and stands still there if a test asks for it.
    async fn passed(&self, step: NamedStep, about: About<'_>) {
        self.settings.hold_at.passed(step, about).await;
    }

    /// Looks into the replicas of what may be rolled out, for the preflight.
    async fn look_into(&mut self, targets: impl IntoIterator<Item = &Target>) {
        let (manager, settings) = (&self.manager, &self.settings);
        let own = self.own.as_ref();
        self.ahead.look_into(manager, settings, own, targets).await;
    }

    /// Asks what was rolled out just now by its other names too. Whether anything was
    /// asked.
    async fn ask_by_other_names(&mut self, report: &Report, seen: &Snapshot) -> bool {
        let rolled_out = report.rolled_out();
        let targets = seen.targets.iter().map(|view| &view.target);
        let targets = targets.filter(|it| rolled_out.contains(it.name.as_str()));
        let (manager, own) = (&self.manager, self.own.as_ref());
        self.ahead.ask_by_other_names(manager, own, targets).await
    }

    /// Begins to obtain what `plan` has to be, and tells of what has ended by the time
    /// that it does not stay any longer.
    async fn obtain(&mut self, plan: &Plan, seen: &Snapshot, stay: Stay) -> Vec<CertificateResult> {
        let obtaining = Arc::new(Obtaining {
            manager: self.manager.clone(),
            settings: self.settings.clone(),
            own: self.own.clone(),
            acme: Arc::clone(&self.acme),
            teller: self.teller.clone(),
        });
        for group in wanted(&plan.certificates, seen) {
            // What waits for its turn is on its way: no later look may forget it.
            for _ in group.iter().filter(|wanted| wanted.counts()) {
                self.memory.pace_mut().ordered(now());
            }
            let names: Vec<_> = group.iter().map(|it| it.step.name.clone()).collect();
            let what = takes(&group);
            let obtaining = Arc::clone(&obtaining);
            self.orders.begin(names, what, async move |notes| {
                obtaining.one_by_one(group, &notes).await;
            });
        }
        let until = Instant::now() + SHORTLY;
        while let Some(note) = self.orders.note_until(stay, until).await {
            self.take_note(note).await;
        }
        self.orders.results()
    }

    /// Does what a note about a certificate that is being obtained asks for. Whether it
    /// was the last one.
    pub(crate) async fn take_note(&mut self, note: Note) -> bool {
        match note {
            Note::Remember(note) => {
                (note.change)(&mut self.memory);
                self.state.keep(&self.memory, &note.name).await;
                // Who waits for it may have been dropped.
                let _ = note.kept.send(());
                false
            }
            Note::Ended(name, result) => {
                self.orders.over(&name, result);
                true
            }
        }
    }

    /// Ends what is under way here, with what it has told.
    pub(crate) async fn end(&mut self) {
        while let Some(note) = self.orders.noted_before() {
            self.take_note(note).await;
        }
        self.drop_all().await;
    }

    /// Drops what is under way here. What the swarm and the authority were told goes on,
    /// and the next look finds it.
    pub(crate) async fn drop_all(&mut self) {
        self.rollouts.drop_all().await;
        self.orders.drop_all().await;
    }

    /// Whether anything is under way here that goes on by itself.
    pub(crate) fn is_at_work(&self) -> bool {
        !self.rollouts.services().is_empty() || !self.orders.names().is_empty()
    }

    /// Begins all of them at once, and tells of those that have ended by the time
    /// that it does not stay any longer.
    async fn roll_out(&mut self, steps: Vec<RolloutStep>, stay: Stay) -> Vec<RolloutResult> {
        for step in steps {
            self.begin(step);
        }
        let ended = self.rollouts.ended(stay).await;
        self.take_notice(ended).await
    }

    fn begin(&mut self, step: RolloutStep) {
        let held = self.ahead.holds_back(&step.target.name);
        let held = held.filter(|_| step.restarts());
        let held = held.map(|finding| RolloutError::held_back(&step, finding));
        let health_check = self.ahead.health_check(&step.target.name);
        let (manager, settings) = (self.manager.clone(), self.settings.clone());
        let (own, progress, teller) =
            (self.own.clone(), self.progress.clone(), self.teller.clone());
        self.rollouts.begin(step, async move |step| {
            let _at_work = teller.begins(Work::RollingOut(step.target.name.clone()));
            let result = match held {
                Some(error) => Err(error),
                None => {
                    let own = own.as_ref();
                    roll_out(&manager, &settings, own, &step, health_check, &progress).await
                }
            };
            match &result {
                Ok(done) => info!(
                    service = done.target,
                    "{} serves what is published, after {:.1} s",
                    done.verified.who(),
                    done.verified.seconds
                ),
                Err(why) => error!("{why}"),
            }
            (step, result)
        });
    }

    /// Remembers how rollouts have ended.
    async fn take_notice(&mut self, ended: Vec<Ended>) -> Vec<RolloutResult> {
        let mut told = Vec::new();
        for Ended { step, result, at } in ended {
            let superseded = result.as_ref().is_err_and(RolloutError::is_superseded);
            let refused = result.as_ref().is_err_and(RolloutError::is_refused);
            let failed = result.as_ref().err().map(ToString::to_string);
            let attempted = step.attempted();
            let kept_with = attempted.kept_with().cloned();
            match step.target.strategy {
                _ if superseded => {}
                Strategy::Signal { .. } => {
                    self.memory.record_eager(attempted, at, failed.clone());
                }
                Strategy::Restart(_) | Strategy::Secret(_) => {
                    self.memory.record(attempted, at, failed.clone());
                }
            }
            let mut changed: BTreeSet<_> = kept_with.into_iter().collect();
            if let Some(why) = failed.filter(|_| refused && self.policy() != Policy::Engine) {
                changed.extend(self.memory.record_refused(&step, at, &why));
            }
            for name in changed {
                self.state.keep(&self.memory, &name).await;
            }
            told.push(RolloutResult::from(result));
        }
        told
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
        self.recall().await?;
        let mut seen = self.observe_and_remember().await?;
        let mut report = Report::default();
        let mut view = forced_target(&seen, target, strategy)?;
        let held_back = forced_versions(&seen, &view, &self.memory, self.policy(), now());
        report.versions = self.turn(&held_back).await;
        if !report.versions.is_empty() {
            seen = self.observe_and_remember().await?;
            view = forced_target(&seen, target, strategy)?;
        }
        self.look_into([&view.target]).await;
        let (manager, own) = (&self.manager, self.own.as_ref());
        self.ahead.look_at(manager, own, &view.target).await;
        report.preflight = self.ahead.findings().to_vec();
        let unsafe_now = match forced_rollout(&seen, &view, now()) {
            Ok(step) => {
                report.rollouts = self.roll_out(vec![step], Stay::ToTheEnd).await;
                Vec::new()
            }
            Err(problems) => problems,
        };
        let (seen, plan) = self.look_after_rollouts(&mut report).await?;
        if self.ask_by_other_names(&report, &seen).await {
            let (manager, own) = (&self.manager, self.own.as_ref());
            self.ahead.look_at(manager, own, &view.target).await;
            report.preflight = self.ahead.findings().to_vec();
        }
        remove_leftovers(&self.manager, &plan.unfinished()).await;
        report.conclude(&plan, &unsafe_now, all_served(&seen, now()));
        Ok(report)
    }

    /// Brings the memory up to what is kept in the swarm.
    ///
    /// # Errors
    /// When that was never read: nobody is to act on it then.
    pub(crate) async fn recall(&mut self) -> Result<(), SwarmError> {
        let raw = &self.manager.raw;
        Ok(self.state.recall(raw, &mut self.memory).await?)
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
        let (own, engine) = (self.own.as_ref(), self.settings.engine);
        let held_back = self.memory.names_held_back();
        observe(&self.manager, root, own, engine, &held_back).await
    }

    fn decide(&self, snapshot: &Snapshot, forced: &[CertificateName]) -> Plan {
        let mut plan = decide(snapshot, &self.memory, &self.occasion(forced), now());
        plan.problems.extend(self.state.problems());
        plan
    }

    fn occasion<'a>(&'a self, forced: &'a [CertificateName]) -> Occasion<'a> {
        Occasion {
            schedule: &self.schedule,
            forced,
            policy: self.policy(),
            by_dns: self.settings.by_dns(),
            under_way: self.under_way(),
        }
    }

    /// What goes on by itself, by whichever process of this container: there is one at a
    /// time.
    fn under_way(&self) -> UnderWay {
        if !self.is_at_work() {
            return self.elsewhere.clone();
        }
        UnderWay {
            rolled_out: self.rollouts.services().clone(),
            obtained: self.orders.names().clone(),
        }
    }

    /// Who decides whether a certificate is due.
    fn policy(&self) -> Policy {
        let own = self.settings.own_policy();
        own.map_or(Policy::Engine, Policy::Own)
    }

    /// Asks when to renew what the authority is to be asked about now.
    async fn ask_when_to_renew(&mut self, seen: &Snapshot) {
        let questions = ari_questions(seen, &self.memory, &self.occasion(&[]), now());
        if questions.is_empty() {
            return;
        }
        let asking = Asking {
            settings: &self.settings,
            acme: &self.acme,
            remembered: Mutex::new(Remembered {
                memory: &mut self.memory,
                state: &mut self.state,
            }),
        };
        asking.ask_when_to_renew(&questions).await;
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
            until(report.looks_at),
        ]
        .into_iter()
        .flatten()
        .min()
        .unwrap_or(SOON)
        .max(SOON)
    }
}

/// The target of that name, to be rolled out by `strategy` if one is given.
fn forced_target(
    seen: &Snapshot,
    name: &str,
    strategy: Option<&str>,
) -> Result<TargetView, ForceError> {
    let mut targets = seen.targets.iter();
    let Some(mut view) = targets.find(|view| view.target.name == name).cloned() else {
        let known = seen.targets.iter().map(|view| view.target.name.clone());
        return Err(ForceError::NoTarget {
            service: name.to_owned(),
            known: known.collect(),
        });
    };
    let mut others = view.target.other_strategies.iter();
    match others.find(|it| Some(it.name()) == strategy).cloned() {
        Some(Strategy::Secret(_)) => Err(ForceError::NoSecrets {
            service: name.to_owned(),
            found: view.target.strategy.name(),
        }),
        Some(other) => {
            view.target.strategy = other;
            Ok(view)
        }
        None => Ok(view),
    }
}

/// Logs what is new since the last pass, and what is no longer: problems, and
/// what is waited for.
pub(crate) fn log_changes(before: &Report, after: &Report) {
    for problem in missing(&after.problems, &before.problems) {
        warn!("{problem}");
    }
    for waiting in missing(&after.waiting, &before.waiting) {
        info!("{waiting}");
    }
    for problem in missing(&before.problems, &after.problems) {
        info!("no longer: {problem}");
    }
}

/// Those that are not among the others; of either there may be thousands.
fn missing<'a>(those: &'a [String], among: &[String]) -> Vec<&'a String> {
    let among: HashSet<&String> = among.iter().collect();
    those.iter().filter(|it| !among.contains(it)).collect()
}
