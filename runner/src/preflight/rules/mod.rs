//! The rules, one file each, by code: 0xx labels, 1xx how replicas are
//! replaced, 2xx what the process in them does with a signal, 3xx certificates,
//! 4xx nodes, 5xx the runner itself.

mod all_at_once;
mod certificate_unreadable;
mod drain_cut_short;
mod engine_cuts_connections;
mod host_port;
mod invalid_label;
mod keepalive_outlasts_drain;
mod monitor_too_short;
mod name_served_otherwise;
mod no_health_check;
mod no_keepalive_min_timeout;
mod no_shared_network;
mod no_worker_shutdown_timeout;
mod node_local_certificates;
mod pinned_to_one_node;
mod runner_not_on_manager;
mod signal_not_passed_on;
mod single_replica;
mod start_first_host_port;
mod start_first_rollback;
mod stop_signal_cuts;
#[cfg(test)]
pub(super) mod tests;

use super::rule::Rule;

/// The code of the one rule that holds a restart back.
pub(super) const START_FIRST_HOST_PORT: &str = start_first_host_port::RULE.code;

/// Every rule, by code.
pub const RULES: &[Rule] = &[
    invalid_label::RULE,
    single_replica::RULE,
    all_at_once::RULE,
    no_health_check::RULE,
    monitor_too_short::RULE,
    start_first_host_port::RULE,
    start_first_rollback::RULE,
    host_port::RULE,
    stop_signal_cuts::RULE,
    drain_cut_short::RULE,
    no_worker_shutdown_timeout::RULE,
    no_keepalive_min_timeout::RULE,
    keepalive_outlasts_drain::RULE,
    signal_not_passed_on::RULE,
    node_local_certificates::RULE,
    certificate_unreadable::RULE,
    name_served_otherwise::RULE,
    pinned_to_one_node::RULE,
    engine_cuts_connections::RULE,
    runner_not_on_manager::RULE,
    no_shared_network::RULE,
];
