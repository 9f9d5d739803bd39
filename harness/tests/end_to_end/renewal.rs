//! A due certificate renews under traffic.

use std::collections::BTreeMap;

use rollover_lab::lab::Lab;
use rollover_lab::report::attribution::Moment;
use rollover_lab::scenario::{Account, Load, Renewal, SiteOptions, Strategy};

use crate::nothing_due::SIGNAL_JOB;
use crate::support::{Outcome, options, proved, site};

/// How often in a row: enough that the control below cannot miss.
const TIMES: u32 = 3;

fn renewal(times: u32) -> Renewal {
    Renewal {
        load: Load::default(),
        times,
    }
}

/// By `signal`, with 100 requests/s in each lane: every replica serves the new
/// one, no request is lost, no task was replaced.
pub(crate) async fn signal_loses_nothing(lab: &Lab) -> Outcome {
    let site = site(lab, options()?).await?;
    let account = proved(&site, renewal(TIMES)).await?;
    println!("{account}");
    assert_eq!(account.record.lost(), 0, "{account}");
    assert!(
        account.changes().iter().all(|change| !change.replaced),
        "{account}"
    );
    assert_eq!(killed(&account.moments), [""; 0], "{account}");
    assert!(
        !lab.service(SIGNAL_JOB).exists().await?,
        "the job stayed behind"
    );
    Ok(())
}

/// The tasks whose process ended.
fn killed(moments: &[Moment]) -> Vec<&str> {
    let ended = moments
        .iter()
        .filter(|moment| moment.what.starts_with("died"));
    ended.map(|moment| moment.node.as_str()).collect()
}

/// The control of the above: without `keepalive_min_timeout`, the same traffic
/// and the same reloads lose requests on idle connections. If this one passed
/// without a loss, the zero above would prove nothing.
pub(crate) async fn control_without_keepalive_min_timeout(lab: &Lab) -> Outcome {
    let options = SiteOptions {
        keepalive_min_timeout: "0".to_owned(),
        ..options()?
    };
    let site = site(lab, options).await?;
    let account = proved(&site, renewal(TIMES)).await?;
    println!("{account}");
    assert!(
        account.record.lost() > 0,
        "the control lost nothing\n{account}"
    );
    let on_idle = account
        .record
        .losses()
        .all(|loss| &*loss.lane == "keep-alive");
    assert!(on_idle, "{account}");
    Ok(())
}

/// By `restart`: every replica serves it, tasks are replaced one at a time,
/// and every loss belongs to a replica and a moment. The figure is printed: it
/// is what the forced update, which many run every night, loses here.
pub(crate) async fn restart_is_counted_and_attributed(lab: &Lab) -> Outcome {
    let options = SiteOptions {
        strategy: Strategy::Restart,
        // What is lost is lost while a replica is away; how long the update
        // then waits changes nothing of it, and would only make this longer.
        restart_delay: "2s".to_owned(),
        ..options()?
    };
    let site = site(lab, options).await?;
    let account = proved(&site, renewal(1)).await?;
    println!("{account}");
    assert!(
        account.changes().iter().all(|change| change.replaced),
        "{account}"
    );
    // Each replica has its node's ports to itself: nothing answers while it is away.
    assert!(account.record.lost() > 0, "nothing to attribute\n{account}");
    one_at_a_time(&account.moments);
    every_loss_has_its_place(&account);
    Ok(())
}

/// No replica was taken away while another was away.
fn one_at_a_time(moments: &[Moment]) {
    let mut away: BTreeMap<&str, &Moment> = BTreeMap::new();
    let mut replaced = 0;
    for moment in moments {
        if moment.what.starts_with("signal") {
            away.insert(&moment.node, moment);
            assert_eq!(away.len(), 1, "away at the same time: {away:?}");
        } else if moment.what == "healthy" && away.remove(moment.node.as_str()).is_some() {
            replaced += 1;
        }
    }
    assert_eq!(replaced, 3, "{moments:?}");
}

/// Each loss happened at a node after its replica was told to stop.
fn every_loss_has_its_place(account: &Account) {
    let attribution = account.attribution();
    assert_eq!(attribution.losses.len(), account.record.lost());
    for loss in &attribution.losses {
        let cause = loss.cause.as_ref();
        let cause = cause.unwrap_or_else(|| panic!("{loss:?} has no cause\n{account}"));
        assert_eq!(cause.node, loss.target, "{loss:?}");
        assert!(loss.replica.is_some(), "{loss:?}");
        let told = ["signal", "died", "stopped", "started"];
        assert!(
            told.iter().any(|what| cause.what.starts_with(what)),
            "{loss:?}"
        );
    }
}
