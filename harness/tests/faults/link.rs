//! Links that are slow, and how that is seen.

use std::time::Duration;

use rollover_lab::fault::SlowLink;
use rollover_lab::lab::{Lab, Node};

use crate::cases::Case;
use crate::look::{self, Look, all_answer};

/// Far more than an answer takes on a busy machine.
const LATE: Duration = Duration::from_millis(800);

pub(crate) fn narrow() -> Case {
    Case {
        name: "link/narrow",
        fault: |_| Box::new(SlowLink::narrow(NODE, 64)),
        broken: is_slow,
        well: is_fast,
    }
}

/// It takes a kernel with netem.
pub(crate) fn late() -> Case {
    Case {
        name: "link/late",
        fault: |_| Box::new(SlowLink::late(NODE, LATE)),
        broken: is_late,
        well: is_in_time,
    }
}

const NODE: &str = "node-3";

fn node(lab: &Lab) -> &Node {
    lab.node(NODE).expect("the lab has that node")
}

fn is_slow(lab: &Lab) -> Look<'_> {
    Box::pin(async move {
        if look::is_fast(lab, node(lab)).await {
            return Err(format!("{NODE} is fast"));
        }
        Ok(())
    })
}

fn is_fast(lab: &Lab) -> Look<'_> {
    Box::pin(async move {
        if !look::is_fast(lab, node(lab)).await {
            return Err(format!("{NODE} is slow"));
        }
        Ok(())
    })
}

fn is_late(lab: &Lab) -> Look<'_> {
    Box::pin(async move {
        let took = look::refuses_within(node(lab)).await;
        if took < LATE {
            return Err(format!("{NODE} answers within {took:?}"));
        }
        Ok(())
    })
}

fn is_in_time(lab: &Lab) -> Look<'_> {
    Box::pin(async move {
        let took = look::refuses_within(node(lab)).await;
        if took >= LATE {
            return Err(format!("{NODE} answers within {took:?}"));
        }
        all_answer(lab).await
    })
}
