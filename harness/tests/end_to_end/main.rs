//! End to end, with real parts: a swarm, nginx, certbot, Pebble.
//!
//! One lab serves all of these, one after the other: each begins by bringing
//! the stack into the state that it needs, so that any of them can be run
//! alone (`cargo test --test end_to_end NAME`). A failed one leaves what can be
//! known of it under `target/lab-failures/`.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test tells what it measured"
)]

mod bad_input;
mod crash;
mod failures;
mod first_deploy;
mod gate;
mod leftovers;
mod nothing_due;
mod renewal;
mod schedule;
mod support;

use std::process::ExitCode;

use libtest_mimic::Arguments;

use support::Suite;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // They share a lab, and traffic that shares its two cores with another
    // test could not keep its schedule.
    arguments.test_threads = Some(1);
    let suite = Suite::new();
    let trials = vec![
        suite.trial(
            "first_deploy::from_an_empty_swarm_to_served_certificates",
            first_deploy::from_an_empty_swarm_to_served_certificates,
        ),
        suite.trial(
            "nothing_due::nothing_is_touched",
            nothing_due::nothing_is_touched,
        ),
        suite.trial(
            "renewal::signal_loses_nothing",
            renewal::signal_loses_nothing,
        ),
        suite.trial(
            "failures::pebble_down_then_certbot_failing",
            failures::pebble_down_then_certbot_failing,
        ),
        suite.trial(
            "crash::killed_between_renewal_and_rollout",
            crash::killed_between_renewal_and_rollout,
        ),
        suite.trial(
            "leftovers::certbot_of_an_earlier_runner_is_adopted_or_removed",
            leftovers::certbot_of_an_earlier_runner_is_adopted_or_removed,
        ),
        suite.trial(
            "schedule::the_daemon_renews_when_the_schedule_comes_round",
            schedule::the_daemon_renews_when_the_schedule_comes_round,
        ),
        suite.trial(
            "bad_input::files_that_must_not_be_served",
            bad_input::files_that_must_not_be_served,
        ),
        suite.trial(
            "bad_input::labels_and_settings",
            bad_input::labels_and_settings,
        ),
        suite.trial(
            "renewal::restart_is_counted_and_attributed",
            renewal::restart_is_counted_and_attributed,
        ),
        suite.trial(
            "gate::passes_a_change_that_loses_nothing_and_fails_one_that_does",
            gate::passes_a_change_that_loses_nothing_and_fails_one_that_does,
        ),
        suite.trial(
            "renewal::control_without_keepalive_min_timeout",
            renewal::control_without_keepalive_min_timeout,
        ),
    ];
    let conclusion = libtest_mimic::run(&arguments, trials);
    suite.end();
    conclusion.exit_code()
}
