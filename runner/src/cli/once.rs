//! `rollover once`: one reconcile, and what it did.

use clap::Args;

use super::lease::{Wait, under_lease};
use super::start::start_alone;
use super::{Exit, complain, print};
use crate::config::Settings;
use crate::model::CertificateName;
use crate::reconcile::Runner;
use crate::report::Report;
use crate::rollouts::Stay;

#[derive(Args, Debug)]
pub(super) struct Once {
    /// Renew this certificate now, due or not; may be given several times
    #[arg(long, value_name = "NAME", value_parser = certificate)]
    force: Vec<CertificateName>,

    /// Exit 0 when there was nothing to do, 1 on an error, 2 when something
    /// was changed
    #[arg(long)]
    detailed_exit_code: bool,

    /// Print the result as one JSON document
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    wait: Wait,

    #[command(flatten)]
    settings: Settings,
}

/// Parses a certificate's name: its own, or its first domain.
pub(super) fn certificate(text: &str) -> Result<CertificateName, String> {
    CertificateName::parse(text)
        .map_err(|error| format!("expected the name of a certificate: {error}"))
}

impl Once {
    pub(super) async fn run(self) -> Exit {
        let (mut runner, _exclusive) = match start_alone(self.settings).await {
            Ok(started) => started,
            Err(error) => {
                complain(&error);
                return Exit::Two;
            }
        };
        let act = async |runner: &mut Runner| runner.reconcile(&self.force, Stay::ToTheEnd).await;
        let done = match under_lease(&mut runner, self.wait, act).await {
            Ok(done) => done,
            Err(error) => return error.complain(),
        };
        match done {
            Ok(report) => {
                show(&report, self.json);
                exit(&report, self.detailed_exit_code)
            }
            Err(error) => {
                complain(&format!("cannot {error}"));
                Exit::Failed
            }
        }
    }
}

pub(super) fn show(report: &Report, json: bool) {
    if json {
        // Plain data whose every part serialises: this cannot fail.
        let document = serde_json::to_string_pretty(report).unwrap_or_default();
        print(&format!("{document}\n"));
    } else {
        print(&report.to_string());
    }
}

fn exit(report: &Report, detailed: bool) -> Exit {
    if report.failed() {
        Exit::Failed
    } else if detailed && report.changed() {
        Exit::Two
    } else {
        Exit::Ok
    }
}
