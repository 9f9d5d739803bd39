//! Volumes and disks that are full, or away, and how that is seen.

use rollover_lab::fault::{DiskFull, NodeFault, VolumeFrozen, VolumeUnmounted};
use rollover_lab::lab::Lab;

use crate::cases::{Case, silent_2};
use crate::look::{self, Look, all_answer};

/// On any volume.
pub(crate) fn cases() -> [Case; 3] {
    [
        Case {
            name: "disk/full",
            fault: |_| Box::new(DiskFull::volume("node-1")),
            broken: there_is_no_room,
            well: there_is_room,
        },
        Case {
            name: "disk/docker",
            fault: |_| Box::new(DiskFull::docker("node-2")),
            broken: nothing_can_be_pulled_to_2,
            well: an_image_can_be_pulled_to_2,
        },
        Case {
            name: "volume/unmounted",
            fault: |_| Box::new(VolumeUnmounted::on("node-2")),
            broken: node_2_sees_no_volume,
            well: every_node_sees_the_volume,
        },
    ]
}

fn node_3_cannot_read(lab: &Lab) -> Look<'_> {
    Box::pin(async move {
        let node = lab.node("node-3").expect("the lab has that node");
        // A container that mounts it would wait for ever.
        let read = ["timeout", "--signal=KILL", "2", "ls", "/mnt/certificates"];
        let read = node.exec(&read).await.map_err(|error| error.to_string())?;
        if read.success() {
            return Err(format!("node-3 reads {}", read.stdout));
        }
        look::in_a_new_container(lab.manager(), SEES_THE_VOLUME)
            .await
            .map(drop)
    })
}

/// Those that need a volume of their own kind.
pub(crate) fn on_gluster() -> Vec<Case> {
    vec![
        Case {
            name: "gluster/frozen",
            fault: |_| Box::new(VolumeFrozen::on("node-3")),
            broken: node_3_cannot_read,
            well: every_node_sees_the_volume,
        },
        Case {
            name: "gluster/unmounted",
            fault: |_| Box::new(VolumeUnmounted::on("node-2")),
            broken: node_2_sees_no_volume,
            well: every_node_sees_the_volume,
        },
        Case {
            name: "gluster/node-killed",
            fault: |_| Box::new(NodeFault::killed("node-2")),
            broken: silent_2,
            well: every_node_sees_the_volume,
        },
    ]
}

fn there_is_no_room(lab: &Lab) -> Look<'_> {
    Box::pin(async move {
        match look::in_a_new_container(lab.manager(), "cp /etc/passwd /v/more").await {
            Err(why) if why.contains("No space left on device") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
}

/// Pulls an image to node-2 that it does not have, and removes it again.
async fn pull_to_2(lab: &Lab) -> Result<(), String> {
    let node = lab.node("node-2").expect("the lab has that node");
    let image = lab.image("runner");
    let pull = format!("docker pull --quiet {image} && docker rmi {image}");
    let pulled = node.exec(&["sh", "-c", &pull]).await;
    let pulled = pulled.map_err(|error| error.to_string())?;
    if pulled.success() {
        Ok(())
    } else {
        Err(pulled.stderr)
    }
}

fn nothing_can_be_pulled_to_2(lab: &Lab) -> Look<'_> {
    Box::pin(async move {
        match pull_to_2(lab).await {
            Err(why) if why.contains("no space left on device") => all_answer(lab).await,
            other => Err(format!("{other:?}")),
        }
    })
}

fn an_image_can_be_pulled_to_2(lab: &Lab) -> Look<'_> {
    Box::pin(async move {
        pull_to_2(lab).await?;
        all_answer(lab).await
    })
}

fn there_is_room(lab: &Lab) -> Look<'_> {
    Box::pin(async move {
        look::in_a_new_container(lab.manager(), "echo x > /v/written").await?;
        let here = lab.volume().certificates().exists("written");
        if here.map_err(|error| error.to_string())? {
            return Ok(());
        }
        Err("what a container wrote is not on the volume".to_owned())
    })
}

/// The authority that the lab's ACME server is known by lies on the volume.
const SEES_THE_VOLUME: &str = "test -s /v/acme-ca.pem";

fn node_2_sees_no_volume(lab: &Lab) -> Look<'_> {
    Box::pin(async move {
        let node = lab.node("node-2").expect("the lab has that node");
        match look::in_a_new_container(node, SEES_THE_VOLUME).await {
            Ok(_) => Err("node-2 sees the volume".to_owned()),
            Err(_) => look::in_a_new_container(lab.manager(), SEES_THE_VOLUME)
                .await
                .map(drop),
        }
    })
}

fn every_node_sees_the_volume(lab: &Lab) -> Look<'_> {
    Box::pin(async move {
        all_answer(lab).await?;
        for node in lab.nodes() {
            look::in_a_new_container(node, SEES_THE_VOLUME).await?;
        }
        Ok(())
    })
}
