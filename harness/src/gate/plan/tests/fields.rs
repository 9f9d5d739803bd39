//! What a change of each key of a service does.

use super::super::Outcome;
use super::planned;

const WEB: &str = "
services:
  web:
    image: nginx:1.29
    command: [nginx, -g, daemon off;]
    environment: {A: one, B: two}
    healthcheck: {test: [CMD, curl, localhost], interval: 2s}
    stop_grace_period: 10s
    labels: {a.b: c}
    ports: ['80:80', {target: 443, published: 443, mode: host}]
    volumes: ['data:/data', '/etc/ssl:/etc/ssl:ro']
    networks: [front, back]
    secrets: [key]
    deploy:
      replicas: 2
      labels: [d.e=f]
      update_config: {parallelism: 1, order: start-first}
      resources: {limits: {memory: 64M, cpus: '0.5'}}
      restart_policy: {condition: any, delay: 1s}
      placement: {constraints: [node.role == worker]}
networks: {front: , back: {driver: overlay}}
volumes: {data: {driver: local}}
secrets: {key: {external: true}}
";

/// What becomes of the service, and the changes.
fn said(from: &str, to: &str) -> (Outcome, String) {
    assert!(WEB.contains(from), "{from} is not in the stack");
    let planned = planned(WEB, &WEB.replacen(from, to, 1));
    let web = &planned.services[0];
    let changes: Vec<_> = web.changes.iter().map(ToString::to_string).collect();
    (web.outcome, changes.join("; "))
}

