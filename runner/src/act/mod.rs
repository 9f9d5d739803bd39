//! Carrying a plan out: obtain, publish, roll out, verify.

pub(crate) mod durable;
pub(crate) mod issue;
pub(crate) mod job;
pub(crate) mod look;
pub(crate) mod publish;
pub(crate) mod rollout;
pub(crate) mod step;
pub(crate) mod wait;
