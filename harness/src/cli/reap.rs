//! `rollover-lab reap`: removes what labs of killed runs have left.

use clap::Args;

use super::{CouldNot, Verdict, print};

#[derive(Args, Debug)]
pub(super) struct Reap {
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

impl Reap {
    pub(super) async fn run(self) -> Result<Verdict, CouldNot> {
        let reaped = rollover_lab::lab::reap().await?;
        if self.json {
            print(&serde_json::to_string_pretty(&reaped)?);
            return Ok(Verdict::Passed);
        }
        if reaped.removed.is_empty() {
            print("nothing was left");
        } else {
            print(&format!(
                "removed what was left of: {}",
                reaped.removed.join(", ")
            ));
        }
        if !reaped.stuck.is_empty() {
            print(&format!(
                "kept by the engine until it is started again, though nothing is on them: \
                 networks {}",
                reaped.stuck.join(", ")
            ));
        }
        Ok(Verdict::Passed)
    }
}
