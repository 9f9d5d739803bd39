//! What the tests of every rule begin with.

use std::time::Duration;

use super::super::nginx::Nginx;
use super::super::rule::Rule;
use super::super::*;

/// A service of which all is known, and nothing is wrong.
pub(in crate::preflight) fn sound() -> Facts {
    let networks = vec!["frontend".to_owned()];
    Facts {
        service: "web".to_owned(),
        label_errors: Vec::new(),
        rollout: Some(Rollout::Signal),
        replicas: Some(Replicas::Replicated(3)),
        update: Some(Update {
            parallelism: 1,
            order: Order::StopFirst,
            failure: Failure::Pause,
            monitor: Duration::from_secs(15),
        }),
        health_check: Some(health_check()),
        stop_signal: Some("SIGQUIT".to_owned()),
        stop_grace: Some(Duration::from_secs(25)),
        host_ports: Some(Vec::new()),
        seen_at_nodes: Some(false),
        constraints: Some(Vec::new()),
        command: Some(vec!["nginx".to_owned()]),
        certificates: vec![CHAIN.into()],
        other_names: Some(Vec::new()),
        mounts: Some(vec![Mount {
            target: "/etc/letsencrypt".into(),
            what: "the host's directory /mnt/certificates".to_owned(),
            kept: Kept::Unclear,
        }]),
        networks: Some(networks.clone()),
        runner: Some(Runner {
            service: "rollover".to_owned(),
            networks,
            constraints: vec!["node.role == manager".to_owned()],
        }),
        nodes: Some((1..=3).map(node).collect()),
        inside: Some((1..=3).map(inside).collect()),
        missed: Vec::new(),
    }
}

pub(super) const CHAIN: &str = "/etc/letsencrypt/live/example.org/fullchain.pem";

pub(super) fn health_check() -> HealthCheck {
    HealthCheck::Present {
        interval: Duration::from_secs(2),
        timeout: Duration::from_secs(3),
        retries: 3,
        start_period: Duration::ZERO,
    }
}

fn node(number: u8) -> Node {
    Node {
        name: format!("node-{number}"),
        manager: number == 1,
        takes_tasks: true,
        engine: Some(Version(28, 5, 2)),
    }
}

fn inside(number: u8) -> Inside {
    Inside {
        replica: format!("web.{number}.x"),
        node: format!("node-{number}"),
        first_process: Ok("nginx: master process nginx -g daemon off;".to_owned()),
        stop_signal: "SIGQUIT".to_owned(),
        health_check: health_check(),
        certificates: vec![Seen {
            chain: CHAIN.into(),
            leaf: Ok("0ed09056efc5".to_owned()),
            kept_from: None,
        }],
        nginx: Some(Ok(Nginx {
            version: Some(Version(1, 30, 6)),
            worker_shutdown_timeout: Some(Duration::from_secs(20)),
            keepalive_min_timeout: Duration::from_secs(10),
        })),
    }
}

/// The sound service with something changed.
pub(super) fn with(change: impl FnOnce(&mut Facts)) -> Facts {
    let mut facts = sound();
    change(&mut facts);
    facts
}

/// The sound service, by a restart instead, with something changed.
pub(super) fn restarted(change: impl FnOnce(&mut Facts)) -> Facts {
    with(|facts| {
        facts.rollout = Some(Rollout::Restart { parallelism: 1 });
        change(facts);
    })
}

/// The sound service with something changed in what its nginx is set to.
pub(super) fn with_nginx(change: impl Fn(&mut Nginx)) -> Facts {
    with(|facts| {
        for replica in facts.inside.iter_mut().flatten() {
            if let Some(Ok(nginx)) = &mut replica.nginx {
                change(nginx);
            }
        }
    })
}

/// What the rule says: `error: found; fix`, `not known: what`, or nothing.
pub(super) fn said(rule: &Rule, facts: &Facts) -> String {
    let verdict = (rule.check)(facts);
    let found = verdict.found.iter().map(|found| {
        let Found {
            severity,
            what,
            fix,
            ..
        } = found;
        format!("{severity}: {what}; {fix}")
    });
    let not_known = verdict.not_known.iter();
    let not_known = not_known.map(|what| format!("not known: {what}"));
    found.chain(not_known).collect::<Vec<_>>().join("\n")
}

#[test]
fn nothing_is_found_in_what_is_sound() {
    let checked = check(&sound());
    assert_eq!(checked.findings, []);
    assert_eq!(checked.not_known, []);
}

#[test]
fn codes_are_in_order_and_names_tell_rules_apart() {
    assert!(RULES.is_sorted_by(|a, b| a.code < b.code));
    let names: std::collections::BTreeSet<_> = RULES.iter().map(|rule| rule.name).collect();
    assert_eq!(names.len(), RULES.len());
}

/// A source that can tell nothing must not pass for one that is sound.
#[test]
fn of_a_service_of_which_nothing_is_known_nothing_is_passed_in_silence() {
    let nothing = Facts {
        service: "web".to_owned(),
        certificates: vec![CHAIN.into()],
        ..Facts::default()
    };
    let checked = check(&nothing);
    assert_eq!(checked.findings, []);
    let silent = RULES.iter().map(|rule| rule.code).filter(|code| {
        let mut not_known = checked.not_known.iter();
        !not_known.any(|not_known| not_known.code == *code)
    });
    // Labels are there or not; a restart's rule has to know of a restart.
    assert_eq!(silent.collect::<Vec<_>>(), ["RO001"]);
}
