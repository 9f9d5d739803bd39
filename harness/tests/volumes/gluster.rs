//! What GlusterFS does when a copy is away.

use rollover_lab::volume::Volume;

use super::{lab, shell};

#[tokio::test(flavor = "multi_thread")]
async fn writes_go_on_without_one_copy_and_healing_brings_it_back() {
    let lab = lab(3, Volume::Gluster).await;
    let (writer, away) = (&lab.nodes()[0], &lab.nodes()[2]);
    let volume = lab.volume();
    let gluster = volume.gluster().unwrap();
    shell(writer, "echo old >file").await;
    gluster.healed().await.unwrap();

    gluster.kill_brick(away).await.unwrap();
    shell(
        writer,
        "echo new >file.tmp && mv file.tmp file && echo x >more",
    )
    .await;
    assert_eq!(volume.seen_by(writer).read_text("file").unwrap(), "new\n");
    assert_eq!(on_its_disk(away).await, "old\n", "the copy is away");
    assert!(gluster.kill_brick(away).await.is_err(), "it is gone");

    gluster.start_brick(away).await.unwrap();
    gluster.healed().await.unwrap();
    assert_eq!(on_its_disk(away).await, "new\nx\n", "the copy is healed");
    lab.stop().await.unwrap();
}

/// What a node's copy holds, read past GlusterFS.
async fn on_its_disk(node: &rollover_lab::lab::Node) -> String {
    shell(node, "cd /var/lib/docker/certificates-brick && cat *").await
}
