//! The stack that a user deploys, deployed in a lab, and what is done with it.
//!
//! A [`Site`] is `stack.yml` in a lab. A [`Renewal`] renews its certificate under
//! traffic and gives an [`Account`]: each replica, old and new fingerprint, when
//! it changed, what was lost.
//!
//! ```no_run
//! # async fn example(lab: &rollover_lab::lab::Lab) -> Result<(), rollover_lab::site::SiteError> {
//! use rollover_lab::site::{Load, Renewal, Site, SiteOptions};
//!
//! let site = Site::deploy(lab, SiteOptions::find()?).await?;
//! site.ready().await?;
//! let renewal = Renewal { load: Load::default(), times: 3 };
//! let account = renewal.run(&site).await?;
//! assert_eq!(account.record.lost(), 0, "{account}");
//! # Ok(())
//! # }
//! ```

mod account;
mod check;
mod deploy;
mod due;
mod error;
mod renewal;
mod runner;
mod runner_log;
mod secrets;
mod server;
mod state;
mod status;

pub use account::{Account, Change};
pub use check::{Check, Checked};
pub(crate) use deploy::https;
pub use deploy::{Engine, Serves, Site, SiteOptions, Strategy, told};
pub use due::Due;
pub use error::SiteError;
pub(crate) use renewal::moments;
pub use renewal::{Load, Renewal, TrafficRun};
pub use runner::{CertificateResult, Finding, Once, ReplicaResult, RolloutResult, RunnerReport};
pub(crate) use runner_log::{lines, steps};
pub use secrets::CertificateSecret;
pub use server::Server;
pub use status::{
    CertificateStatus, DaemonStatus, HeldBackStatus, ReplicaStatus, RolloutStatus, Status,
    StatusReport, TargetStatus,
};
