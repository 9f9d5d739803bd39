//! Two runners: one acts, the other stands by.

use std::time::Duration;

use jiff::Timestamp;

use super::{Control, Kind, Parameters, Scenario, Stage};
use crate::clock;
use crate::fault::{CutOff, Fault, Replica, TaskFault};
use crate::lab::Task;
use crate::lab::wait::until;
use crate::site::{Site, SiteError};

/// The acting runner is killed while a certificate is due.
pub(super) const KILLED: Scenario = Scenario {
    name: "runners/killed",
    about: "Two runners share a swarm. One acts, the other says whom it waits for, and does not \
            give the account another key either. A certificate is due, and the one that acts is \
            killed: the other takes over within 30 s, and orders \
            once.",
    control: Control {
        wrong: "there is no other runner",
        found_by: &[Kind::Stuck],
    },
    parameters: Parameters::default,
    play: |stage| Box::pin(killed(stage)),
};

/// The acting runner stands still, and goes on after another has taken over.
pub(super) const PAUSED: Scenario = Scenario {
    name: "runners/paused",
    about: "The runner that acts is frozen while a certificate is due. Another takes over and \
            renews it. When the first one goes on, it does nothing more than say so.",
    control: Control {
        wrong: "somebody has it renewed once more, by force",
        found_by: &[Kind::OrderedTwice],
    },
    parameters: Parameters::with_certbot,
    play: |stage| Box::pin(paused(stage)),
};

/// The acting runner's manager loses the quorum.
pub(super) const CUT_OFF: Scenario = Scenario {
    name: "runners/cut-off",
    about: "The manager on which the acting runner is can no longer reach the others. The runner \
            stops by itself, before another one, on the side that has the quorum, takes over.",
    control: Control {
        wrong: "it is not cut off",
        found_by: &[Kind::Stuck],
    },
    parameters: || Parameters {
        managers: 3,
        ..Parameters::with_certbot()
    },
    play: |stage| Box::pin(cut_off(stage)),
};

/// A standby sees the record unchanged for 15 s, and looks every 2 s.
const TO_TAKE_OVER: Duration = Duration::from_secs(30);
/// Longer than that.
const CONTROLS: Duration = Duration::from_secs(40);
const TO_START: Duration = Duration::from_secs(60);
/// An order and a rollout by signal.
const TO_RENEW: Duration = Duration::from_secs(120);
const TO_SAY: Duration = Duration::from_secs(30);
/// A new leader of the swarm, then a takeover; and a manager that is cut off
/// answers the lab late.
const TO_ELECT: Duration = Duration::from_secs(120);
/// What a runner logs when it could not renew the lease, and when it has it.
const STOPPED: &str = "could not be renewed within 10 s";
const BEGUN: &str = "holding the lease";

async fn killed(stage: &Stage<'_>) -> Result<(), SiteError> {
    let site = stage.site().await?;
    let acting = two_runners(stage, &site).await?;
    if !stage.is_control() {
        another_key(stage, &site, &acting).await?;
    }
    let pair = Renewed::before(stage, &site).await?;
    if stage.is_control() {
        // Swarm starts another one only where there is to be one.
        scale(&site, "0").await?;
    }
    let step = stage.step("the acting runner is killed");
    let begin = clock::now();
    if !stage.is_control() {
        acting.kill("KILL").await?;
    }
    let patience = stage.patience(TO_TAKE_OVER, CONTROLS);
    let taken = another_acts(&site, &acting, patience).await;
    drop(step);
    if stage.is_control() {
        scale(&site, "1").await?;
    }
    if let Err(stuck) = taken {
        stage.found(Kind::Stuck, stuck.to_string());
        pair.renewed_once().await?;
        return stage.empty().await;
    }
    let seconds = clock::now().duration_since(begin).as_secs_f64();
    stage.figure("takeover after a kill", seconds, "s");
    pair.renewed_once().await?;
    // The stack file asks for other names than are served now.
    stage.empty().await
}

async fn paused(stage: &Stage<'_>) -> Result<(), SiteError> {
    let site = stage.site().await?;
    let acting = two_runners(stage, &site).await?;
    let pair = Renewed::before(stage, &site).await?;
    let slot = Replica::in_slot(site.runner().name(), acting.slot.unwrap_or_default());
    let frozen = TaskFault::paused(slot).inject(stage.lab()).await?;
    another_acts(&site, &acting, TO_TAKE_OVER).await?;
    pair.issued().await?;
    frozen.end().await?;
    says(&acting, &["dropped", "standby: "]).await?;
    if stage.is_control() {
        let force = ["--force", &site.options().domain];
        let Some(other) = site.leading().await? else {
            stage.found(Kind::Stuck, "nobody holds the lease");
            return Ok(());
        };
        other
            .exec(&[&["/rollover", "once"], &force[..]].concat())
            .await?;
    }
    pair.renewed_once().await?;
    scale(&site, "1").await
}

async fn cut_off(stage: &Stage<'_>) -> Result<(), SiteError> {
    let site = stage.site().await?;
    let acting = two_runners(stage, &site).await?;
    let step = stage.step("its manager is cut off");
    let fault = CutOff::both_ways(&acting.node);
    let away = if stage.is_control() {
        None
    } else {
        Some(fault.inject(stage.lab()).await?)
    };
    let patience = stage.patience(TO_ELECT, CONTROLS);
    let other = another_acts(&site, &acting, patience).await?;
    says(&acting, &[STOPPED]).await?;
    says(&other, &[BEGUN]).await?;
    let (stopped, begun) = (when(&acting, STOPPED).await?, when(&other, BEGUN).await?);
    stage.check(stopped.is_some() && stopped < begun, Kind::Overlap, || {
        format!("expected one to stop before the other begins, found {stopped:?}, {begun:?}")
    });
    drop(step);
    if let Some(away) = away {
        away.end().await?;
    }
    scale(&site, "1").await
}

