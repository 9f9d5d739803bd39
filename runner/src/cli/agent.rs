//! `rollover agent`: runs inside a job, on every node.

use clap::{Args, Subcommand};
use serde::de::DeserializeOwned;

use super::{Exit, complain, print};
use crate::act::job::ORDER_VARIABLE;
use crate::act::look;
use crate::act::rollout::Order;
use crate::agent::{self, Done, carry_out};
use crate::docker::connect;

/// The engine of the node on which the job's task runs.
const ENGINE: &str = "unix:///var/run/docker.sock";

#[derive(Args, Debug)]
pub(super) struct Agent {
    #[command(subcommand)]
    work: Work,
}

/// One for each kind of job.
#[derive(Subcommand, Debug)]
enum Work {
    /// Look into the containers of a target, and print a line of JSON for each
    Look(Look),
    /// Signal the containers of a target
    Signal(Signal),
}

#[derive(Args, Debug)]
struct Look {
    /// What to look at, as the runner wrote it
    #[arg(long, env = ORDER_VARIABLE, value_parser = order::<look::Order>)]
    order: std::sync::Arc<look::Order>,
}

#[derive(Args, Debug)]
struct Signal {
    /// What to do, as the runner wrote it
    #[arg(long, env = ORDER_VARIABLE, value_parser = order::<Order>)]
    order: std::sync::Arc<Order>,
}

fn order<T: DeserializeOwned>(text: &str) -> Result<std::sync::Arc<T>, String> {
    serde_json::from_str(text)
        .map(std::sync::Arc::new)
        .map_err(|error| {
            format!("expected the JSON that the runner of this version writes: {error}")
        })
}

impl Agent {
    pub(super) async fn run(self) -> Exit {
        match self.work {
            Work::Look(look) => look.run().await,
            Work::Signal(signal) => signal.run().await,
        }
    }
}

impl Look {
    async fn run(self) -> Exit {
        let docker = match connect(ENGINE).await {
            Ok(docker) => docker,
            Err(error) => {
                complain(&error);
                return Exit::Two;
            }
        };
        match agent::look::look(&docker, &self.order).await {
            Ok(seen) => {
                for inside in seen {
                    // Plain data whose every part serialises: this cannot fail.
                    let line = serde_json::to_string(&inside).unwrap_or_default();
                    print(&format!("{line}\n"));
                }
                Exit::Ok
            }
            Err(error) => {
                complain(&error);
                Exit::Failed
            }
        }
    }
}

impl Signal {
    async fn run(self) -> Exit {
        let docker = match connect(ENGINE).await {
            Ok(docker) => docker,
            Err(error) => {
                complain(&error);
                return Exit::Two;
            }
        };
        let says = |container: &str, what: &str| {
            if self.order.tells_more {
                print(&format!("{container}: {what}\n"));
            }
        };
        let results = match carry_out(&docker, &self.order, says).await {
            Ok(results) => results,
            Err(error) => {
                complain(&error);
                return Exit::Failed;
            }
        };
        let mut exit = Exit::Ok;
        for (container, result) in results {
            match result {
                Ok(Done::Told) => print(&format!("{container}: {}\n", self.order.tell)),
                Ok(Done::Gone) => print(&format!("{container}: ended by itself\n")),
                Err(error) => {
                    complain(&format!("{container}: {error}"));
                    if error.is_refusal() {
                        exit = Exit::Refused;
                    } else if exit == Exit::Ok {
                        exit = Exit::Failed;
                    }
                }
            }
        }
        exit
    }
}
