//! What breaks, and what is to come of it.

use super::super::{Control, Kind, Parameters, Scenario};
use super::play::{LOAD_BALANCER, play};
use crate::fault::{
    CutOff, Fault, FirstProcessStopped, LabelChanged, NodeFault, Pending, Replica, Scaled,
    TaskFault, Unavailable,
};
use crate::lab::{Lab, LabError, Node};

/// What breaks, and what is to come of it.
pub(super) struct Disturbance {
    pub(super) fault: Breaks,
    pub(super) when: When,
    /// What the runner must say of it; nothing where it may also come through.
    pub(super) says: &'static [&'static str],
    /// The replicas that it must have told nevertheless.
    pub(super) told: Told,
    /// Whether requests may be lost meanwhile at the node that it is about.
    pub(super) may_lose: bool,
    /// Whether the runner is first brought to the manager that leads.
    pub(super) runner_leads: bool,
    /// For the control: what keeps the swarm from mending it by itself.
    pub(super) unmended: Option<Breaks>,
}

/// What breaks in that lab, as it stands.
pub(super) type Breaks = for<'a> fn(&'a Lab) -> Pending<'a, Box<dyn Fault>>;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// Before the certificate is issued.
    Before,
    /// While the replica that goes first is tested, and nobody was told.
    InTheMiddle,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// None: not one serves another certificate than before.
    Nobody,
    /// All but that on this node.
    AllBut(&'static str),
    /// Whoever was within reach just then.
    Some,
    /// So many, while it is still broken.
    All(usize),
}

impl Disturbance {
    /// One that breaks before the certificate is issued, and of which nothing more is said.
    const fn by(fault: Breaks) -> Self {
        Self {
            fault,
            when: When::Before,
            says: &[],
            told: Told::Some,
            may_lose: false,
            runner_leads: false,
            unmended: None,
        }
    }
}

macro_rules! disturbed {
    ($constant:ident, $name:literal, $about:literal, $parameters:expr, $disturbance:expr) => {
        pub(in super::super) const $constant: Scenario = Scenario {
            name: concat!("disturbed/", $name),
            about: $about,
            control: Control {
                wrong: "what broke stays broken",
                found_by: &[Kind::Stuck],
            },
            parameters: $parameters,
            play: |stage| {
                const DISTURBANCE: Disturbance = $disturbance;
                Box::pin(play(stage, &DISTURBANCE))
            },
        };
    };
}

disturbed!(
    WILL_NOT_RELOAD,
    "will-not-reload",
    "The replica that goes first serves on but will not load the new certificate: no other is \
     touched, and all are once it does.",
    Parameters::default,
    Disturbance {
        says: &["replica 1 on", "goes first"],
        told: Told::Nobody,
        ..Disturbance::by(|_| known(FirstProcessStopped::of(Replica::in_slot(LOAD_BALANCER, 1))))
    }
);

disturbed!(
    TEST_FAILS,
    "test-fails",
    "The test command fails in every replica: none is told, the reason is what the command wrote, \
     and all are once it passes.",
    Parameters::default,
    Disturbance {
        says: &[
            "failed with exit code 1",
            "/nowhere/nginx.conf",
            "was not told"
        ],
        told: Told::Nobody,
        ..Disturbance::by(|_| {
            let wrong = "nginx -t -c /nowhere/nginx.conf";
            known(LabelChanged::of(LOAD_BALANCER, "rollover.test", wrong))
        })
    }
);

disturbed!(
    NODE_PAUSED,
    "node-paused",
    "A node takes no more tasks, so that no job runs there: its replica is said to be out of \
     reach, all others are told, and it is once the node is active again.",
    Parameters::default,
    Disturbance {
        says: &[
            "on node-2 serves an earlier certificate and cannot be told, because node-2 is paused"
        ],
        told: Told::AllBut("node-2"),
        ..Disturbance::by(|_| known(Unavailable::paused("node-2")))
    }
);

disturbed!(
    NODE_DRAINED,
    "node-drained",
    "A node is drained while its replica is about to be told: the others are told, and the \
     replica that comes back serves the new certificate.",
    Parameters::default,
    Disturbance {
        when: When::InTheMiddle,
        may_lose: true,
        ..Disturbance::by(|_| known(Unavailable::drained("node-2")))
    }
);

