//! Faults: something is broken on purpose, and mended again.
//!
//! A [`Fault`] says what it breaks; [`inject`](Fault::inject) breaks it, waits
//! until that is seen, and gives an [`Active`] fault, which mends it when it is
//! ended, and also when it is dropped: a test that panics leaves nothing broken.
//!
//! ```no_run
//! # async fn example(lab: &rollover_lab::lab::Lab) -> Result<(), rollover_lab::lab::LabError> {
//! use rollover_lab::fault::{CutOff, Fault};
//!
//! let cut_off = CutOff::both_ways("node-3").inject(lab).await?;
//! // … what must hold meanwhile …
//! cut_off.end().await
//! # }
//! ```

mod acme_api;
mod active;
mod availability;
pub mod catalogue;
mod clock;
mod container;
mod daemon;
mod disk;
mod docker_api;
mod how;
mod label;
mod link;
mod members;
mod network;
mod node;
mod process;
mod proxy;
mod runner_step;
mod scaled;
mod service;
mod shell;
mod task;
mod volume;

pub use acme_api::AcmeBroken;
pub use active::{Active, Fault, Mend, Pending, mending};
pub use availability::{Availability, Unavailable};
pub use clock::ClockAhead;
pub use daemon::DaemonFault;
pub use disk::DiskFull;
pub use docker_api::DockerApiBroken;
pub use how::How;
pub use label::LabelChanged;
pub use link::{Slow, SlowLink};
pub use network::{CutOff, Direction};
pub use node::NodeFault;
pub use process::FirstProcessStopped;
pub use proxy::{Answer, Rule};
pub use runner_step::RunnerKilled;
pub use scaled::Scaled;
pub use task::{Replica, TaskFault, Which};
pub use volume::{VolumeFrozen, VolumeUnmounted};
