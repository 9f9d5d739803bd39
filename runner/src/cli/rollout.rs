//! `rollover rollout`: one service's replicas, now.

use std::time::Duration;

use clap::Args;
use clap::builder::PossibleValuesParser;
use tokio::time::timeout;

use super::lease::{Wait, under_lease};
use super::once::show;
use super::start::start_alone;
use super::{Exit, complain};
use crate::config::Settings;
use crate::model::parse_duration;
use crate::reconcile::{ForceError, Runner};

#[derive(Args, Debug)]
pub(super) struct Rollout {
    /// The service's full name, such as patch_loadbalancer
    #[arg(value_name = "SERVICE")]
    service: String,

    /// Another strategy than the service's label names; secret only where it names
    /// that
    #[arg(long, value_parser = PossibleValuesParser::new(["signal", "restart", "secret"]))]
    strategy: Option<String>,

    /// How long to wait, for another rollout in this container and for this one;
    /// what swarm was told by then goes on
    #[arg(long, value_name = "DURATION", default_value = "30m", value_parser = parse_duration)]
    timeout: Duration,

    /// Print the result as one JSON document
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    wait: Wait,

    #[command(flatten)]
    settings: Settings,
}

impl Rollout {
    pub(super) async fn run(self) -> Exit {
        let limit = self.timeout;
        let service = self.service.clone();
        timeout(limit, self.carried_out()).await.unwrap_or_else(|_| {
            complain(&format!(
                "roll out {service}: not done within {} s (--timeout); what swarm was told goes on, \
                 see `rollover status`",
                limit.as_secs()
            ));
            Exit::Failed
        })
    }

    async fn carried_out(self) -> Exit {
        let (mut runner, _exclusive) = match start_alone(self.settings).await {
            Ok(started) => started,
            Err(error) => {
                complain(&error);
                return Exit::Two;
            }
        };
        let (service, strategy) = (self.service.as_str(), self.strategy.as_deref());
        let act = async |runner: &mut Runner| runner.force(service, strategy).await;
        let done = match under_lease(&mut runner, self.wait, act).await {
            Ok(done) => done,
            Err(error) => return error.complain(),
        };
        match done {
            Ok(report) => {
                show(&report, self.json);
                if report.failed() {
                    Exit::Failed
                } else {
                    Exit::Ok
                }
            }
            Err(error @ (ForceError::NoTarget { .. } | ForceError::NoSecrets { .. })) => {
                complain(&error);
                Exit::Two
            }
            Err(error) => {
                complain(&format!("cannot {error}"));
                Exit::Failed
            }
        }
    }
}
