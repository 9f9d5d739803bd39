//! Each rule that a file can tell something of, red and green.

use super::{SOUND, not_known, said, with};

#[test]
fn a_wrong_label_is_found_where_it_stands() {
    let mapping = with("rollover.strategy: restart", "rollover.stategy: restart");
    insta::assert_snapshot!(said(&mapping).split(": expected").next().unwrap(), @r#"stack.yml:20:9 error RO001: service web: label rollover.stategy="restart""#);
    let list = with(
        "        rollover.enable: \"true\"
        rollover.domains: example.org
        rollover.strategy: restart",
        "        - rollover.enable=true
        - rollover.domains=example.org
        - rollover.strategy=reload",
    );
    insta::assert_snapshot!(said(&list), @r#"stack.yml:20:11 error RO001: service web: label rollover.strategy="reload": expected signal, restart or secret; everything else goes on"#);
    let missing = with("        rollover.domains: example.org\n", "");
    assert!(
        said(&missing).starts_with("stack.yml:17:7 error RO001"),
        "{}",
        said(&missing)
    );
}

#[test]
fn one_replica_is_found_unless_the_new_one_starts_first() {
    let one = with("replicas: 3", "replicas: 1");
    insta::assert_snapshot!(said(&one), @"stack.yml:16:7 error RO101: 1 replica, which is stopped before the next is started");
    let first = one.replacen(
        "monitor: 15s",
        "order: start-first\n        monitor: 15s",
        1,
    );
    assert_eq!(said(&first), "");
    let not_set = with("      replicas: 3\n", "");
    insta::assert_snapshot!(said(&not_set), @"stack.yml:15:5 error RO101: 1 replica, which is stopped before the next is started");
}

#[test]
fn all_at_once_is_found_by_what_counts() {
    let label = with(
        "rollover.strategy: restart",
        "rollover.strategy: restart\n        rollover.parallelism: 3",
    );
    insta::assert_snapshot!(said(&label), @"stack.yml:21:9 error RO102: parallelism 3 of 3 replicas");
    let all = "parallelism: 0\n        monitor: 15s";
    let update = with("monitor: 15s", all);
    assert_eq!(said(&update), "");
    let by_signal = update.replacen("strategy: restart", "strategy: signal", 1);
    insta::assert_snapshot!(said(&by_signal), @"stack.yml:22:9 warning RO102: parallelism 0, which is all 3 replicas");
    let global = by_signal.replacen("replicas: 3", "mode: global", 1);
    insta::assert_snapshot!(said(&global), @"stack.yml:22:9 warning RO102: parallelism 0, which is all");
}

const TEST: &str = "      test: [CMD, curl, -fsSk, https://localhost/]\n";

#[test]
fn a_health_check_that_is_switched_off_is_found_and_an_image_s_is_not_known() {
    insta::assert_snapshot!(said(&with(TEST, "      disable: true\n")), @"stack.yml:5:5 error RO103: neither the service nor its image has a health check");
    let none = with(TEST, "      test: [NONE]\n");
    assert!(said(&none).contains("RO103"), "{}", said(&none));
    for left in ["", "      test: []\n"] {
        let left = with(TEST, left);
        assert_eq!(said(&left), "");
        assert_eq!(
            not_known(&left, "RO103"),
            "whether the image has a health check"
        );
    }
    assert_eq!(
        said(&with(TEST, "      test: curl -fsSk https://localhost/\n")),
        ""
    );
}

#[test]
fn a_monitor_that_ends_first_is_found_by_docker_s_defaults_too() {
    let short = with("monitor: 15s", "monitor: 14s");
    insta::assert_snapshot!(said(&short), @"stack.yml:22:9 warning RO104: monitor is 14s, and the health check may need 15s to fail (3 × (2s + 3s))");
    let default = with("      update_config:\n        monitor: 15s\n", "");
    insta::assert_snapshot!(said(&default), @"stack.yml:15:5 warning RO104: monitor is 5s, and the health check may need 15s to fail (3 × (2s + 3s))");
    let slow = with("interval: 2s", "interval: 1m30s");
    insta::assert_snapshot!(said(&slow), @"stack.yml:22:9 warning RO104: monitor is 15s, and the health check may need 279s to fail (3 × (90s + 3s))");
}

#[test]
fn ports_in_mode_host_are_found_in_the_long_form() {
    let host = with("published: 443}", "published: 443, mode: host}");
    insta::assert_snapshot!(said(&host), @"stack.yml:10:5 warning RO107: a restart with port 443 in mode host");
    let both = host.replacen(
        "monitor: 15s",
        "order: start-first\n        monitor: 15s",
        1,
    );
    insta::assert_snapshot!(said(&both), @r"
    stack.yml:22:9 error RO105: order start-first with port 443 in mode host
    stack.yml:10:5 warning RO107: a restart with port 443 in mode host
    ");
    assert_eq!(said(&with("{target: 443, published: 443}", "443:443")), "");
}

#[test]
fn start_first_with_rollback_is_found() {
    let both = "order: start-first\n        failure_action: rollback\n        monitor: 15s";
    insta::assert_snapshot!(said(&with("monitor: 15s", both)), @"stack.yml:23:9 warning RO106: order start-first with failure_action rollback");
}

#[test]
fn a_signal_that_cuts_is_found_where_the_file_names_nginx() {
    let term = with("SIGQUIT", "SIGTERM");
    insta::assert_snapshot!(said(&term), @"stack.yml:9:5 error RO201: nginx is stopped by SIGTERM");
    let unknown = term.replacen("    entrypoint: [nginx, -g, daemon off;]\n", "", 1);
    assert_eq!(said(&unknown), "");
    assert_eq!(
        not_known(&unknown, "RO201"),
        "whether the replicas run nginx, which SIGTERM would cut"
    );
    let text = term.replacen("[nginx, -g, daemon off;]", "nginx -g 'daemon off;'", 1);
    assert_eq!(said(&text), said(&term));
}

const BIND: &str = "      - /mnt/certificates:/etc/letsencrypt\n";

/// The sound stack with another volume, and what is declared of it.
fn mounted(volume: &str, declared: &str) -> String {
    with(BIND, &format!("      - {volume}\n")) + declared
}

#[test]
fn certificates_of_each_node_s_own_are_found() {
    let own = "volumes: {certificates: }\n";
    let short = mounted("certificates:/etc/letsencrypt:ro", own);
    insta::assert_snapshot!(said(&short), @"stack.yml:12:5 error RO301: /etc/letsencrypt/live/example.org/fullchain.pem is in the volume certificates, of which each node has its own");
    let long = mounted(
        "{type: volume, source: certificates, target: /etc/letsencrypt}",
        own,
    );
    assert_eq!(said(&long), said(&short));
    for of_the_node in [
        "/etc/letsencrypt",
        "{type: tmpfs, target: /etc/letsencrypt}",
    ] {
        let found = said(&mounted(of_the_node, ""));
        assert!(found.contains("RO301"), "{found}");
    }
}

#[test]
fn certificates_that_are_the_same_everywhere_are_not() {
    let shared = |declared: &str| {
        let stack = mounted("certificates:/etc/letsencrypt", declared);
        (said(&stack), not_known(&stack, "RO301"))
    };
    let nfs = "volumes:
  certificates: {driver_opts: {type: nfs, o: addr=10.0.0.1, device: ':/certificates'}}\n";
    assert_eq!(shared(nfs), Default::default());
    assert_eq!(
        shared("volumes: {certificates: {driver: glusterfs}}\n"),
        Default::default()
    );
    let (found, not_known) = shared("volumes: {certificates: {external: true}}\n");
    assert_eq!(found, "");
    insta::assert_snapshot!(not_known, @"whether the volume certificates is the same on every node: no replica was looked into");
    insta::assert_snapshot!(super::not_known(SOUND, "RO301"), @"whether the host's directory /mnt/certificates is the same on every node: no replica was looked into");
}

#[test]
fn a_path_at_which_nothing_is_mounted_is_found() {
    insta::assert_snapshot!(said(&with("/etc/letsencrypt\n", "/certs\n")), @"stack.yml:12:5 error RO302: nothing is mounted at /etc/letsencrypt/live/example.org/fullchain.pem");
    assert_eq!(not_known(SOUND, "RO302"), "no replica was looked into");
}

/// Nor are secrets and configs that the file mounts itself.
#[test]
fn a_secret_or_a_config_at_the_path_is_a_mount() {
    for (section, path) in [("secrets", "/run/secrets/tls.pem"), ("configs", "/tls.pem")] {
        let stack = with(
            "rollover.strategy: restart",
            &format!("rollover.path: {path}"),
        );
        assert!(said(&stack).contains("RO302"));
        let declared = format!("{section}: {{tls.pem: {{external: true}}}}\n");
        let short = stack.replacen(
            "    networks:",
            &format!("    {section}: [tls.pem]\n    networks:"),
            1,
        );
        assert_eq!(said(&(short + &declared)), "");
        let long = format!("    {section}: [{{source: tls.pem, target: {path}}}]\n    networks:");
        let long = stack.replacen("    networks:", &long, 1);
        assert_eq!(said(&(long + &declared)), "");
    }
}

#[test]
fn a_constraint_to_one_node_is_found() {
    let pinned = with(
        "      replicas: 3\n",
        "      replicas: 3\n      placement: {constraints: [node.hostname == node-1]}\n",
    );
    insta::assert_snapshot!(said(&pinned), @"stack.yml:17:19 warning RO401: the constraint node.hostname == node-1");
}

#[test]
fn a_runner_that_may_land_on_a_worker_is_found_at_its_own_service() {
    let constraint = "      placement:\n        constraints: [node.role == manager]\n";
    insta::assert_snapshot!(said(&with(constraint, "      replicas: 1\n")), @"stack.yml:26:5 error RO501: service rollover has no constraint to managers");
    let elsewhere = with("node.role == manager", "node.role == worker");
    insta::assert_snapshot!(said(&elsewhere), @"stack.yml:28:9 error RO501: service rollover has no constraint to managers");
    let named = with("node.role == manager", "node.hostname == node-1");
    assert_eq!(said(&named), "");
    assert_eq!(not_known(&named, "RO501"), "whether node-1 is a manager");
}

/// With the runner on other networks.
fn apart(networks: &str, declared: &str) -> String {
    let place = SOUND.rfind("networks: [frontend]").unwrap();
    let (before, after) = SOUND.split_at(place);
    format!(
        "{before}{}{declared}",
        after.replacen("[frontend]", networks, 1)
    )
}

#[test]
fn a_runner_on_other_networks_is_found() {
    insta::assert_snapshot!(said(&apart("[backend]", "  backend:\n")), @"stack.yml:14:5 error RO502: it is on frontend, and the runner (rollover) on backend");
    let mapping = apart("{frontend: {aliases: [runner]}}", "");
    assert_eq!(said(&mapping), "");
    let default = apart("[]", "");
    insta::assert_snapshot!(said(&default), @"stack.yml:14:5 error RO502: it is on frontend, and the runner (rollover) on default");
}

/// A network of the stack's own carries the stack's name; another may be known to
/// one file by two keys.
#[test]
fn networks_are_compared_by_what_the_swarm_has_them_by() {
    let same = "  old: {external: true, name: shared}\n  new: {external: {name: shared}}\n";
    let shared = apart("[new]", same).replacen("[frontend]", "[old]", 1);
    assert_eq!(said(&shared), "");
    let other = apart("[other]", "  other: {external: true, name: frontend}\n");
    insta::assert_snapshot!(said(&other), @"stack.yml:14:5 error RO502: it is on frontend, and the runner (rollover) on frontend (external)");
}

#[test]
fn the_runner_is_known_by_image_program_or_settings() {
    let apart = apart("[backend]", "  backend:\n");
    for known in [
        "image: registry:5000/team/rollover:1@sha256:0ed0\n",
        "image: own\n    command: [/rollover, run]\n",
        "image: own\n    environment: {ROLLOVER_ENGINE: acme}\n",
        "image: own\n    environment: [ROLLOVER_ENGINE=acme]\n",
    ] {
        let stack = apart.replacen("image: rollover:latest\n", known, 1);
        assert!(said(&stack).contains("RO502"), "{known}");
    }
    let unknown = apart.replacen("image: rollover:latest\n", "image: own\n", 1);
    assert_eq!(said(&unknown), "");
    for code in ["RO501", "RO502"] {
        assert_ne!(not_known(&unknown, code), "");
    }
}
