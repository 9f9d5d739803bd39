//! The ACME server is down; then certbot fails.

use std::net::Ipv4Addr;

use rollover_lab::lab::{Lab, Node};
use rollover_lab::scenario::{Load, Once, Site, TrafficRun};

use crate::support::{Outcome, options, site, task_ids};

/// Nothing is touched, traffic is unharmed, the error names certificate, step
/// and cause, and the next run recovers.
pub(crate) async fn pebble_down_then_certbot_failing(lab: &Lab) -> Outcome {
    let site = site(lab, options()?).await?;
    let (tasks, served) = (task_ids(&site).await?, site.served().await?);
    let _due = site.make_due()?;
    let traffic = TrafficRun::start(&site, Load::default()).await?;

    // certbot runs where the runner runs, on the manager.
    let (manager, acme) = (lab.manager(), lab.acme().address());
    manager.cut_off_from(acme).await?;
    let down = site.once(&[]).await?;
    manager.reconnect_to(acme).await?;
    failed_with(
        &down,
        &[
            "certificate example.org: renew with certbot",
            "No route to host",
        ],
    );
    assert_eq!(site.served().await?, served);

    let nowhere = [Ipv4Addr::LOCALHOST];
    lab.acme().set_addresses("example.org", &nowhere).await?;
    let refused = site.once(&[]).await?;
    let nodes: Vec<_> = lab.nodes().iter().map(Node::address).collect();
    lab.acme().set_addresses("example.org", &nodes).await?;
    failed_with(
        &refused,
        &[
            "certificate example.org: renew with certbot",
            "challenges have failed",
        ],
    );
    assert_eq!(site.served().await?, served);

    recovers(&site).await?;
    let record = traffic.stop().await?;
    assert_eq!(record.lost(), 0, "{}", record.summary());
    assert_eq!(task_ids(&site).await?, tasks);
    Ok(())
}

fn failed_with(once: &Once, expected: &[&str]) {
    assert_eq!(once.output.code, 1, "{:?}", once.output);
    let errors = once.errors().join("\n");
    for part in expected {
        assert!(errors.contains(part), "expected {part:?} in: {errors}");
    }
}

async fn recovers(site: &Site<'_>) -> Outcome {
    let before = site.served().await?;
    let report = site.once(&[]).await?.succeeded()?;
    assert_eq!(report.certificates[0].outcome, "issued");
    let after = site.served().await?;
    for (before, after) in before.iter().zip(&after) {
        assert_ne!(before.fingerprint, after.fingerprint);
    }
    Ok(())
}
