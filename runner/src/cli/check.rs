//! `rollover check`: what would lose requests or fail, in the swarm as it is.

use clap::Args;
use serde::Serialize;

use super::start::start;
use super::{Exit, complain, print};
use crate::act::look::look;
use crate::config::Settings;
use crate::decide::without_provider;
use crate::observe::swarm::SwarmError;
use crate::observe::{Who, ask_by_other_names, candidates};
use crate::preflight::{self, Checked, Severity, WrongLabel};
use crate::reconcile::Runner;

#[derive(Args, Debug)]
pub(super) struct Check {
    /// Print the findings as one JSON document
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    settings: Settings,
}

/// All that was found.
#[derive(Serialize)]
struct Findings {
    services: Vec<Checked>,
    /// The services into whose replicas nobody could look, and why.
    not_looked_into: Vec<String>,
}

impl Check {
    pub(super) async fn run(self) -> Exit {
        let runner = match start(self.settings).await {
            Ok(runner) => runner,
            Err(error) => {
                complain(&error);
                return Exit::Two;
            }
        };
        let findings = match check(&runner).await {
            Ok(findings) => findings,
            Err(error) => {
                complain(&format!("cannot {error}"));
                return Exit::Two;
            }
        };
        if self.json {
            // Plain data whose every part serialises: this cannot fail.
            let document = serde_json::to_string_pretty(&findings).unwrap_or_default();
            print(&format!("{document}\n"));
        } else {
            print(&text(&findings));
        }
        exit(&findings)
    }
}

async fn check(runner: &Runner) -> Result<Findings, SwarmError> {
    let (manager, own) = (&runner.manager, runner.own.as_ref());
    let (mut services, mut not_looked_into) = (Vec::new(), Vec::new());
    for mut candidate in candidates(manager, own).await? {
        if let Some(target) = &candidate.target {
            let refused = without_provider(target, runner.settings.by_dns());
            let refused = refused.as_ref().map(WrongLabel::from);
            candidate.facts.label_errors.extend(refused);
            if candidate.facts.other_names.is_none() {
                let asked = ask_by_other_names(manager, own, target, Who::EveryReplica).await?;
                candidate.facts.other_names = Some(asked);
            }
            match look(manager, &runner.settings, own, target).await {
                Ok(looked) => candidate.facts.look_inside(looked.inside, looked.missed),
                Err(error) => not_looked_into.push(format!("{}: {error}", target.name)),
            }
        }
        services.push(preflight::check(&candidate.facts));
    }
    Ok(Findings {
        services,
        not_looked_into,
    })
}

fn text(findings: &Findings) -> String {
    let not_looked = findings.not_looked_into.iter();
    let not_looked = not_looked.map(|why| format!("not looked into: {why}\n"));
    preflight::told(&findings.services) + &not_looked.collect::<String>()
}

/// Errors first: that one service could not be looked into takes nothing from
/// what is wrong with another.
fn exit(findings: &Findings) -> Exit {
    let mut services = findings.services.iter();
    if services.any(|checked| checked.count(Severity::Error) > 0) {
        Exit::Failed
    } else if findings.not_looked_into.is_empty() {
        Exit::Ok
    } else {
        Exit::Two
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::{Facts, Order, Rollout, Update, check as judge};

    fn found(rollout: Rollout, not_looked_into: &[&str]) -> Findings {
        let facts = Facts {
            service: "web".to_owned(),
            rollout: Some(rollout),
            replicas: Some(preflight::Replicas::Replicated(1)),
            update: Some(Update {
                parallelism: 1,
                order: Order::StopFirst,
                failure: preflight::Failure::Pause,
                monitor: std::time::Duration::from_secs(5),
            }),
            ..Facts::default()
        };
        let mut checked = judge(&facts);
        checked.not_known.truncate(1);
        Findings {
            services: vec![checked],
            not_looked_into: not_looked_into.iter().map(|&why| why.to_owned()).collect(),
        }
    }

    #[test]
    fn a_finding_says_what_why_and_what_to_do() {
        let findings = found(Rollout::Restart { parallelism: 1 }, &["web: no image"]);
        insta::assert_snapshot!(text(&findings), @r"
        web: 1 error, no warning
          error RO101 single-replica: 1 replica, which is stopped before the next is started
            why: while the one replica is replaced, nobody serves
            do:  run 2 replicas or more, or set order: start-first
          not known RO103 no-health-check: whether the image has a health check
        not looked into: web: no image
        ");
    }

    #[test]
    fn errors_are_1_warnings_alone_0_and_not_having_looked_2() {
        let restart = || Rollout::Restart { parallelism: 1 };
        assert_eq!(exit(&found(restart(), &["web"])), Exit::Failed);
        assert_eq!(exit(&found(Rollout::Signal, &[])), Exit::Ok);
        assert_eq!(exit(&found(Rollout::Signal, &["web"])), Exit::Two);
    }
}
