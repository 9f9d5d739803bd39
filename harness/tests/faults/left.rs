//! What is left broken does not outlive its lab.

use libtest_mimic::{Failed, Trial};
use rollover_lab::fault::{Fault, Replica, TaskFault};
use rollover_lab::lab::{Lab, LabError, remove};
use tokio::runtime::Runtime;

use crate::stack;

/// A lab can be removed although a task in it was paused, and nobody lives who
/// would let it go on: a paused process cannot be killed.
pub(crate) fn a_paused_task() -> Trial {
    Trial::test("left/paused", || {
        let runtime = Runtime::new()?;
        let lab = runtime.block_on(stack::up_small())?;
        let left = runtime.block_on(leave_paused(&lab));
        if left.is_err() {
            runtime.block_on(crate::keep(&lab, "left/paused"));
        }
        let stopped = runtime.block_on(lab.stop());
        let run = left?;
        stopped?;
        if runtime.block_on(remove(&run))? {
            return Err(Failed::from("something of the lab was left"));
        }
        Ok(())
    })
}

async fn leave_paused(lab: &Lab) -> Result<String, LabError> {
    let paused = TaskFault::paused(Replica::on(stack::SERVICE, "node-1"));
    // As if this process had been killed.
    std::mem::forget(paused.inject(lab).await?);
    Ok(lab.run().to_owned())
}
