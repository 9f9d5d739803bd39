//! Carrying a plan out: obtain, publish, roll out, verify.

pub(crate) mod hold;
pub(crate) mod issue;
pub(crate) mod rollout;
pub(crate) mod wait;
