//! What cannot be broken everywhere says so, and why.

use std::sync::Arc;

use libtest_mimic::{Failed, Trial};
use rollover_lab::fault::{Active, Fault, VolumeFrozen};
use rollover_lab::lab::LabError;

use crate::{Bench, link, tried};

/// A shared directory is served by no process that could be stopped.
pub(crate) fn volume_frozen(bench: &Arc<Bench>) -> Trial {
    let bench = Arc::clone(bench);
    Trial::test("volume/frozen-unsupported", move || {
        bench.with_lab("volume/frozen-unsupported", |runtime, lab| {
            let frozen = VolumeFrozen::on("node-2");
            is_unsupported(runtime.block_on(frozen.inject(lab)), "no process serves it")
        })
    })
}

/// Packets are late only where the kernel has netem; there it is a fault as any other.
pub(crate) fn link_late(bench: &Arc<Bench>) -> Trial {
    let bench = Arc::clone(bench);
    let case = link::late();
    Trial::test(case.name, move || {
        bench.with_lab(case.name, |runtime, lab| {
            let fault = (case.fault)(lab);
            match runtime.block_on(fault.inject(lab)) {
                Ok(active) => {
                    runtime.block_on(active.end())?;
                    tried(&case, runtime, lab)
                }
                failed => is_unsupported(failed, "CONFIG_NET_SCH_NETEM"),
            }
        })
    })
}

fn is_unsupported(injected: Result<Active, LabError>, because: &str) -> Result<(), Failed> {
    match injected {
        Err(LabError::Unsupported { reason, .. }) if reason.contains(because) => Ok(()),
        other => Err(format!("expected it unsupported ({because}), found {other:?}").into()),
    }
}
