//! The runner is killed, at each of its steps.

use std::cell::Cell;
use std::time::Duration;

use super::nothing_due::SIGNAL_JOB;
use super::{Control, Kind, Parameters, Scenario, Stage};
use crate::acme::Acme;
use crate::acme::mock::Call;
use crate::fault::{Fault, RunnerKilled};
use crate::lab::wait::until;
use crate::site::{Due, Serves, Site, SiteError, SiteOptions, Strategy};

/// A step of the runner, and what leads it there.
struct Step {
    scenario: &'static str,
    name: &'static str,
    way: Way,
    /// Whether replicas may have been told of a new certificate by then.
    told: bool,
}

/// What leads the runner to a step.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// The stack is deployed into an empty swarm.
    FirstDeploy,
    /// The same, with the engine `acme`.
    Acme,
    /// A certificate of certbot's is due, and goes out by signal.
    Renewal,
    /// The same by restart.
    Restart,
    /// The same as secrets.
    Secret,
}

impl Way {
    fn is_first_deploy(self) -> bool {
        matches!(self, Self::FirstDeploy | Self::Acme)
    }

    fn parameters(self) -> Parameters {
        let strategy = match self {
            Self::FirstDeploy | Self::Acme | Self::Renewal => Strategy::Signal,
            Self::Restart => Strategy::Restart,
            Self::Secret => Strategy::Secret,
        };
        let own = match self {
            // It outlives the runner, and tells how often it was asked for an order.
            Self::Acme => Parameters {
                acme: Acme::Mock,
                ..Parameters::default()
            },
            _ => Parameters::with_certbot(),
        };
        Parameters { strategy, ..own }
    }
}

macro_rules! step {
    ($name:literal, $way:ident, $told:literal) => {
        step!($name, "", $way, $told)
    };
    ($name:literal, $by:literal, $way:ident, $told:literal) => {
        Step {
            scenario: concat!("crash/", $name, $by),
            name: $name,
            way: Way::$way,
            told: $told,
        }
    };
}

/// Every step of `rollover --hold-at`, in its order; then those that the other engine
/// comes to in another state: with `acme`, an order is open when the challenge is tried.
const STEPS: [Step; 19] = [
    step!("observed", Renewal, false),
    step!("placeholder_prepared", FirstDeploy, false),
    step!("placeholder_published", FirstDeploy, false),
    step!("trial_written", FirstDeploy, false),
    step!("challenge_checked", FirstDeploy, false),
    step!("order_ready", Acme, false),
    step!("order_finalized", Acme, false),
    step!("certificate_fetched", Acme, false),
    step!("certbot_created", Renewal, false),
    step!("certbot_started", Renewal, false),
    step!("certbot_ended", Renewal, false),
    step!("issued", Renewal, false),
    step!("job_created", Renewal, true),
    step!("secrets_created", Secret, false),
    step!("update_started", Restart, true),
    step!("update_completed", Restart, true),
    step!("verified", Renewal, true),
    step!("concluded", Renewal, true),
    step!("challenge_checked", "-acme", Acme, false),
];

/// SIGKILL at the step with that number: the next start finishes what was begun.
pub(super) const fn at<const STEP: usize>() -> Scenario {
    Scenario {
        name: STEPS[STEP].scenario,
        about: "The runner is killed at the step that the scenario is named for: the next start \
                finishes what was begun, nothing is ordered twice, and nothing is left behind.",
        control: Control {
            wrong: "the runner is not started again",
            found_by: &[Kind::Stuck],
        },
        parameters: || STEPS[STEP].way.parameters(),
        play: |stage| Box::pin(play(stage, &STEPS[STEP])),
    }
}

/// Where the runner puts the file that tries the challenge's path.
const TRIAL: &str = "webroot/.well-known/acme-challenge/rollover-trial";
/// A restart replaces one replica after the other.
const DEADLINE: Duration = Duration::from_secs(240);
/// Longer than a runner that is started again takes to be seen.
const CONTROLS: Duration = Duration::from_secs(20);

async fn play(stage: &Stage<'_>, step: &Step) -> Result<(), SiteError> {
    let ordered = || Some(stage.lab().mock()?.calls_of(Call::NewOrder).len());
    let orders = ordered();
    let scene = Scene::lead_to(stage, step).await?;
    let killed = RunnerKilled::at(step.name).inject(stage.lab()).await?;
    if !step.told && !step.way.is_first_deploy() {
        stage.untouched(&scene.site, &scene.before).await?;
    }
    if stage.is_control() {
        return scene.finished().await;
    }
    let (ended, issued) = tokio::join!(killed.end(), scene.issued());
    ended?;
    issued?;
    scene.finished().await?;
    stage.one_certificate(&scene.site.serving().await?);
    let (issued, versions) = (scene.site.versions()?, scene.versions);
    stage.check(issued == versions + 1, Kind::OrderedTwice, || {
        format!("expected one more version than {versions}, found {issued}")
    });
    let (once, ordered) = (orders.map(|orders| orders + 1), ordered());
    stage.check(ordered == once, Kind::OrderedTwice, || {
        format!("expected no order wasted ({once:?} in all), found {ordered:?}")
    });
    Ok(())
}

