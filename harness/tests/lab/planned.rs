//! What `gate plan` says of a change, held against what a swarm does: whether the
//! tasks of a service are others after the real `docker stack deploy`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::future::join_all;
use rollover_lab::acme::Acme;
use rollover_lab::gate::{Outcome, Planned, plan};
use rollover_lab::lab::{Lab, Task};

const DEADLINE: Duration = Duration::from_secs(180);

/// A service that changes in one thing: what it has besides the image before and
/// after, and what the plan is to say.
struct Case {
    name: &'static str,
    old: &'static str,
    new: &'static str,
    outcome: Outcome,
}

const fn case(name: &'static str, old: &'static str, new: &'static str, outcome: Outcome) -> Case {
    Case {
        name,
        old,
        new,
        outcome,
    }
}

const QUICK: &str = "deploy: *quick";
const JOB: &str =
    "deploy: {mode: replicated-job, restart_policy: {condition: none}}, command: ['true']";

/// What can be written in more than one way, as much as goes into one service.
const MANY_WORDS: &str = "
    deploy: {<<: *quick, endpoint_mode: vip, replicas: 1, placement: {}, labels: {a: b},
      resources: {limits: {cpus: '0.5'}}},
    environment: {A: b, C: '', E: 1, F: 1.2.3.4}, labels: [a=b], volumes: ['data:/data', '/tmp:/host:ro'],
    networks: [default], secrets: [key], cap_add: [NET_ADMIN, SYS_TIME], cap_drop: [CAP_MKNOD],
    healthcheck: {test: 'true', interval: 1s}, read_only: false, command: []";
const IN_OTHER_WORDS: &str = "
    healthcheck: {test: [CMD-SHELL, 'true'], interval: 1000ms, disable: false},
    cap_drop: [mknod], cap_add: [SYS_TIME, CAP_NET_ADMIN], tty: false, stdin_open: false,
    secrets: [{source: key, target: key, mode: 0444, uid: '0'}], networks: {default: {}},
    volumes: [{type: volume, source: data, target: /data, read_only: false},
      {type: bind, source: /tmp, target: /host, read_only: true}],
    labels: {a: b}, environment: [F=1.2.3.4, E=1, C=, A=b],
    deploy: {<<: *quick, mode: replicated, labels: [a=b], resources: {limits: {cpus: '0.50'}}}";
/// What the docker command takes and does nothing with.
const IGNORED: &str = "
    deploy: *quick, container_name: shop, tmpfs: /scratch, expose: ['80'], depends_on: [same],
    privileged: true, shm_size: 64M, security_opt: ['label:disable'], x-note: a,
    networks: {default: {ipv4_address: 10.99.0.9}}";

