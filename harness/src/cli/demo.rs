//! `rollover-lab demo`: the whole way, with a short account at the end.

use clap::Args;
use serde::Serialize;

use super::progress::Progress;
use super::{CouldNot, Verdict, bundle, print};
use rollover_lab::lab::Lab;
use rollover_lab::report::attribution::Attribution;
use rollover_lab::site::{Account, Change, Engine, Load, Renewal, Site, SiteOptions, Strategy};
use rollover_lab::traffic::Record;

#[derive(Args, Debug)]
pub(super) struct Demo {
    /// How the new certificate reaches the replicas
    #[arg(long, value_enum, default_value = "signal")]
    strategy: Strategy,

    /// What obtains certificates
    #[arg(long, value_enum, default_value = "acme")]
    engine: Engine,

    /// Requests a second in each of the three large lanes; the other three have fewer
    #[arg(long, value_name = "RATE", default_value_t = 100)]
    rate: u32,

    /// Print the account as one JSON document, with each request
    #[arg(long)]
    json: bool,
}

/// The account as a document.
#[derive(Serialize)]
struct Told<'a> {
    passed: bool,
    strategy: Strategy,
    replicas: Vec<Change>,
    /// From each new file to the proof that every replica serves it.
    seconds_to_verified: Vec<f64>,
    losses: Attribution,
    traffic: &'a Record,
}

fn document(account: &Account) -> Told<'_> {
    Told {
        passed: account.record.lost() == 0,
        strategy: account.strategy,
        replicas: account.changes(),
        seconds_to_verified: account.seconds_to_verified(),
        losses: account.attribution(),
        traffic: &account.record,
    }
}

impl Demo {
    pub(super) async fn run(self) -> Result<Verdict, CouldNot> {
        let progress = Progress::new();
        let lab = progress
            .step(
                "three nodes, a registry and an ACME server come up",
                Lab::builder().nodes(3).start(),
            )
            .await?;
        let account = self.show(&lab, &progress).await;
        let passed = account.as_ref().is_ok_and(|it| it.record.lost() == 0);
        if !passed {
            bundle::leave(&progress, &lab, &bundle::of(&lab)).await;
        }
        progress.step("the lab is taken down", lab.stop()).await?;
        let account = account?;
        print(&match self.json {
            true => serde_json::to_string(&document(&account))?,
            false => format!("\n{account}"),
        });
        Ok(if passed {
            Verdict::Passed
        } else {
            Verdict::Failed
        })
    }

    async fn show(&self, lab: &Lab, progress: &Progress) -> Result<Account, CouldNot> {
        let options = SiteOptions {
            strategy: self.strategy,
            engine: self.engine,
            ..SiteOptions::find()?
        };
        let site = progress
            .step(
                "docker stack deploy -c stack.yml patch",
                Site::deploy(lab, options),
            )
            .await?;
        progress
            .step(
                "a first certificate is obtained, and every replica serves it",
                site.ready(),
            )
            .await?;
        let load = Load {
            rate: self.rate,
            ..Load::default()
        };
        let renewal = Renewal { load, times: 1 };
        let what = format!(
            "the certificate is due and renewed under traffic, {} requests/s in each large lane",
            self.rate
        );
        Ok(progress.step(&what, renewal.run(&site)).await?)
    }
}
