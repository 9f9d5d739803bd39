//! `rollover agent`: runs inside the job that signals.

use clap::Args;

use super::{Exit, complain, print};
use crate::act::rollout::{ORDER_VARIABLE, Order};
use crate::agent::{Done, carry_out};
use crate::docker::connect;

#[derive(Args, Debug)]
pub(super) struct Agent {
    /// What to do, as the runner wrote it
    #[arg(long, env = ORDER_VARIABLE, value_parser = order)]
    order: std::sync::Arc<Order>,
}

fn order(text: &str) -> Result<std::sync::Arc<Order>, String> {
    serde_json::from_str(text)
        .map(std::sync::Arc::new)
        .map_err(|error| {
            format!("expected the JSON that the runner of this version writes: {error}")
        })
}

impl Agent {
    pub(super) async fn run(self) -> Exit {
        let docker = match connect("unix:///var/run/docker.sock").await {
            Ok(docker) => docker,
            Err(error) => {
                complain(&error);
                return Exit::Two;
            }
        };
        let results = match carry_out(&docker, &self.order).await {
            Ok(results) => results,
            Err(error) => {
                complain(&error);
                return Exit::Failed;
            }
        };
        let mut exit = Exit::Ok;
        for (container, result) in results {
            match result {
                Ok(Done::Signalled) => {
                    print(&format!("{container}: sent {}\n", self.order.signal));
                }
                Ok(Done::Gone) => print(&format!("{container}: ended by itself\n")),
                Err(error) => {
                    complain(&format!("{container}: {error}"));
                    exit = Exit::Failed;
                }
            }
        }
        exit
    }
}
