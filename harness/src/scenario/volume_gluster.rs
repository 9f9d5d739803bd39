//! A real replicated volume.

use super::renewal_signal::renewed_without_harm;
use super::{Control, Kind, Parameters, Scenario, Stage};
use crate::lab::Node;
use crate::site::{Site, SiteError};
use crate::volume::{Gluster, Volume};

/// On GlusterFS, replicated on all nodes, with one copy away.
pub(super) const SCENARIO: Scenario = Scenario {
    name: "volume/gluster",
    about: "On a real GlusterFS with a copy on each node, one of which is away, a renewal by \
            signal reaches every replica and loses nothing; then the copy is healed.",
    control: Control {
        wrong: "two of three copies are away, so that nothing can be written",
        found_by: &[Kind::Runner],
    },
    parameters: || Parameters {
        volume: Volume::Gluster,
        renewals: 1,
        ..Parameters::default()
    },
    play: |stage| Box::pin(play(stage)),
};

async fn play(stage: &Stage<'_>) -> Result<(), SiteError> {
    let site = stage.site().await?;
    let volume = stage.lab().volume();
    let Some(gluster) = volume.gluster() else {
        let why = format!("expected gluster, found {}", stage.parameters().volume);
        stage.found(Kind::Lab, why);
        return Ok(());
    };
    if stage.is_control() {
        return without_quorum(stage, &site, gluster).await;
    }
    let away = away(stage, 1);
    let step = stage.step("a renewal under traffic, with a copy away");
    kill(gluster, &away).await?;
    let renewed = stage.renewal().run(&site).await;
    revive(gluster, &away).await?;
    drop(step);
    let account = renewed?;
    renewed_without_harm(stage, account);
    Ok(())
}

/// The runner renews what is due where nothing can be written any more.
async fn without_quorum(
    stage: &Stage<'_>,
    site: &Site<'_>,
    gluster: &Gluster,
) -> Result<(), SiteError> {
    let away = away(stage, 2);
    let step = stage.step("two of three copies are away");
    kill(gluster, &away).await?;
    let once = site.renew(&[]).await;
    revive(gluster, &away).await?;
    drop(step);
    once?.succeeded().map(drop)
}

/// Nodes whose copies are to go. Never the manager's: the runner is there, and
/// another node's copy that is away is the harder case for it.
fn away<'lab>(stage: &Stage<'lab>, count: usize) -> Vec<&'lab Node> {
    stage.lab().nodes().iter().skip(1).take(count).collect()
}

async fn kill(gluster: &Gluster, away: &[&Node]) -> Result<(), SiteError> {
    for node in away {
        gluster.kill_brick(node).await?;
    }
    Ok(())
}

async fn revive(gluster: &Gluster, away: &[&Node]) -> Result<(), SiteError> {
    for node in away {
        gluster.start_brick(node).await?;
    }
    gluster.healed().await?;
    Ok(())
}