disturbed!(
    NODE_DIES,
    "node-dies",
    "A node loses its power while its replica is about to be told: nothing is lost at the others, \
     and all serve the new certificate when it is back.",
    Parameters::default,
    Disturbance {
        when: When::InTheMiddle,
        may_lose: true,
        ..Disturbance::by(|_| known(NodeFault::killed("node-2")))
    }
);

disturbed!(
    NODE_CUT_OFF,
    "node-cut-off",
    "A node is cut off from all others while its replica is about to be told, and its containers \
     run on: nothing is lost elsewhere, and all serve the new certificate when it is back.",
    Parameters::default,
    Disturbance {
        when: When::InTheMiddle,
        may_lose: true,
        ..Disturbance::by(|_| known(CutOff::both_ways("node-2")))
    }
);

disturbed!(
    REPLICA_KILLED,
    "replica-killed",
    "A replica is killed while it is about to be told: nothing is lost at the others, and the one \
     that the swarm starts in its place serves the new certificate.",
    Parameters::default,
    Disturbance {
        when: When::InTheMiddle,
        may_lose: true,
        unmended: Some(|_| known(Unavailable::paused("node-2"))),
        ..Disturbance::by(|_| known(TaskFault::killed(Replica::on(LOAD_BALANCER, "node-2"))))
    }
);

disturbed!(
    REPLICA_MOVES,
    "replica-moves",
    "A replica that is about to be told is moved to another node: nothing is lost at the others, \
     and it serves the new certificate where it is now, while its node is still away.",
    || Parameters {
        nodes: 4,
        ..Parameters::default()
    },
    Disturbance {
        when: When::InTheMiddle,
        told: Told::All(3),
        may_lose: true,
        unmended: Some(|lab| Box::pin(free_node_paused(lab))),
        ..Disturbance::by(|lab| Box::pin(last_replica_drained(lab)))
    }
);

disturbed!(
    REPLICA_ADDED,
    "replica-added",
    "A replica is added while the others are about to be told: nothing is lost, and it serves the \
     new certificate as they do.",
    || Parameters {
        replicas: 2,
        ..Parameters::default()
    },
    Disturbance {
        when: When::InTheMiddle,
        told: Told::All(3),
        unmended: Some(|lab| Box::pin(free_node_paused(lab))),
        ..Disturbance::by(|_| known(Scaled::to(LOAD_BALANCER, 3)))
    }
);

disturbed!(
    LEADER_DIES,
    "leader-dies",
    "The leading manager, on which the runner is, loses its power in the middle of a rollout: the \
     runner starts on another manager and finishes what was begun.",
    || Parameters {
        managers: 3,
        ..Parameters::default()
    },
    Disturbance {
        when: When::InTheMiddle,
        may_lose: true,
        runner_leads: true,
        ..Disturbance::by(|lab| Box::pin(leader_killed(lab)))
    }
);

/// One that is the same however the lab stands.
fn known<'a>(fault: impl Fault + 'static) -> Pending<'a, Box<dyn Fault>> {
    let fault: Box<dyn Fault> = Box::new(fault);
    Box::pin(std::future::ready(Ok(fault)))
}

async fn leader_killed(lab: &Lab) -> Result<Box<dyn Fault>, LabError> {
    let leader = lab.leader().await?;
    Ok(Box::new(NodeFault::killed(leader.name())))
}

/// Not the first replica, which is tested just then, nor one beside the runner.
async fn last_replica_drained(lab: &Lab) -> Result<Box<dyn Fault>, LabError> {
    let replicas = lab.service(LOAD_BALANCER).running().await?;
    let manager = lab.manager().name();
    let mut moved = replicas.iter().skip(1).rev();
    let moved = moved.find(|replica| replica.node != manager);
    let moved = moved.ok_or_else(|| LabError::NoTask {
        service: LOAD_BALANCER.to_owned(),
        sought: "on a worker".to_owned(),
    })?;
    Ok(Box::new(Unavailable::drained(&moved.node)))
}

/// The node that has no replica, to which one could go.
async fn free_node_paused(lab: &Lab) -> Result<Box<dyn Fault>, LabError> {
    let replicas = lab.service(LOAD_BALANCER).running().await?;
    let is_free = |node: &&Node| replicas.iter().all(|replica| replica.node != node.name());
    let free = lab.nodes().iter().find(is_free);
    let free = free.ok_or_else(|| LabError::NoNode {
        name: "one without a replica".to_owned(),
        known: replicas.into_iter().map(|replica| replica.node).collect(),
    })?;
    Ok(Box::new(Unavailable::paused(free.name())))
}
