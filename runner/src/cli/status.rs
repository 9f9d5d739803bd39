//! `rollover status`: how every certificate, target and replica stands.

use clap::Args;

use super::start::start;
use super::{Exit, complain, print};
use crate::clock::now;
use crate::config::Settings;
use crate::daemon::ask;
use crate::status::Facts;

#[derive(Args, Debug)]
pub(super) struct Status {
    /// Print the status as one JSON document
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    settings: Settings,
}

impl Status {
    /// Looks, and changes nothing. The daemon, if one runs in this container, is
    /// asked for what it alone knows, and is not held up.
    pub(super) async fn run(self) -> Exit {
        let mut runner = match start(self.settings).await {
            Ok(runner) => runner,
            Err(error) => {
                complain(&error);
                return Exit::Two;
            }
        };
        let told = ask().await;
        if let Ok(told) = &told {
            runner.memory = told.memory.clone();
            runner.schedule = told.schedule.clone();
            runner.elsewhere = told.under_way();
        }
        // What replicas serve can be told without it, and that it is missing is told.
        let _ = runner.recall().await;
        let (snapshot, plan) = match runner.look(&[]).await {
            Ok(seen) => seen,
            Err(error) => {
                complain(&format!("cannot {error}"));
                return Exit::Two;
            }
        };
        let facts = Facts {
            lease: runner.lease().await.into(),
            snapshot: &snapshot,
            plan: &plan,
            memory: &runner.memory,
            told: told.as_ref().map_err(Clone::clone),
            now: now(),
        };
        let status = facts.status();
        if self.json {
            // Plain data whose every part serialises: this cannot fail.
            let document = serde_json::to_string_pretty(&status).unwrap_or_default();
            print(&format!("{document}\n"));
        } else {
            print(&status.to_string());
        }
        if status.all_served {
            Exit::Ok
        } else {
            Exit::Failed
        }
    }
}
