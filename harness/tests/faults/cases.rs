//! Each fault, and how it is seen.

use std::time::Duration;

use rollover_lab::fault::{
    AcmeBroken, Answer, ClockAhead, CutOff, DaemonFault, DockerApiBroken, Fault, NodeFault,
    Replica, Rule, TaskFault,
};
use rollover_lab::lab::Lab;

use crate::look::{self, Look, all_answer, only_silent};
use crate::stack::SERVICE;
use crate::{link, service, volume};

/// A fault, and how it is seen.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) fault: fn(&Lab) -> Box<dyn Fault>,
    /// That it is broken.
    pub(crate) broken: for<'a> fn(&'a Lab) -> Look<'a>,
    /// That all is well.
    pub(crate) well: for<'a> fn(&'a Lab) -> Look<'a>,
}

pub(crate) fn silent_2(lab: &Lab) -> Look<'_> {
    Box::pin(only_silent(lab, "node-2"))
}

fn no_daemon_2(lab: &Lab) -> Look<'_> {
    Box::pin(async move {
        if look::daemon_answers(lab, "node-2").await {
            return Err("the daemon of node-2 answers".to_owned());
        }
        Ok(())
    })
}

fn manager_away(lab: &Lab) -> Look<'_> {
    Box::pin(only_silent(lab, "node-1"))
}

/// node-3 does not answer; whether it is heard, and hears.
async fn one_way(lab: &Lab, heard: bool, hears: bool) -> Result<(), String> {
    only_silent(lab, "node-3").await?;
    let node = lab.node("node-3").expect("the lab has that node");
    let found = (look::is_heard(lab, node).await, look::hears(node).await);
    if found != (heard, hears) {
        return Err(format!("(heard, hears): {found:?}"));
    }
    Ok(())
}

fn every_node_speaks(lab: &Lab) -> Look<'_> {
    Box::pin(async move {
        all_answer(lab).await?;
        for node in lab.nodes() {
            if !look::is_heard(lab, node).await || !look::hears(node).await {
                return Err(format!("{} does not hear or is not heard", node.name()));
            }
        }
        Ok(())
    })
}

fn well(
    name: &'static str,
    fault: fn(&Lab) -> Box<dyn Fault>,
    broken: for<'a> fn(&'a Lab) -> Look<'a>,
) -> Case {
    Case {
        name,
        fault,
        broken,
        well: all_answer,
    }
}

async fn acme_says(lab: &Lab, expected: Result<&str, &str>) -> Result<(), String> {
    let status = look::acme_status(lab).await;
    match (&status, expected) {
        (Ok(status), Ok(expected)) if status == expected => Ok(()),
        (Err(why), Err(part)) if why.contains(part) => Ok(()),
        _ => Err(format!("expected {expected:?}, found {status:?}")),
    }
}

fn acme_answers(lab: &Lab) -> Look<'_> {
    Box::pin(acme_says(lab, Ok("200")))
}

fn the_runner_plans(lab: &Lab) -> Look<'_> {
    Box::pin(look::runner_plans(lab))
}

fn the_api_breaks_the_runner(lab: &Lab) -> Look<'_> {
    Box::pin(async move {
        match look::runner_plans(lab).await {
            Ok(()) => Err("the runner can plan".to_owned()),
            // It may not even run.
            Err(_) => Ok(()),
        }
    })
}

fn the_runner_is_ahead(lab: &Lab) -> Look<'_> {
    Box::pin(async move {
        let log = look::runner_log(lab).await?;
        if log.contains("the clock is put ahead") {
            return Ok(());
        }
        Err(log)
    })
}

fn the_runner_is_on_time(lab: &Lab) -> Look<'_> {
    Box::pin(async move {
        match the_runner_is_ahead(lab).await {
            Ok(()) => Err("the runner's clock is ahead".to_owned()),
            Err(_) => look::runner_plans(lab).await,
        }
    })
}

/// Two days, in which a certificate of a day would have expired.
const AHEAD: Duration = Duration::from_secs(2 * 24 * 60 * 60);

/// How far ahead of this machine's the web server's clock on node-2 is, in days.
async fn days_ahead(lab: &Lab) -> Result<i64, String> {
    let task = crate::stack::web_on(lab, "node-2").await?;
    let said = task.exec(&["date", "+%s"]).await;
    let said = said.map_err(|error| error.to_string())?.stdout;
    let there: i64 = said.trim().parse().map_err(|_| said.clone())?;
    let here = std::time::SystemTime::UNIX_EPOCH.elapsed();
    let here = here.map_err(|error| error.to_string())?.as_secs();
    Ok((there - here.cast_signed() + 3600).div_euclid(24 * 60 * 60))
}

