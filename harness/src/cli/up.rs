//! `rollover-lab up`: a lab for hands-on work.

use std::path::{Path, PathBuf};

use clap::Args;

use super::access::Access;
use super::progress::Progress;
use super::{CouldNot, Verdict, print};
use rollover_lab::acme::Acme;
use rollover_lab::lab::{Lab, LabBuilder, Subnet};
use rollover_lab::site::{Site, SiteOptions};
use rollover_lab::volume::Volume;

#[derive(Args, Debug)]
pub(super) struct Up {
    /// Nodes in all; those that are no managers are workers
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=100))]
    nodes: u8,

    /// Nodes that manage the swarm; an odd number
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=100))]
    managers: u8,

    /// The volume that the nodes mount: bind, gluster or lagging; one that lags
    /// does so as long as this command runs
    #[arg(long, default_value_t)]
    volume: Volume,

    /// The ACME server: pebble, mock or none; the mock is there as long as this
    /// command runs
    #[arg(long, default_value_t)]
    acme: Acme,

    /// An image of this machine's engine that the nodes shall find in the lab's
    /// registry, beside those of the stack; may be given several times
    #[arg(long = "image", value_name = "NAME:TAG")]
    images: Vec<String>,

    /// Where the lab takes its addresses from, such as 10.99.0.0/16
    #[arg(long)]
    subnet: Option<Subnet>,

    /// A label of a node, such as node-2:zone=b; may be given several times
    #[arg(long = "label", value_name = "NODE:KEY=VALUE", value_parser = label)]
    labels: Vec<(String, String, String)>,

    /// Deploy this stack file as `patch`, with the lab's values for the variables
    /// of stack.yml, and wait until it serves
    #[arg(long, value_name = "STACK")]
    deploy: Option<PathBuf>,

    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

impl Up {
    pub(super) async fn run(self) -> Result<Verdict, CouldNot> {
        if let Some(stack) = self.deploy.as_deref().filter(|stack| !stack.is_file()) {
            let stack = stack.display();
            return Err(format!("{stack}: expected a stack file, found none").into());
        }
        if self.deploy.is_some() && self.acme == Acme::None {
            let why = "--deploy: the stack gets a certificate, so --acme must not be none";
            return Err(why.into());
        }
        let progress = Progress::new();
        let what = format!(
            "{} nodes, a registry and what is beside them come up",
            self.nodes
        );
        let lab = progress.step(&what, self.builder().start()).await?;
        let access = match &self.deploy {
            Some(stack) => self.deploy(&lab, &progress, stack).await?,
            None => Access::to(&lab),
        };
        let told = if self.json {
            serde_json::to_string_pretty(&access)?
        } else {
            access.told()
        };
        if self.lives_in_this_process() {
            print(&told);
            progress.say("the lab is up as long as this command runs; Ctrl-C takes it down");
            // The signal that ends the process takes the lab down.
            return std::future::pending().await;
        }
        lab.detach()?;
        print(&told);
        Ok(Verdict::Passed)
    }

    /// Whether a part of the lab ends with this process.
    fn lives_in_this_process(&self) -> bool {
        self.acme == Acme::Mock || matches!(self.volume, Volume::Lagging(_))
    }

    fn builder(&self) -> LabBuilder {
        let mut builder = Lab::builder()
            .nodes(self.nodes)
            .managers(self.managers)
            .volume(self.volume.clone())
            .acme(self.acme)
            .more_images(&self.images);
        for (node, key, value) in &self.labels {
            builder = builder.labels(node, [(key, value)]);
        }
        match self.subnet {
            Some(subnet) => builder.subnet(subnet),
            None => builder,
        }
    }

    async fn deploy(
        &self,
        lab: &Lab,
        progress: &Progress,
        stack: &Path,
    ) -> Result<Access, CouldNot> {
        let options = SiteOptions {
            stack: stack.to_owned(),
            replicas: self.nodes.min(3),
            ..SiteOptions::default()
        };
        let domain = options.domain.clone();
        let what = format!("docker stack deploy -c {} patch", stack.display());
        let site = progress.step(&what, Site::deploy(lab, options)).await?;
        let what = "a first certificate is obtained, and every replica serves it";
        progress.step(what, site.ready()).await?;
        let root = lab.directory().join("root.pem");
        std::fs::write(&root, lab.acme().roots().await?)?;
        Ok(Access::to(lab).with_site(&domain, root.display().to_string()))
    }
}

fn label(text: &str) -> Result<(String, String, String), String> {
    let split = || {
        let (node, label) = text.split_once(':')?;
        let (key, value) = label.split_once('=')?;
        Some((node.to_owned(), key.to_owned(), value.to_owned()))
    };
    split().ok_or_else(|| "expected NODE:KEY=VALUE, such as node-2:zone=b".to_owned())
}