#[test]
fn what_a_task_is_made_from_restarts_it() {
    let changes = [
        ("nginx:1.29", "nginx:1.30"),
        ("daemon off;", "daemon on;"),
        ("A: one, ", ""),
        ("A: one", "A: other"),
        ("interval: 2s", "interval: 3s"),
        (
            "{test: [CMD, curl, localhost], interval: 2s}",
            "{disable: true}",
        ),
        ("stop_grace_period: 10s", "stop_grace_period: 20s"),
        ("    stop_grace_period: 10s\n", ""),
        ("a.b: c", "a.b: d"),
        ("'80:80'", "'81:80'"),
        ("mode: host", "mode: ingress"),
        ("'data:/data'", "'data:/other'"),
        ("ssl:ro", "ssl"),
        (
            "['data:/data', '/etc/ssl:/etc/ssl:ro']",
            "['/etc/ssl:/etc/ssl:ro', 'data:/data']",
        ),
        ("[front, back]", "[front]"),
        ("[front, back]", "{front: {aliases: [shop]}, back: }"),
        ("secrets: [key]", "secrets: [{source: key, mode: 0400}]"),
        ("memory: 64M", "memory: 65M"),
        ("delay: 1s", "delay: 2s"),
        (
            "driver: local",
            "driver: local, driver_opts: {o: password=a}",
        ),
    ];
    let said = changes.map(|(from, to)| {
        let (outcome, changes) = said(from, to);
        assert_eq!(outcome, Outcome::Restarted, "{to}");
        changes
    });
    insta::assert_snapshot!(said.join("\n"), @r#"
    image: nginx:1.29 → nginx:1.30
    command: another value
    environment.A: removed
    environment.A: another value
    healthcheck.interval: 2s → 3s
    healthcheck.disable: not set → true; healthcheck.interval: 2s → not set; healthcheck.test: removed
    stop_grace_period: 10s → 20s
    stop_grace_period: 10s → not set
    labels.a.b: another value
    ports: 443:443/tcp host, 80:80/tcp ingress → 443:443/tcp host, 81:80/tcp ingress
    ports: 443:443/tcp host, 80:80/tcp ingress → 443:443/tcp ingress, 80:80/tcp ingress
    volumes./data: volume data → not set; volumes./other: not set → volume data
    volumes./etc/ssl: bind /etc/ssl read-only → bind /etc/ssl
    volumes: /data, /etc/ssl → /etc/ssl, /data
    networks.back: attached → not set
    networks.front.aliases: not set → shop
    secrets.key: "key" (0:0, 0444) → "key" (0:0, 0400)
    deploy.resources.limits.memory: 67108864 bytes → 68157440 bytes
    deploy.restart_policy.delay: 1s → 2s
    volumes./data.driver_opts: added
    "#);
}

#[test]
fn what_is_of_the_service_alone_replaces_no_task() {
    let changes = [
        ("replicas: 2", "replicas: 3"),
        ("d.e=f", "d.e=g"),
        ("order: start-first", "order: stop-first"),
        (
            "placement: {constraints: [node.role == worker]}",
            "placement: {}",
        ),
        ("placement: {", "placement: {max_replicas_per_node: 1, "),
    ];
    let said = changes.map(|(from, to)| {
        let (outcome, changes) = said(from, to);
        assert_eq!(outcome, Outcome::Updated, "{to}");
        changes
    });
    insta::assert_snapshot!(said.join("\n"), @r"
    deploy.replicas: 2 → 3 (replaces no task)
    deploy.labels.d.e: another value (replaces no task)
    deploy.update_config.order: start-first → stop-first (replaces no task)
    deploy.placement.constraints: node.role == worker → not set (replaces tasks whose node is no longer allowed)
    deploy.placement.max_replicas_per_node: not set → 1 (replaces no task)
    ");
}

#[test]
fn the_same_in_other_words_is_unchanged() {
    for (from, to) in [
        ("[nginx, -g, daemon off;]", "nginx -g 'daemon off;'"),
        ("{A: one, B: two}", "[B=two, A=one]"),
        ("stop_grace_period: 10s", "stop_grace_period: 10000ms"),
        ("{a.b: c}", "[a.b=c]"),
        (
            "'80:80'",
            "{target: 80, published: 80, protocol: tcp, mode: ingress}",
        ),
        (
            "'/etc/ssl:/etc/ssl:ro'",
            "{type: bind, source: /etc/ssl, target: /etc/ssl, read_only: true}",
        ),
        ("[front, back]", "{back: , front: {}}"),
        (
            "secrets: [key]",
            "secrets: [{source: key, target: key, mode: 0444}]",
        ),
        ("memory: 64M", "memory: 65536k"),
        ("cpus: '0.5'", "cpus: '0.50'"),
        ("condition: any, ", ""),
        ("replicas: 2", "mode: replicated\n      replicas: 2"),
        ("image: nginx", "tty: false\n    image: nginx"),
    ] {
        assert_eq!(said(from, to), (Outcome::Unchanged, String::new()), "{to}");
    }
}

/// The known-bad twin of that: it looks the same, and is not to the docker command.
#[test]
fn what_looks_the_same_and_is_not_restarts() {
    let numbers = WEB
        .replace("A: one", "A: 1.0")
        .replace("a.b: c", "a.b: 010");
    let empty = WEB.replace("A: one", "A: ''").replace("a.b: c", "a.b: 1_0");
    let list = WEB.replace("labels: {a.b: c}", "extra_hosts: ['a', 'b']");
    for (stack, from, to) in [
        (&numbers, "A: 1.0", "A: '1.0'"),
        (&numbers, "a.b: 010", "a.b: '010'"),
        (&empty, "A: ''", "A: "),
        (&empty, "a.b: 1_0", "a.b: '1_0'"),
        (&list, "['a', 'b']", "['a, b']"),
        (
            &list,
            "extra_hosts: ['a', 'b']",
            "extra_hosts: ['a\", \"b']",
        ),
    ] {
        assert!(stack.contains(from), "{from}");
        let planned = planned(stack, &stack.replace(from, to));
        assert_eq!(planned.services[0].outcome, Outcome::Restarted, "{to}");
    }
    for (one, other) in [("1", "'1'"), ("1.2.3.4", "'1.2.3.4'")] {
        let stack = |value: &str| WEB.replace("A: one", &format!("A: {value}"));
        let planned = planned(&stack(one), &stack(other));
        assert_eq!(planned.services[0].outcome, Outcome::Unchanged, "{one}");
    }
}

#[test]
fn what_is_ignored_is_told_and_changes_nothing() {
    let (outcome, told) = said("image: nginx", "container_name: shop\n    image: nginx");
    assert_eq!(outcome, Outcome::Unchanged);
    assert_eq!(
        told,
        "container_name: added (docker stack deploy does not look at it)"
    );
}

/// The known-bad twin: whatever is added under a service, it is never unchanged.
#[test]
fn what_nobody_knows_may_restart() {
    for (from, to) in [
        ("image: nginx", "gpus: all\n    image: nginx"),
        ("replicas: 2", "replicas: 2\n      priority: 3"),
        ("interval: 2s", "interval: 2s, start_when: now"),
    ] {
        let (outcome, told) = said(from, to);
        assert_eq!(outcome, Outcome::MayRestart, "{told}");
        assert!(told.ends_with("added (not known what it does)"), "{told}");
    }
}

#[test]
fn another_constraint_may_exclude_a_node() {
    let (outcome, told) = said("node.role == worker", "node.labels.zone == b");
    assert_eq!(outcome, Outcome::MayRestart);
    insta::assert_snapshot!(told, @"deploy.placement.constraints: node.role == worker → node.labels.zone == b (replaces tasks whose node is no longer allowed)");
}

#[test]
fn another_mode_is_refused() {
    let planned = planned(WEB, &WEB.replace("replicas: 2", "mode: global"));
    assert_eq!(planned.services[0].outcome, Outcome::Refused);
    assert!(!planned.can_work());
    insta::assert_snapshot!(planned.cannot_work.join("\n"), @"service web: deploy.mode: replicated → global (a swarm refuses it)");
}

#[test]
fn a_job_runs_again_whatever_changes() {
    let job = WEB.replace("replicas: 2", "mode: replicated-job");
    assert_eq!(planned(&job, &job).services[0].outcome, Outcome::RunsAgain);
}

#[test]
fn secrets_that_the_runner_put_there_are_thought_of() {
    let secret = "labels: [rollover.enable=true, rollover.strategy=secret]";
    let stack = WEB.replace("labels: [d.e=f]", secret);
    let planned = planned(&stack, &stack);
    assert_eq!(planned.services[0].outcome, Outcome::MayRestart);
}
