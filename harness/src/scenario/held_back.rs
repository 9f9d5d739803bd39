//! No replica takes the new certificate.

use std::time::Duration;

use jiff::SignedDuration;

use super::disturbed::HURRY;
use super::{Control, Kind, Parameters, Scenario, Stage};
use crate::clock::now;
use crate::fault::{Fault, LabelChanged, Replica, TaskFault};
use crate::site::{Engine, HeldBackStatus, Serves, Site, SiteError, SiteOptions, Status};

/// With the engine `acme`, the version of before is published again, and the new one
/// is tried until replicas take it.
pub(super) const SCENARIO: Scenario = Scenario {
    name: "held-back",
    about: "No replica's test command takes the new certificate: the one before is published \
            again, a replica that starts meanwhile serves it, nothing is lost or ordered again, and \
            all serve the new one once they take it.",
    control: Control {
        wrong: "no replica takes it ever after",
        found_by: &[Kind::Stuck],
    },
    parameters: Parameters::default,
    play: |stage| Box::pin(play(stage)),
};

const LOAD_BALANCER: &str = "patch_loadbalancer";
/// Long enough for a second try, which comes ten seconds after the first.
const TO_BE_TRIED: Duration = Duration::from_secs(90);
const TO_START: Duration = Duration::from_secs(90);
/// The change of the service is to be what has it tried again, not its turn.
const QUIET: SignedDuration = SignedDuration::from_secs(20);
/// A try that takes long; the third, which nobody calls, would come a minute after the
/// second, and is not waited for.
const TO_HEAL: Duration = Duration::from_secs(90);
/// That the change of the service is what had it tried again.
const CALLED: &str = "which was held back: the service that did not take it was changed";
/// Longer than the second try takes to come.
const CONTROLS: Duration = Duration::from_secs(40);

async fn play(stage: &Stage<'_>) -> Result<(), SiteError> {
    let options = SiteOptions {
        engine: Engine::Acme,
        ..stage.options()?
    };
    let site = stage.site_with(options).await?;
    site.runner().update(&HURRY).await?;
    site.settle().await?;
    let (before, versions) = (site.seen().await?, site.versions()?);
    let old = site.published()?;
    let traffic = stage.traffic(&site).await?;
    let wrong = "nginx -t -c /nowhere/nginx.conf";
    let broken = LabelChanged::of(LOAD_BALANCER, "rollover.test", wrong);
    let broken = broken.inject(stage.lab()).await?;
    refused(stage, &site, &old, &before).await?;
    let new = new_one(stage, &site).await?;
    if stage.is_control() {
        let healed = serves_the_new_one(stage, &site, &new).await;
        broken.end().await?;
        return healed;
    }
    tried_again(stage, &site).await?;
    stage.nothing_lost(traffic.stop().await?);
    a_replica_starts(stage, &site, &old).await?;
    // That took its time, and the next try may be near.
    tried_again(stage, &site).await?;
    let traffic = stage.traffic(&site).await?;
    broken.end().await?;
    serves_the_new_one(stage, &site, &new).await?;
    let said = site.runner().logs().await?;
    stage.check(said.contains(CALLED), Kind::Unclear, || {
        format!("expected the runner to say {CALLED:?}")
    });
    stage.nothing_lost(traffic.stop().await?);
    let issued = site.versions()?;
    stage.check(issued == versions + 1, Kind::OrderedTwice, || {
        format!("expected one more version than {versions}, found {issued}")
    });
    Ok(())
}

/// A renewal of which nobody is told in the end.
async fn refused(
    stage: &Stage<'_>,
    site: &Site<'_>,
    old: &str,
    before: &[Serves],
) -> Result<(), SiteError> {
    let _step = stage.step("a renewal that no replica takes");
    let once = site.once(&["--force", &site.options().domain]).await?;
    let expected = [
        "is held back since",
        "/nowhere/nginx.conf",
        "tried again at",
    ];
    stage.failed_with(&once, &expected);
    let published = site.published()?;
    stage.check(published == old, Kind::Stale, || {
        format!("expected {old} to be published again, found {published}")
    });
    stage.untouched(site, before).await
}

/// The fingerprint of what is held back, as `rollover status` tells it.
async fn new_one(stage: &Stage<'_>, site: &Site<'_>) -> Result<String, SiteError> {
    let status = site.status().await?;
    let mut certificates = status.report.certificates.into_iter();
    let held_back = certificates.find_map(|certificate| certificate.held_back);
    stage.check(held_back.is_some(), Kind::Unclear, || {
        format!(
            "expected a version that is held back, found {}",
            status.output
        )
    });
    Ok(held_back.map(|it| it.fingerprint).unwrap_or_default())
}

/// Waits for a second try that fails as well, and has the next one far away.
async fn tried_again(stage: &Stage<'_>, site: &Site<'_>) -> Result<(), SiteError> {
    let _step = stage.step("it is tried again, in vain");
    let quiet = |held_back: &HeldBackStatus| {
        let left = held_back.tried_again_at.duration_since(now());
        held_back.failures > 1 && left > QUIET
    };
    let what = "it be tried again, and then be quiet";
    let found = |status: &Status| {
        let mut certificates = status.report.certificates.iter();
        certificates.any(|it| it.held_back.as_ref().is_some_and(quiet))
    };
    site.status_until(what, TO_BE_TRIED, found).await?;
    Ok(())
}

/// A replica is killed, and the one in its place reads what is published.
async fn a_replica_starts(stage: &Stage<'_>, site: &Site<'_>, old: &str) -> Result<(), SiteError> {
    let _step = stage.step("a replica starts by itself");
    let replica = Replica::in_slot(LOAD_BALANCER, 2);
    let task = replica.task(stage.lab()).await?;
    TaskFault::killed(replica)
        .inject(stage.lab())
        .await?
        .end()
        .await?;
    site.load_balancer().replaced(&task, TO_START).await?;
    let served = site.seen().await?;
    let other = served.iter().find(|serves| serves.fingerprint != old);
    stage.check(other.is_none(), Kind::Stale, || {
        format!("expected every replica to serve {old}, found {other:?}")
    });
    Ok(())
}

/// Waits until every replica serves the new one, and it is published, without a
/// person.
async fn serves_the_new_one(
    stage: &Stage<'_>,
    site: &Site<'_>,
    new: &str,
) -> Result<(), SiteError> {
    let _step = stage.step("all heals by itself");
    let deadline = stage.patience(TO_HEAL, CONTROLS);
    site.serves(new, deadline).await?;
    let published = site.published()?;
    stage.check(published == new, Kind::Stale, || {
        format!("expected {new} to be published, found {published}")
    });
    Ok(())
}
