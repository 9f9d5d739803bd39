//! Something breaks before a rollout or in the middle of it, and goes away again.

mod cases;
mod middle;
mod play;

pub(super) use cases::{
    LEADER_DIES, NODE_CUT_OFF, NODE_DIES, NODE_DRAINED, NODE_PAUSED, REPLICA_ADDED, REPLICA_KILLED,
    REPLICA_MOVES, TEST_FAILS, WILL_NOT_RELOAD,
};
pub(super) use play::HURRY;