/// One service for each kind of change.
fn cases() -> Vec<Case> {
    use Outcome::{MayRestart, Restarted, Unchanged, Updated};
    vec![
        case("same", QUICK, QUICK, Unchanged),
        case(
            "words",
            "deploy: *quick, command: [nginx, -g, daemon off;], stop_grace_period: 5s",
            "stop_grace_period: 5000ms, command: \"nginx -g 'daemon off;'\", deploy: *quick",
            Unchanged,
        ),
        case(
            "sizes",
            "deploy: {<<: *quick, resources: {limits: {memory: 64M}}}",
            "deploy: {<<: *quick, resources: {limits: {memory: 65536k}}}",
            Unchanged,
        ),
        case("many-words", MANY_WORDS, IN_OTHER_WORDS, Unchanged),
        case("ignored", QUICK, IGNORED, Unchanged),
        case(
            "condition",
            "deploy: {<<: *quick, restart_policy: {}}",
            "deploy: {<<: *quick, restart_policy: {condition: any}}",
            Unchanged,
        ),
        case(
            "replicas",
            QUICK,
            "deploy: {<<: *quick, replicas: 2}",
            Updated,
        ),
        case(
            "service-label",
            QUICK,
            "deploy: {<<: *quick, labels: {a: b}}",
            Updated,
        ),
        case(
            "update",
            QUICK,
            "deploy: {update_config: {monitor: 2s, order: start-first}}",
            Updated,
        ),
        case(
            "allowed",
            QUICK,
            "deploy: {<<: *quick, placement: {constraints: [node.role == manager]}}",
            MayRestart,
        ),
        case(
            "set-free",
            "deploy: {<<: *quick, placement: {constraints: [node.role == manager]}}",
            QUICK,
            Updated,
        ),
        case(
            "spread",
            QUICK,
            "deploy: {<<: *quick, placement: {max_replicas_per_node: 3}}",
            Updated,
        ),
        case("label", QUICK, "deploy: *quick, labels: {a: b}", Restarted),
        case(
            "environment",
            "deploy: *quick, environment: {A: b}",
            "deploy: *quick, environment: {A: c}",
            Restarted,
        ),
        case(
            "command",
            QUICK,
            "deploy: *quick, command: [nginx, -g, daemon off;]",
            Restarted,
        ),
        case(
            "mount",
            QUICK,
            "deploy: *quick, volumes: [{type: tmpfs, target: /scratch}]",
            Restarted,
        ),
        case(
            "health",
            "deploy: *quick, healthcheck: {test: 'true', interval: 1s}",
            "deploy: *quick, healthcheck: {test: 'true', interval: 2s}",
            Restarted,
        ),
        case(
            "number",
            "deploy: *quick, environment: {A: 1.0}",
            "deploy: *quick, environment: {A: '1.0'}",
            Restarted,
        ),
        case(
            "nothing",
            "deploy: *quick, environment: {NOT_SET_ANYWHERE: ''}",
            "deploy: *quick, environment: {NOT_SET_ANYWHERE: }",
            Restarted,
        ),
        // What swarm takes without a word, but not the same to it.
        case(
            "grace",
            QUICK,
            "deploy: *quick, stop_grace_period: 10s",
            Restarted,
        ),
        case(
            "port",
            "deploy: *quick, ports: [{target: 80, published: 8081, mode: host}]",
            "deploy: *quick, ports: [{target: 80, published: 8082, mode: host}]",
            Restarted,
        ),
        case("secret", QUICK, "deploy: *quick, secrets: [key]", Restarted),
        case(
            "alias",
            QUICK,
            "deploy: *quick, networks: {default: {aliases: [shop]}}",
            Restarted,
        ),
        case(
            "policy",
            QUICK,
            "deploy: {<<: *quick, restart_policy: {delay: 2s}}",
            Restarted,
        ),
        // Empty, and not the same as none.
        case(
            "empty-policy",
            QUICK,
            "deploy: {<<: *quick, restart_policy: {}}",
            Restarted,
        ),
        case(
            "limits",
            QUICK,
            "deploy: {<<: *quick, resources: {limits: {}}}",
            Restarted,
        ),
        case(
            "reservation",
            QUICK,
            "deploy: {<<: *quick, resources: {reservations: {memory: 8M}}}",
            Restarted,
        ),
        case(
            "endpoint",
            QUICK,
            "deploy: {<<: *quick, endpoint_mode: dnsrr}",
            Restarted,
        ),
        case(
            "old-restart",
            QUICK,
            "deploy: *quick, restart: always",
            Restarted,
        ),
        case("init", QUICK, "deploy: *quick, init: false", Restarted),
        case("user", QUICK, "deploy: *quick, user: root", Restarted),
        case("dns", QUICK, "deploy: *quick, dns: 127.0.0.1", Restarted),
        case("host", QUICK, "deploy: *quick, hostname: shop", Restarted),
        case(
            "limit",
            QUICK,
            "deploy: *quick, ulimits: {nofile: 1024}",
            Restarted,
        ),
        case(
            "log",
            QUICK,
            "deploy: *quick, logging: {driver: json-file}",
            Restarted,
        ),
    ]
}

fn service(name: &str, settings: &str) -> String {
    format!("  {name}: {{image: 'registry:5000/web:latest', {settings}}}\n")
}

/// The stack of those services, with a file beside it that a secret is made from.
fn stack(directory: &Path, services: &str, secret: &str) -> PathBuf {
    std::fs::create_dir_all(directory).unwrap();
    std::fs::write(directory.join("key.txt"), secret).unwrap();
    let file = directory.join("stack.yml");
    let text = format!(
        "x-quick: &quick {{update_config: {{monitor: 1s}}}}\n\
         secrets: {{key: {{file: ./key.txt}}}}\n\
         volumes: {{data: }}\n\
         services:\n{services}"
    );
    std::fs::write(&file, text).unwrap();
    file
}

fn planned(old: &Path, new: &Path) -> Planned {
    plan(old, new, &|name| std::env::var(name).ok()).unwrap()
}

/// The running tasks of each service, once those that the plan is to restart are
/// others than `before`, and no update is under way.
async fn tasks(lab: &Lab, cases: &[Case], before: &[Vec<Task>]) -> Vec<Vec<Task>> {
    let each = cases.iter().enumerate().map(|(index, case)| async move {
        let name = format!("shop_{}", case.name);
        let service = lab.service(&name);
        if let (Outcome::Restarted, Some(before)) = (case.outcome, before.get(index)) {
            for task in before {
                service.replaced(task, DEADLINE).await.unwrap();
            }
        }
        service.converged(DEADLINE).await.unwrap()
    });
    join_all(each).await
}

