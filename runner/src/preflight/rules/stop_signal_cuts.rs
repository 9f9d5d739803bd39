//! nginx is stopped by a signal that cuts what it is serving.
//!
//! **Why.** SIGQUIT lets nginx finish; SIGTERM and SIGINT cut every connection.
//! With SIGTERM, a restart of three replicas cut 5 of 113 downloads. nginx's
//! official image says SIGQUIT; an image of one's own around a distribution's
//! package says nothing, which is SIGTERM.
//!
//! ```yaml
//! services:
//!   loadbalancer:
//!     stop_signal: SIGTERM
//! ```
//!
//! **Do.** `stop_signal: SIGQUIT`, or `STOPSIGNAL SIGQUIT` in the image.
//!
//! **Severity.** An error for `restart`. A warning for `signal`: for deploys.

use super::super::Facts;
use super::super::rule::{Rule, Verdict};

pub(super) const RULE: Rule = Rule {
    code: "RO201",
    name: "stop-signal-cuts",
    at: "stop_signal",
    why: "when a replica is stopped, nginx cuts the requests that it is serving",
    check,
};

fn check(facts: &Facts) -> Verdict {
    let Some(signal) = &facts.stop_signal else {
        return match facts.runs_nginx() {
            Some(false) => Verdict::fine(),
            _ => Verdict::not_known("the image's stop signal"),
        };
    };
    let cuts = ["TERM", "INT", "KILL", "2", "9", "15"];
    if !cuts.contains(&signal.trim_start_matches("SIG")) {
        return Verdict::fine();
    }
    match facts.runs_nginx() {
        Some(false) => Verdict::fine(),
        None => Verdict::not_known(format!(
            "whether the replicas run nginx, which {signal} would cut"
        )),
        Some(true) => Verdict::found(
            facts.severity_of_replacing(),
            format!("nginx is stopped by {signal}"),
            "set stop_signal: SIGQUIT",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{restarted, said};
    use super::RULE;

    fn stopped_by(signal: &str, change: impl FnOnce(&mut super::Facts)) -> String {
        let facts = restarted(|facts| {
            facts.stop_signal = Some(signal.to_owned());
            change(facts);
        });
        said(&RULE, &facts)
    }

    #[test]
    fn a_signal_that_cuts_is_found() {
        insta::assert_snapshot!(stopped_by("SIGTERM", |_| ()), @"error: nginx is stopped by SIGTERM; set stop_signal: SIGQUIT");
        assert_eq!(stopped_by("SIGQUIT", |_| ()), "");
        assert_eq!(stopped_by("3", |_| ()), "");
    }

    #[test]
    fn of_another_program_nothing_is_said() {
        let haproxy = |facts: &mut super::Facts| {
            for replica in facts.inside.iter_mut().flatten() {
                replica.first_process = Ok("haproxy -W".to_owned());
                replica.nginx = None;
            }
        };
        assert_eq!(stopped_by("SIGTERM", haproxy), "");
    }

    #[test]
    fn that_the_program_is_not_known_is_said() {
        let nothing = |facts: &mut super::Facts| {
            facts.inside = None;
            facts.command = Some(vec!["/start".to_owned()]);
        };
        insta::assert_snapshot!(stopped_by("SIGTERM", nothing), @"not known: whether the replicas run nginx, which SIGTERM would cut");
    }
}
