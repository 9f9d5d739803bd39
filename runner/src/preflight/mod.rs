//! What is known to lose requests, or to fail, said before it happens.
//!
//! [`check`] holds [`Facts`] about one service against the [`RULES`]. It is pure
//! and knows neither Docker nor files, so the same rules judge a live swarm
//! (`rollover check`, and the daemon before each rollout) and a stack file
//! (`rollover-lab gate lint`). A source leaves what it cannot tell as `None`; a rule that would need it says
//! that it is not known, and never passes it in silence.
//!
//! Each rule is one file under `rules/`. Its head is its section in
//! `docs/rules.md`.

mod asked;
pub mod defaults;
#[cfg(test)]
mod docs;
mod facts;
mod finding;
mod mount;
pub mod nginx;
mod rule;
mod rules;

pub use asked::{Asked, WrongLabel};
pub use facts::{
    AskedName, Facts, Failure, HealthCheck, Inside, Node, Order, Replicas, Rollout, Runner, Seen,
    Shows, Update, Version,
};
pub use finding::{Checked, Finding, NotKnown, Place, Severity, told};
pub use mount::{Kept, Mount};
pub use rule::{Found, Rule, Verdict};
pub use rules::RULES;

/// Holds `facts` against every rule.
#[must_use]
pub fn check(facts: &Facts) -> Checked {
    let mut checked = Checked {
        service: facts.service.clone(),
        ..Checked::default()
    };
    for rule in RULES {
        checked.add(rule, (rule.check)(facts));
    }
    checked
}
