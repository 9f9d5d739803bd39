//! A renewal by signal loses nothing.

use super::nothing_due::SIGNAL_JOB;
use super::{Control, Kind, Parameters, Scenario, Stage};
use crate::site::{Account, SiteError, SiteOptions};

/// By `signal`, under traffic: every replica serves the new certificate, no
/// request is lost, no task is replaced.
pub(super) const SCENARIO: Scenario = of("renewal/signal", || Parameters {
    rate: 100,
    requests: 10_000,
    ..Parameters::default()
});

/// The same with more of everything.
pub(super) const LONG: Scenario = of("renewal/signal-long", || Parameters {
    rate: 100,
    requests: 50_000,
    renewals: 10,
    ..Parameters::default()
});

const fn of(name: &'static str, parameters: fn() -> Parameters) -> Scenario {
    Scenario {
        name,
        about: "A certificate is renewed by signal under traffic, several times in a row: \
            every replica serves the new one, no request is lost, no task is replaced.",
        control: Control {
            wrong: "nginx runs without keepalive_min_timeout, and resets requests that meet a \
                reload on an idle connection",
            found_by: &[Kind::Lost],
        },
        parameters,
        play: |stage| Box::pin(play(stage)),
    }
}

async fn play(stage: &Stage<'_>) -> Result<(), SiteError> {
    let mut options = stage.options()?;
    if stage.is_control() {
        options = SiteOptions {
            keepalive_min_timeout: "0".to_owned(),
            ..options
        };
    }
    let site = stage.site_with(options).await?;
    let step = stage.step("renewals under traffic");
    let account = stage.renewal().run(&site).await?;
    drop(step);
    let there = site.lab().service(SIGNAL_JOB).exists().await?;
    stage.check(!there, Kind::LeftBehind, || {
        format!("expected the job {SIGNAL_JOB} to be removed, found it")
    });
    renewed_without_harm(stage, account);
    Ok(())
}

/// Every replica was proved to serve what was issued, none was replaced, and
/// nothing was lost.
pub(super) fn renewed_without_harm(stage: &Stage<'_>, account: Account) {
    proved(stage, &account, stage.parameters().renewals);
    no_task_replaced(stage, &account);
    stage.nothing_lost(account.record);
}

/// Every replica changed, all to what the runner says that it issued last, and
/// traffic saw each of them change.
pub(super) fn proved(stage: &Stage<'_>, account: &Account, times: u32) {
    let last = account.reports.last();
    let issued = last.and_then(|report| report.certificates.first()?.after.clone());
    let replicas = usize::from(stage.parameters().replicas);
    let changes = account.changes();
    stage.check(changes.len() == replicas, Kind::Stale, || {
        format!("expected {replicas} replicas, found {}", changes.len())
    });
    for change in changes {
        let proved = issued.as_ref() == Some(&change.after)
            && change.before.as_ref() != Some(&change.after)
            && change.changed_at.is_some();
        stage.check(proved, Kind::Stale, || {
            let (node, after) = (&change.node, &change.after);
            let before = change.before.as_deref().unwrap_or("nothing");
            let issued = issued.as_deref().unwrap_or("a new certificate");
            let seen = match change.changed_at {
                Some(_) => "traffic saw it",
                None => "traffic never saw it",
            };
            format!("expected {issued} to be served anew, found {after} on {node} after {before}, and {seen}")
        });
    }
    let verified = account.seconds_to_verified();
    stage.check(verified.len() == times as usize, Kind::Stale, || {
        format!("expected the runner to prove {times} renewals, found {verified:?}")
    });
    for seconds in verified {
        stage.figure("from the new file to every replica proved", seconds, "s");
    }
}

fn no_task_replaced(stage: &Stage<'_>, account: &Account) {
    let changes = account.changes().into_iter();
    let replaced = changes.filter(|change| change.replaced);
    let mut ended: Vec<_> = replaced
        .map(|change| format!("another task on {}", change.node))
        .collect();
    let moments = account.moments.iter();
    let died = moments.filter(|moment| moment.what.starts_with("died"));
    ended.extend(died.map(|it| format!("{}: {} at {}", it.node, it.what, it.at)));
    stage.check(ended.is_empty(), Kind::Touched, || {
        format!("expected no task to end, found {}", ended.join("; "))
    });
}