fn ids(tasks: &[Task]) -> BTreeSet<&str> {
    tasks.iter().map(|task| task.id.as_str()).collect()
}

/// What the plan and the swarm do not agree on.
fn wrong(case: &Case, plan: &Planned, before: &[Task], after: &[Task]) -> Option<String> {
    let Some(said) = plan.services.iter().find(|it| it.name == case.name) else {
        return Some(format!("{}: not planned", case.name));
    };
    let (before, after) = (ids(before), ids(after));
    let replaced = !before.is_subset(&after);
    let right = match said.outcome {
        Outcome::Restarted => before.is_disjoint(&after),
        Outcome::MayRestart => true,
        _ => !replaced,
    };
    let expected = said.outcome == case.outcome;
    (!right || !expected).then(|| {
        format!(
            "{}: expected {:?}, planned {said}, replaced: {replaced}",
            case.name, case.outcome
        )
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_planned_is_what_a_swarm_does() {
    let scratch = tempfile::tempdir().unwrap();
    let cases = cases();
    let of = |settings: fn(&Case) -> &str| -> String {
        cases
            .iter()
            .map(|case| service(case.name, settings(case)))
            .collect()
    };
    let (old, new) = (of(|case| case.old), of(|case| case.new));
    let job = service("job", JOB);
    let left = service("left", QUICK);
    let old_file = stack(
        &scratch.path().join("old"),
        &format!("{old}{job}{left}"),
        "a",
    );
    let new = format!("{new}{job}");
    let new_file = stack(&scratch.path().join("new"), &new, "a");

    let builder = Lab::builder().nodes(1).acme(Acme::None).images(["web"]);
    let lab = builder.start().await.unwrap();
    lab.deploy(&old_file, "shop", &[]).await.unwrap();
    let before = tasks(&lab, &cases, &[]).await;
    let begun = job_run(&lab).await;
    lab.deploy(&new_file, "shop", &[]).await.unwrap();
    // Once the last is replaced, all others have been looked at long ago.
    tasks(&lab, &cases, &before).await;
    let after = tasks(&lab, &cases, &before).await;

    let planned = planned(&old_file, &new_file);
    let all = cases.iter().zip(before.iter().zip(&after));
    let wrong: Vec<_> = all
        .filter_map(|(case, (before, after))| wrong(case, &planned, before, after))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    disagreement_is_told(&cases, &planned, &before);
    assert!(planned.can_work(), "{planned}");
    // The node is still allowed.
    let allowed = cases
        .iter()
        .position(|case| case.name == "allowed")
        .unwrap();
    assert_eq!(ids(&before[allowed]), ids(&after[allowed]));
    assert_eq!(planned.of(Outcome::RunsAgain), ["job"]);
    assert!(begun < job_run(&lab).await);
    assert_eq!(planned.of(Outcome::Left), ["left"]);
    assert!(lab.service("shop_left").exists().await.unwrap());
    what_is_refused_is_refused(&lab, scratch.path(), &new_file, &new).await;
    lab.stop().await.unwrap();
}

/// The known-bad twin: had no task been replaced, or all of them, it would be found.
fn disagreement_is_told(cases: &[Case], plan: &Planned, before: &[Vec<Task>]) {
    for (case, before) in cases.iter().zip(before) {
        let restarted = case.outcome == Outcome::Restarted;
        let perhaps = case.outcome == Outcome::MayRestart;
        assert_eq!(wrong(case, plan, before, before).is_some(), restarted);
        assert_eq!(
            wrong(case, plan, before, &[]).is_none(),
            restarted || perhaps
        );
    }
}

/// Which run of the job it is.
async fn job_run(lab: &Lab) -> Option<u64> {
    let job = lab.service("shop_job").inspect().await.unwrap()?;
    job.job_status?.job_iteration?.index
}

async fn what_is_refused_is_refused(lab: &Lab, scratch: &Path, now: &Path, services: &str) {
    let same = service("same", QUICK);
    let global = service("same", "deploy: {<<: *quick, mode: global}");
    let mode = stack(
        &scratch.join("mode"),
        &services.replace(&same, &global),
        "a",
    );
    let secret = stack(&scratch.join("secret"), services, "b");
    let clash = service("clash", "deploy: *quick, ports: ['8082:80']");
    let port = stack(&scratch.join("port"), &(services.to_owned() + &clash), "a");
    for (file, why) in [
        (mode, "mode change"),
        (secret, "only updates to Labels"),
        (port, "port '8082' is already in use"),
    ] {
        assert!(!planned(now, &file).can_work(), "{why}");
        let error = lab
            .deploy(&file, "shop", &[])
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains(why), "{error}");
    }
}