fn two_days_ahead(lab: &Lab) -> Look<'_> {
    Box::pin(async move {
        match days_ahead(lab).await? {
            2 => Ok(()),
            other => Err(format!("{other} days ahead")),
        }
    })
}

fn on_time(lab: &Lab) -> Look<'_> {
    Box::pin(async move {
        all_answer(lab).await?;
        match days_ahead(lab).await? {
            0 => Ok(()),
            other => Err(format!("{other} days ahead")),
        }
    })
}

/// All of them; first the one that takes longest.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case {
            name: "clock/service",
            fault: |_| Box::new(ClockAhead::of(SERVICE, AHEAD)),
            broken: two_days_ahead,
            well: on_time,
        },
        link::narrow(),
        Case {
            name: "acme/status",
            fault: |_| Box::new(AcmeBroken::by(Rule::all(Answer::Status(503)))),
            broken: |lab| Box::pin(acme_says(lab, Ok("503"))),
            well: acme_answers,
        },
        Case {
            name: "acme/reset",
            fault: |_| Box::new(AcmeBroken::by(Rule::all(Answer::Reset))),
            broken: |lab| Box::pin(acme_says(lab, Err("reset by peer"))),
            well: acme_answers,
        },
        Case {
            name: "acme/stall",
            fault: |_| Box::new(AcmeBroken::by(Rule::all(Answer::Stall))),
            broken: |lab| Box::pin(acme_says(lab, Err("timed out"))),
            well: acme_answers,
        },
        Case {
            name: "acme/garbage",
            fault: |_| Box::new(AcmeBroken::by(Rule::all(Answer::Garbage))),
            broken: |lab| Box::pin(acme_says(lab, Err("HTTP/0.9"))),
            well: acme_answers,
        },
        Case {
            name: "acme/truncated",
            fault: |_| Box::new(AcmeBroken::by(Rule::all(Answer::Truncated))),
            broken: |lab| Box::pin(acme_says(lab, Err("("))),
            well: acme_answers,
        },
        Case {
            name: "acme/other-calls-pass",
            fault: |_| {
                let rule = Rule::all(Answer::Reset).with_line("POST ");
                Box::new(AcmeBroken::by(rule))
            },
            broken: acme_answers,
            well: acme_answers,
        },
        Case {
            name: "docker-api/status",
            fault: |_| Box::new(DockerApiBroken::by(Rule::all(Answer::Status(500)))),
            broken: the_api_breaks_the_runner,
            well: the_runner_plans,
        },
        Case {
            name: "clock/runner",
            fault: |_| Box::new(ClockAhead::of_the_runner(AHEAD)),
            broken: the_runner_is_ahead,
            well: the_runner_is_on_time,
        },
        well(
            "task/killed",
            |_| Box::new(TaskFault::killed(Replica::on(SERVICE, "node-2"))),
            silent_2,
        ),
        well(
            "task/stopped",
            |_| Box::new(TaskFault::stopped(Replica::on(SERVICE, "node-2"))),
            silent_2,
        ),
        well(
            "task/paused",
            |_| Box::new(TaskFault::paused(Replica::on(SERVICE, "node-2"))),
            silent_2,
        ),
        well(
            "daemon/stopped",
            |_| Box::new(DaemonFault::stopped("node-2")),
            no_daemon_2,
        ),
        well(
            "daemon/killed",
            |_| Box::new(DaemonFault::killed("node-2")),
            no_daemon_2,
        ),
        well(
            "daemon/paused",
            |_| Box::new(DaemonFault::paused("node-2")),
            no_daemon_2,
        ),
        well(
            "node/paused",
            |_| Box::new(NodeFault::paused("node-2")),
            silent_2,
        ),
        well(
            "node/killed",
            |_| Box::new(NodeFault::killed("node-2")),
            silent_2,
        ),
        well(
            "node/stopped",
            |_| Box::new(NodeFault::stopped("node-2")),
            silent_2,
        ),
        well(
            "manager/killed",
            |_| Box::new(NodeFault::killed("node-1")),
            manager_away,
        ),
        Case {
            name: "network/both-ways",
            fault: |_| Box::new(CutOff::both_ways("node-3")),
            broken: |lab| Box::pin(one_way(lab, false, false)),
            well: every_node_speaks,
        },
        Case {
            name: "network/inbound",
            fault: |_| Box::new(CutOff::inbound("node-3")),
            // What comes in vanishes before it is counted.
            broken: |lab| Box::pin(one_way(lab, true, false)),
            well: every_node_speaks,
        },
        Case {
            name: "network/outbound",
            fault: |_| Box::new(CutOff::outbound("node-3")),
            broken: |lab| Box::pin(one_way(lab, false, true)),
            well: every_node_speaks,
        },
    ];
    cases.extend(volume::cases());
    cases.extend(service::cases());
    cases
}