/// When a runner last logged a line with that in it.
async fn when(runner: &Task, what: &str) -> Result<Option<Timestamp>, SiteError> {
    let log = runner.log().await?;
    let line = log.lines().rfind(|line| line.contains(what));
    let moment = line.and_then(|line| line.split_whitespace().next());
    Ok(moment.and_then(|moment| moment.parse().ok()))
}

/// Two runners, of which one acts: that one. The other says so.
async fn two_runners(stage: &Stage<'_>, site: &Site<'_>) -> Result<Task, SiteError> {
    let _step = stage.step("a second runner is started");
    scale(site, "2").await?;
    // Swarm may replace the first one too.
    site.runner().converged(TO_START).await?;
    let acting = acting(site, TO_START).await?;
    if stage.is_control() && site.runner().running().await?.len() < 2 {
        return Ok(acting);
    }
    let others = until("a second runner run", TO_START, async || {
        let running = site.runner().running().await.map_err(|e| e.to_string())?;
        let other = running.into_iter().find(|task| task.id != acting.id);
        other.ok_or_else(|| "one runs".to_owned())
    });
    let other = others.await?;
    says(&other, &["standby: patch_rollover.", " holds the lease"]).await?;
    Ok(acting)
}

/// The account's key, which both use, is changed by the one that acts only.
async fn another_key(stage: &Stage<'_>, site: &Site<'_>, acting: &Task) -> Result<(), SiteError> {
    let _step = stage.step("the account gets another key");
    let change = ["/rollover", "account", "rollover-key", "--wait", "1s"];
    for runner in site.runner().running().await? {
        let said = runner.exec(&change).await?;
        let (code, expected) = if runner.id == acting.id {
            (0, "the account has another key")
        } else {
            (2, " holds the lease")
        };
        let text = format!("{}{}", said.stdout, said.stderr);
        let clear = said.code == code && text.contains(expected);
        stage.check(clear, Kind::Overlap, || {
            format!("expected exit code {code} and {expected:?}, found {said}")
        });
    }
    Ok(())
}

async fn scale(site: &Site<'_>, replicas: &str) -> Result<(), SiteError> {
    site.runner().update(&["--replicas", replicas]).await?;
    Ok(())
}

/// The runner that holds the lease and runs.
async fn acting(site: &Site<'_>, deadline: Duration) -> Result<Task, SiteError> {
    let what = "a runner hold the lease";
    Ok(until(what, deadline, async || {
        let holder = site.leading().await.map_err(|e| e.to_string())?;
        holder
            .filter(Task::is_running)
            .ok_or_else(|| "none that runs does".to_owned())
    })
    .await?)
}

async fn another_acts(site: &Site<'_>, than: &Task, deadline: Duration) -> Result<Task, SiteError> {
    let what = "another runner take the lease";
    Ok(until(what, deadline, async || {
        let holder = site.leading().await.map_err(|e| e.to_string())?;
        let other = holder.filter(|task| task.id != than.id && task.is_running());
        other.ok_or_else(|| format!("{} holds it, or nobody", than.id))
    })
    .await?)
}

/// Waits until a runner has logged a line with each of these.
async fn says(runner: &Task, expected: &[&str]) -> Result<(), SiteError> {
    let what = format!("the runner {} say so", runner.id);
    Ok(until(what, TO_SAY, async || {
        let log = runner.log().await.map_err(|e| e.to_string())?;
        match expected.iter().find(|part| !log.contains(**part)) {
            None => Ok(()),
            Some(part) => Err(format!("expected {part:?}, found:\n{log}")),
        }
    })
    .await?)
}

/// A certificate that is due, until it is renewed.
struct Renewed<'stage, 'lab> {
    stage: &'stage Stage<'lab>,
    site: &'stage Site<'lab>,
    versions: u32,
    due: std::cell::Cell<Option<crate::site::Due>>,
}

impl<'stage, 'lab> Renewed<'stage, 'lab> {
    async fn before(
        stage: &'stage Stage<'lab>,
        site: &'stage Site<'lab>,
    ) -> Result<Self, SiteError> {
        Ok(Self {
            stage,
            site,
            versions: site.versions()?,
            due: std::cell::Cell::new(Some(site.make_due().await?)),
        })
    }

    /// Waits until a new one is there, which is no longer due.
    async fn issued(&self) -> Result<(), SiteError> {
        until("the certificate be renewed", TO_RENEW, async || {
            let versions = self.site.versions().map_err(|e| e.to_string())?;
            if versions > self.versions {
                drop(self.due.take());
                return Ok(());
            }
            Err(format!("there are {versions} versions"))
        })
        .await?;
        Ok(())
    }

    /// Waits until it is served, and sees that it was ordered once.
    async fn renewed_once(&self) -> Result<(), SiteError> {
        self.issued().await?;
        let served = self.site.serves(&self.site.published()?, TO_RENEW).await?;
        self.stage.one_certificate(&served);
        let (versions, before) = (self.site.versions()?, self.versions);
        let once = versions == before + 1;
        self.stage.check(once, Kind::OrderedTwice, || {
            format!("expected one more version than {before}, found {versions}")
        });
        Ok(())
    }
}
