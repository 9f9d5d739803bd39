//! What the swarm is told of a node or a service, and a service's first process; and how that
//! is seen.

use std::time::Duration;

use rollover_lab::fault::{FirstProcessStopped, LabelChanged, Replica, Unavailable};
use rollover_lab::lab::{Lab, wait::until};

use crate::cases::Case;
use crate::look::{Look, all_answer, only_silent};
use crate::stack::{SERVICE, web_on};

/// A task has a drain of five seconds.
const TO_BE_GONE: Duration = Duration::from_secs(60);

pub(crate) fn cases() -> [Case; 4] {
    [
        Case {
            name: "availability/paused",
            fault: |_| Box::new(Unavailable::paused("node-2")),
            broken: paused_2,
            well: available_2,
        },
        Case {
            name: "availability/drained",
            fault: |_| Box::new(Unavailable::drained("node-2")),
            broken: drained_2,
            well: available_2,
        },
        Case {
            name: "label/changed",
            fault: |_| Box::new(LabelChanged::of(SERVICE, LABEL, "yes")),
            broken: label_is_set,
            well: label_is_not_set,
        },
        Case {
            name: "process/stopped",
            fault: |_| Box::new(FirstProcessStopped::of(Replica::on(SERVICE, "node-2"))),
            broken: first_process_stands_still,
            well: first_process_goes_on,
        },
    ]
}

/// What swarm may do with node-2, and that its web server answers all the same.
async fn availability_2(lab: &Lab, expected: &str) -> Result<(), String> {
    let inspect = [
        "docker",
        "node",
        "inspect",
        "--format={{.Spec.Availability}}",
        "node-2",
    ];
    let said = lab.manager().exec(&inspect).await;
    let said = said.map_err(|error| error.to_string())?.stdout;
    if said.trim() != expected {
        return Err(format!("node-2 is {said:?}, expected {expected}"));
    }
    Ok(())
}

fn paused_2(lab: &Lab) -> Look<'_> {
    Box::pin(async move {
        availability_2(lab, "pause").await?;
        all_answer(lab).await
    })
}

fn drained_2(lab: &Lab) -> Look<'_> {
    Box::pin(async move {
        availability_2(lab, "drain").await?;
        // What it has is moved as its drain takes; the fault does not wait for that.
        let what = "the web server of node-2 be gone";
        let gone = until(what, TO_BE_GONE, async || only_silent(lab, "node-2").await);
        gone.await.map_err(|error| error.to_string())
    })
}

fn available_2(lab: &Lab) -> Look<'_> {
    Box::pin(async move {
        availability_2(lab, "active").await?;
        all_answer(lab).await
    })
}

const LABEL: &str = "test.changed";

async fn label(lab: &Lab) -> Result<Option<String>, String> {
    let service = lab.service(SERVICE).inspect().await;
    let service = service.map_err(|error| error.to_string())?;
    let labels = service.and_then(|service| service.spec?.labels);
    Ok(labels.unwrap_or_default().remove(LABEL))
}

fn label_is_set(lab: &Lab) -> Look<'_> {
    Box::pin(async move {
        match label(lab).await?.as_deref() {
            Some("yes") => all_answer(lab).await,
            other => Err(format!("the label is {other:?}")),
        }
    })
}

fn label_is_not_set(lab: &Lab) -> Look<'_> {
    Box::pin(async move {
        match label(lab).await? {
            None => all_answer(lab).await,
            Some(value) => Err(format!("the label is {value:?}")),
        }
    })
}

/// Whether the first process of the web server on node-2 is stopped (proc(5), `State`).
async fn first_process_is_stopped(lab: &Lab) -> Result<bool, String> {
    let task = web_on(lab, "node-2").await?;
    let state = task.exec(&["grep", "^State:", "/proc/1/status"]).await;
    let state = state.map_err(|error| error.to_string())?.stdout;
    Ok(state.contains("T (stopped)"))
}

fn first_process_stands_still(lab: &Lab) -> Look<'_> {
    Box::pin(async move {
        if !first_process_is_stopped(lab).await? {
            return Err("the first process runs".to_owned());
        }
        // nginx's workers go on.
        all_answer(lab).await
    })
}

fn first_process_goes_on(lab: &Lab) -> Look<'_> {
    Box::pin(async move {
        if first_process_is_stopped(lab).await? {
            return Err("the first process stands still".to_owned());
        }
        all_answer(lab).await
    })
}
