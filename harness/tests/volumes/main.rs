//! What each kind of volume shows to whom, and when: on real labs.

#![expect(
    clippy::unwrap_used,
    reason = "clippy takes only the test functions themselves for tests, not their helpers"
)]

mod gluster;
mod lagging;
mod same;

use std::time::Duration;

use rollover_lab::acme::Acme;
use rollover_lab::lab::{Lab, Node};
use rollover_lab::volume::{MOUNT_POINT, Volume};

/// Nodes and their volume, and nothing else.
async fn lab(nodes: u8, volume: Volume) -> Lab {
    let _ = tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_env("ROLLOVER_LAB_LOG"))
        .with_test_writer()
        .try_init();
    Lab::builder()
        .nodes(nodes)
        .volume(volume)
        .acme(Acme::None)
        .images([""; 0])
        .start()
        .await
        .expect("a lab needs an engine: run ci/engine")
}

/// What a shell command writes, run in a node, on the volume.
async fn shell(node: &Node, script: &str) -> String {
    let script = format!("cd {MOUNT_POINT} && {script}");
    let output = node.exec(&["sh", "-c", &script]).await.unwrap();
    assert!(output.success(), "{}: {script}: {output:?}", node.name());
    output.stdout
}

/// For what a replicated volume may show to others a little later.
const SOON: Duration = Duration::from_secs(20);

/// Takes a lab down by dropping it and looks for its mounts, directories and
/// threads.
fn nothing_is_left_of(lab: Lab) {
    let run = lab.run().to_owned();
    drop(lab.without_bundle());
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap();
    let mounts: Vec<_> = mounts.lines().filter(|line| line.contains(&run)).collect();
    assert_eq!(mounts, [""; 0]);
    let directories = std::fs::read_dir("/tmp").unwrap();
    let names = directories.map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = names
        .filter(|name| name.to_string_lossy().contains(&run))
        .collect();
    assert_eq!(left, [""; 0]);
    let threads = std::fs::read_dir("/proc/self/task").unwrap();
    let names = threads.map(|entry| std::fs::read_to_string(entry.unwrap().path().join("comm")));
    let left: Vec<_> = names
        .filter_map(Result::ok)
        .filter(|name| name.contains(&run))
        .collect();
    assert_eq!(left, [""; 0]);
}
