//! What a scenario is, and which there are.

use std::pin::Pin;

use super::{
    Kind, Parameters, Stage, acme_down, acme_limited, bad_files, bad_labels, changed_stack, chaos,
    check_bad, check_before, check_clean, check_held_back, crash, disturbed, drift, dual_pair,
    first_deploy, forced_rollout, gone_back, held_back, leftovers, long_order, long_rollout,
    many_orders, monitored, nothing_due, other_names, other_update, placed, private_registry,
    renewal_restart, renewal_secret, renewal_signal, renewal_unattended, runners, schedule,
    secret_rollback, servers, state, stopped_rollout, taken_over, two_targets, volume_gluster,
    volume_lagging, window,
};
use crate::site::SiteError;

/// What playing a scenario comes to. What must not be is no error: the
/// [`Stage`] is told of it.
pub type Played<'a> = Pin<Box<dyn Future<Output = Result<(), SiteError>> + 'a>>;

/// Something that is done to a lab, and what must hold meanwhile and after.
#[derive(Debug)]
pub struct Scenario {
    /// Its name, as the command line knows it: `renewal/signal`.
    pub name: &'static str,
    /// What it shows, in a sentence.
    pub about: &'static str,
    /// The same, made wrong on purpose.
    pub control: Control,
    /// What it is played with, unless a person wants it different.
    pub parameters: fn() -> Parameters,
    /// Plays it.
    pub play: for<'a> fn(&'a Stage<'a>) -> Played<'a>,
}

/// A scenario made wrong on purpose: it must be found out.
#[derive(Debug)]
pub struct Control {
    /// What is wrong in it.
    pub wrong: &'static str,
    /// By which kinds of findings it must turn red: by each of them.
    pub found_by: &'static [Kind],
}

impl Control {
    /// The kinds of findings by which it must turn red, in words.
    #[must_use]
    pub fn kinds(&self) -> String {
        let kinds = self.found_by.iter().map(Kind::to_string);
        kinds.collect::<Vec<_>>().join(", ")
    }
}

/// The scenarios that every run of the tests plays, those first that leave the
/// least behind.
pub const ALL: &[Scenario] = &[
    first_deploy::SCENARIO,
    nothing_due::SCENARIO,
    renewal_signal::SCENARIO,
    forced_rollout::SCENARIO,
    acme_down::SCENARIO,
    acme_limited::SCENARIO,
    renewal_unattended::SCENARIO,
    long_rollout::SCENARIO,
    long_order::SCENARIO,
    crash::at::<9>(),  // certbot_started
    crash::at::<11>(), // issued
    leftovers::SCENARIO,
    schedule::SCENARIO,
    drift::SCENARIO,
    window::SCENARIO,
    bad_files::SCENARIO,
    bad_labels::SCENARIO,
    check_clean::SCENARIO,
    check_bad::SCENARIO,
    check_held_back::SCENARIO,
    check_before::SCENARIO,
    other_names::SCENARIO,
    renewal_restart::SCENARIO,
    renewal_secret::SCENARIO,
    changed_stack::SCENARIO,
    servers::SCENARIO,
    disturbed::WILL_NOT_RELOAD,
    held_back::SCENARIO,
    volume_lagging::SCENARIO,
    volume_gluster::SCENARIO,
    taken_over::SCENARIO,
    runners::KILLED,
    state::SCENARIO,
];

/// The scenarios that are played where there is time: by name, or by `--full`.
pub const LONG: &[Scenario] = &[
    crash::at::<0>(),  // observed
    crash::at::<1>(),  // placeholder_prepared
    crash::at::<2>(),  // placeholder_published
    crash::at::<3>(),  // trial_written
    crash::at::<4>(),  // challenge_checked
    crash::at::<5>(),  // order_ready
    crash::at::<6>(),  // order_finalized
    crash::at::<7>(),  // certificate_fetched
    crash::at::<8>(),  // certbot_created
    crash::at::<10>(), // certbot_ended
    crash::at::<12>(), // job_created
    crash::at::<13>(), // secrets_created
    crash::at::<14>(), // update_started
    crash::at::<15>(), // update_completed
    crash::at::<16>(), // verified
    crash::at::<17>(), // concluded
    crash::at::<18>(), // challenge_checked, engine acme
    renewal_signal::LONG,
    stopped_rollout::SCENARIO,
    two_targets::SCENARIO,
    volume_lagging::CERTBOT,
    dual_pair::SCENARIO,
    gone_back::SCENARIO,
    many_orders::SCENARIO,
    other_update::SCENARIO,
    secret_rollback::SCENARIO,
    placed::SCENARIO,
    private_registry::SCENARIO,
    monitored::SCENARIO,
    disturbed::NODE_DIES,
    disturbed::NODE_CUT_OFF,
    disturbed::REPLICA_KILLED,
    disturbed::REPLICA_MOVES,
    disturbed::REPLICA_ADDED,
    disturbed::TEST_FAILS,
    disturbed::NODE_PAUSED,
    disturbed::NODE_DRAINED,
    disturbed::LEADER_DIES,
    runners::PAUSED,
    runners::CUT_OFF,
    chaos::SCENARIO,
];

/// There is no scenario of that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is no scenario; there are: {}", known())]
pub struct UnknownScenario {
    /// What was asked for.
    pub name: String,
}

/// Every scenario there is: [`ALL`] and [`LONG`].
pub fn all() -> impl Iterator<Item = &'static Scenario> + Clone {
    ALL.iter().chain(LONG)
}

fn known() -> String {
    let names: Vec<_> = all().map(|scenario| scenario.name).collect();
    names.join(", ")
}

/// The scenario of that name.
///
/// # Errors
/// With the names that there are.
pub fn find(name: &str) -> Result<&'static Scenario, UnknownScenario> {
    all()
        .find(|scenario| scenario.name == name)
        .ok_or_else(|| UnknownScenario {
            name: name.to_owned(),
        })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_tell_scenarios_apart() {
        let names: BTreeSet<_> = all().map(|scenario| scenario.name).collect();
        assert_eq!(names.len(), ALL.len() + LONG.len());
    }

    #[test]
    fn a_name_that_nobody_has_is_answered_with_those_that_there_are() {
        let error = find("renewal").unwrap_err().to_string();
        assert!(error.contains("renewal/signal"), "{error}");
    }
}
