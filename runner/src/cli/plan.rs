//! `rollover plan`: what would be done now and why, without doing it.

use clap::Args;

use super::once::certificate;
use super::start::start;
use super::{Exit, complain, print};
use crate::config::Settings;
use crate::daemon::ask;
use crate::decide::{Named, Plan as Decided};
use crate::model::CertificateName;

#[derive(Args, Debug)]
pub(super) struct Plan {
    /// As if this certificate were forced; may be given several times
    #[arg(long, value_name = "NAME", value_parser = certificate)]
    force: Vec<CertificateName>,

    /// Print the plan as one JSON document
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    settings: Settings,
}

impl Plan {
    pub(super) async fn run(self) -> Exit {
        let mut runner = match start(self.settings).await {
            Ok(runner) => runner,
            Err(error) => {
                complain(&error);
                return Exit::Two;
            }
        };
        if let Err(error) = runner.recall().await {
            complain(&format!("cannot {error}"));
            return Exit::Failed;
        }
        if let Ok(told) = ask().await {
            runner.elsewhere = told.under_way();
        }
        let plan = match runner.plan(&self.force).await {
            Ok(plan) => plan,
            Err(error) => {
                complain(&format!("cannot {error}"));
                return Exit::Failed;
            }
        };
        if self.json {
            // Plain data whose every part serialises: this cannot fail.
            let document = serde_json::to_string_pretty(&plan).unwrap_or_default();
            print(&format!("{document}\n"));
        } else {
            print(&text(&plan));
        }
        if plan.problems.is_empty() {
            Exit::Ok
        } else {
            Exit::Failed
        }
    }
}

fn text(plan: &Decided) -> String {
    let mut lines = Vec::new();
    for certificate in &plan.certificates {
        lines.push(format!("{}: {}", certificate.name, certificate.step));
    }
    for version in &plan.versions {
        lines.push(format!("{}: {version}", version.name));
    }
    for rollout in &plan.rollouts {
        lines.push(format!("{}: roll out", rollout.target.name));
        for stale in &rollout.stale {
            lines.push(format!(
                "  {} serves {} for {}",
                stale.replica,
                stale.serves.short(),
                stale.certificate
            ));
        }
        let secrets = rollout.secrets.as_ref();
        if let Some(Named::Nothing(name)) = secrets.map(|it| &it.named) {
            lines.push(format!("  it names no secrets of {name}"));
        }
    }
    for waiting in plan.waits() {
        lines.push(waiting);
    }
    for problem in &plan.problems {
        lines.push(format!("problem: {problem}"));
    }
    if lines.is_empty() {
        lines.push("no service asks for a certificate (label rollover.enable=true)".to_owned());
    }
    lines.join("\n") + "\n"
}
