//! The lab: a swarm of docker-in-docker nodes, and what it needs around it.
//!
//! ```no_run
//! # async fn example() -> Result<(), rollover_lab::lab::LabError> {
//! use rollover_lab::lab::Lab;
//!
//! let lab = Lab::builder().nodes(3).start().await?;
//! lab.deploy("stack.yml".as_ref(), "patch", &[]).await?;
//! for replica in lab.service("patch_loadbalancer").running().await? {
//!     println!("{} on {}", replica.id, replica.node);
//! }
//! lab.stop().await
//! # }
//! ```
//!
//! Everything that a lab makes carries the labels of its run, so that what a
//! killed run leaves is found and removed by the next ([`reap`]).

mod builder;
mod bundle;
mod container;
mod engine;
mod error;
mod exec;
mod http;
mod images;
mod network;
mod node;
mod owner;
mod reap;
mod registry;
mod resources;
mod running;
mod service;
mod stack;
mod swarm;
mod timeline;
pub mod wait;
mod watchdog;

pub use builder::LabBuilder;
pub use error::LabError;
pub use exec::Output;
pub use images::ensure as ensure_images;
pub use node::Node;
pub use reap::{Reaped, reap, remove};
pub use running::Lab;
pub use service::{Service, Task};
pub use timeline::{Event, What};

pub(crate) use container::{Container, Recipe};
pub(crate) use engine::Engine;
pub(crate) use error::{At, Doing};
pub(crate) use http::{Response, request};
pub(crate) use network::LabNetwork;
pub(crate) use resources::Resources;