/// What there was before the runner was killed.
struct Scene<'stage, 'lab> {
    stage: &'stage Stage<'lab>,
    site: Site<'lab>,
    before: Vec<Serves>,
    versions: u32,
    due: Cell<Option<Due>>,
}

impl<'stage, 'lab> Scene<'stage, 'lab> {
    /// A runner that stands still at the step, or will before long.
    async fn lead_to(stage: &'stage Stage<'lab>, step: &Step) -> Result<Self, SiteError> {
        let options = SiteOptions {
            restart_delay: "1s".to_owned(),
            ..stage.options()?
        };
        if step.way == Way::Secret {
            // Over replicas that have no secrets yet, the deploy's own update
            // would begin with one that cannot start.
            stage.empty().await?;
        }
        if step.way.is_first_deploy() {
            return Self::first_deploy(stage, step, options).await;
        }
        let site = stage.site_with(options).await?;
        Ok(Self {
            stage,
            before: site.seen().await?,
            versions: site.versions()?,
            due: Cell::new(Some(site.make_due().await?)),
            site,
        })
    }

    async fn first_deploy(
        stage: &'stage Stage<'lab>,
        step: &Step,
        options: SiteOptions,
    ) -> Result<Self, SiteError> {
        stage.empty().await?;
        let holding = SiteOptions {
            hold_at: step.name.to_owned(),
            ..options
        };
        Ok(Self {
            stage,
            site: stage.deploy(holding).await?,
            before: Vec::new(),
            // The placeholder is the lineage's first version.
            versions: 1,
            due: Cell::new(None),
        })
    }

    /// Waits until a new certificate is there, which is then no longer due, as it
    /// would be where time had made it so.
    async fn issued(&self) -> Result<(), SiteError> {
        let what = "a certificate be issued";
        Ok(until(what, DEADLINE, async || self.is_issued()).await?)
    }

    fn is_issued(&self) -> Result<(), String> {
        let versions = self.site.versions().map_err(|error| error.to_string())?;
        if versions <= self.versions {
            return Err(format!("there are {versions} versions"));
        }
        drop(self.due.take());
        Ok(())
    }

    /// Waits until the runner has nothing more to do.
    async fn finished(&self) -> Result<(), SiteError> {
        let deadline = self.stage.patience(DEADLINE, CONTROLS);
        let what = "the next start finish what was begun";
        Ok(until(what, deadline, async || self.is_finished().await).await?)
    }

    async fn is_finished(&self) -> Result<(), String> {
        self.is_issued()?;
        let published = self.site.published().map_err(|error| error.to_string())?;
        let served = self.site.served().await?;
        if let Some(stale) = served.iter().find(|s| s.fingerprint != published) {
            return Err(format!("{published} is published, and {stale:?}"));
        }
        let lab = self.stage.lab();
        let runners = self.site.runner().running().await;
        if runners.map_err(|error| error.to_string())?.is_empty() {
            return Err("the runner does not run".to_owned());
        }
        let job = lab.service(SIGNAL_JOB).exists().await;
        if job.map_err(|error| error.to_string())? {
            return Err(format!("the job {SIGNAL_JOB} is left"));
        }
        let versions = self.site.secret_versions().await;
        let versions = versions.map_err(|error| error.to_string())?;
        if versions.len() > 2 {
            return Err(format!("secrets of {versions:?} are left"));
        }
        self.no_files_or_containers_left().await
    }

    async fn no_files_or_containers_left(&self) -> Result<(), String> {
        let lab = self.stage.lab();
        let trial = lab.volume().certificates().exists(TRIAL);
        if trial.map_err(|error| error.to_string())? {
            return Err(format!("{TRIAL} is left"));
        }
        let list = [
            "docker",
            "ps",
            "--all",
            "--quiet",
            "--filter=label=rollover.engine=certbot",
        ];
        let listed = lab.manager().exec(&list).await;
        let listed = listed.map_err(|error| error.to_string())?.stdout;
        if listed.trim().is_empty() {
            return Ok(());
        }
        Err(format!("certbot's container {} is left", listed.trim()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The runner's own list, from its source: `NamedStep` in snake case.
    fn steps_of_the_runner() -> Vec<String> {
        let source = include_str!("../../../runner/src/act/step.rs");
        let (_, list) = source.split_once("enum NamedStep {").unwrap();
        let (list, _) = list.split_once('}').unwrap();
        let names = list
            .lines()
            .filter_map(|line| line.trim().strip_suffix(','));
        names.map(snake_case).collect()
    }

    fn snake_case(name: &str) -> String {
        let mut snake = String::new();
        for (place, letter) in name.char_indices() {
            if place > 0 && letter.is_uppercase() {
                snake.push('_');
            }
            snake.push(letter.to_ascii_lowercase());
        }
        snake
    }

    #[test]
    fn there_is_a_scenario_for_every_step_of_the_runner() {
        let here: Vec<_> = STEPS.iter().map(|step| step.name).collect();
        let steps = steps_of_the_runner();
        let (each, again) = here.split_at(steps.len());
        assert_eq!(each, steps);
        let known = |name: &&str| steps.iter().any(|step| step == name);
        assert!(again.iter().all(known), "{again:?}");
    }
}
