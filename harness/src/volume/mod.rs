//! The volume that every node of a lab mounts: where certificates live.
//!
//! A [`Volume`] says of which kind it is. A lab that is up has it as a
//! [`Mounted`], whose [`Files`] read and write the same whatever the kind.
//!
//! ```no_run
//! # async fn example() -> Result<(), rollover_lab::lab::LabError> {
//! use std::time::Duration;
//! use rollover_lab::lab::{Lab, wait::until};
//! use rollover_lab::volume::Volume;
//!
//! // Each node sees a change after four seconds, in pieces.
//! let lab = Lab::builder().volume("lagging:4s".parse::<Volume>().unwrap()).start().await?;
//! lab.volume().certificates().write("motd", "hello")?;
//! let seen = lab.volume().seen_by(lab.manager());
//! until("the manager see it", Duration::from_secs(10), async || {
//!     match seen.read_text("motd") {
//!         Ok(text) if text == "hello" => Ok(()),
//!         other => Err(format!("{other:?}")),
//!     }
//! })
//! .await?;
//! # Ok(())
//! # }
//! ```

mod files;
mod gluster;
mod kind;
mod lagging;
mod mounted;

pub use files::{Entry, Files};
pub use gluster::Gluster;
pub use kind::Volume;
pub use lagging::Lagging;
pub use mounted::Mounted;

pub(crate) use gluster::mount_again;
pub(crate) use mounted::Prepared;

/// Where every node mounts the volume.
pub const MOUNT_POINT: &str = "/mnt/certificates";
