//! Nodes, services and tasks, waited for.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use rollover_lab::{
    acme::Acme,
    fault::{DaemonFault, Fault},
    lab::{Lab, Task, What, wait::until},
    volume::MOUNT_POINT,
};

const MINUTE: Duration = Duration::from_secs(60);
const STACK: &str = "
services:
  web:
    image: registry:5000/web:latest
    healthcheck: {test: [CMD, curl, -fs, \"http://127.0.0.1/\"], interval: 1s}
    deploy: {replicas: 2, placement: {constraints: [node.labels.zone == b]}}
";

async fn deployed(stack: &str) -> Lab {
    let builder = Lab::builder().managers(3).workers(1).acme(Acme::None);
    let labelled = builder.labels("node-4", [("zone", "b")]).images(["web"]);
    let lab = labelled.start().await.unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("stack.yml");
    fs::write(&file, stack).unwrap();
    lab.deploy(&file, "shop", &[]).await.unwrap();
    lab
}

#[tokio::test(flavor = "multi_thread")]
async fn managers_labels_tasks_events_and_the_bundle_are_as_asked() {
    let lab = deployed(STACK).await;
    let managers: Vec<&str> = lab.managers().iter().map(|node| node.name()).collect();
    assert_eq!(managers, ["node-1", "node-2", "node-3"]);
    let swarm = lab.manager().docker().info().await.unwrap().swarm.unwrap();
    assert_eq!((swarm.managers, swarm.nodes), (Some(3), Some(4)));

    let web = lab.service("shop_web");
    let replicas = web.converged(MINUTE).await.unwrap();
    assert_eq!(replicas.len(), 2);
    assert!(replicas.iter().all(|replica| replica.node == "node-4"));

    let mut events = lab.events();
    replicas[0].kill("KILL").await.unwrap();
    let died = |event: &rollover_lab::lab::Event| {
        event.task.as_ref() == Some(&replicas[0].id) && matches!(event.what, What::Died(_))
    };
    let event = events.find("the replica die", MINUTE, died).await.unwrap();
    assert_eq!(event.what, What::Died(Some(137)));
    let now = web.replaced(&replicas[0], MINUTE).await.unwrap();
    assert!(now.iter().all(|replica| replica.id != replicas[0].id));
    assert_eq!(web.replica(2).await.unwrap().slot, Some(2));
    let none = web.replica(3).await.expect_err("there are two");
    assert!(none.to_string().contains("in slot 3"), "{none}");

    let own = rcgen::generate_simple_self_signed(["shop.test".to_owned()]).unwrap();
    let (chain, key) = (own.cert.pem(), own.signing_key.serialize_pem());
    let directory = format!("{MOUNT_POINT}/live/shop.test");
    let made = lab.manager().exec(&["mkdir", "-p", &directory]).await;
    made.unwrap().succeeded("mkdir").unwrap();
    let live = lab.volume().certificates();
    live.write("live/shop.test/fullchain.pem", chain.as_str())
        .unwrap();
    live.write("live/shop.test/privkey.pem", key).unwrap();
    let scratch = tempfile::tempdir().unwrap();
    lab.bundle(scratch.path()).await.unwrap();
    in_the_bundle(scratch.path(), &now[0].id);
    certificates_are_in_the_bundle_and_keys_are_not(scratch.path(), &chain);
    without_the_first_manager(&lab, &now).await;
    lab.stop().await.unwrap();
}

/// Another manager is asked while the first one is away.
async fn without_the_first_manager(lab: &Lab, before: &[Task]) {
    let away = DaemonFault::stopped("node-1").inject(lab).await.unwrap();
    assert!(lab.manager().docker().ping().await.is_err());
    let web = lab.service("shop_web");
    let others_lead = async || web.running().await.map_err(|error| error.to_string());
    let running = until("another manager lead", MINUTE, others_lead)
        .await
        .unwrap();
    let ids = |tasks: &[Task]| tasks.iter().map(|task| task.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&running), ids(before));
    web.update(&["--label-add", "test.changed=yes"])
        .await
        .unwrap();
    away.end().await.unwrap();
}

fn in_the_bundle(bundle: &Path, task: &str) {
    let read = |file: &str| {
        let text = fs::read_to_string(bundle.join(file));
        text.unwrap_or_else(|error| panic!("{file}: {error}"))
    };
    for node in 1..=4 {
        assert!(read(&format!("node-{node}.log")).contains("level="));
    }
    assert!(read("nodes.txt").contains("\"zone\": \"b\""));
    assert!(read("services.json").contains("shop_web"));
    assert!(read("tasks.txt").contains(task));
    assert!(read("containers.txt").contains("shop_web"));
    assert!(read("timeline.txt").contains("shop_web died with 137"));
    assert!(read("registry.log").contains("/v2/web/"));
    assert!(read("shop_web.log").contains("==> node-4"));
    let configurations = fs::read_dir(bundle.join("nginx")).unwrap();
    let text: String = configurations
        .map(|file| fs::read_to_string(file.unwrap().path()).unwrap())
        .collect();
    assert!(
        text.contains("# configuration file /etc/nginx/nginx.conf"),
        "{text}"
    );
}

fn certificates_are_in_the_bundle_and_keys_are_not(bundle: &Path, chain: &str) {
    let told = fs::read_to_string(bundle.join("certificates.txt")).unwrap();
    for node in 1..=4 {
        let line = told
            .lines()
            .find(|line| line.starts_with(&format!("node-{node}: shop.test is ")));
        assert!(line.is_some(), "{told}");
    }
    let mut kept = fs::read_dir(bundle.join("certificates")).unwrap();
    let kept = fs::read_to_string(kept.next().unwrap().unwrap().path()).unwrap();
    assert_eq!(kept, chain);
    for file in files_below(bundle) {
        let content = fs::read(&file).unwrap();
        let secret = content.windows(11).any(|part| part == b"PRIVATE KEY");
        assert!(!secret, "{} has a key", file.display());
    }
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_come_says_why() {
    let lab = deployed(&STACK.replace("zone == b", "zone == nowhere")).await;
    let web = lab.service("shop_web");
    let error = web.converged(Duration::from_secs(5)).await.unwrap_err();
    let error = error.to_string();
    assert!(
        error.contains("0 of 2 run as they should; replica"),
        "{error}"
    );
    assert!(error.contains("no suitable node"), "{error}");
    let none = lab
        .service("nobody")
        .converged(Duration::from_secs(1))
        .await;
    let error = none.unwrap_err().to_string();
    assert!(error.contains("the swarm has no such service"), "{error}");
    lab.stop().await.unwrap();
}
