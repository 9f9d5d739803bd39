//! The volume that every node of a lab mounts: where certificates live.
//!
//! A [`Volume`] says of which kind it is. A lab that is up has it as a
//! [`Mounted`], whose [`Files`] read and write the same whatever the kind.

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
