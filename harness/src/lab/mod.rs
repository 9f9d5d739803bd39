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

mod attach;
mod builder;
mod bundle;
mod container;
pub mod doctor;
mod engine;
mod error;
mod exec;
mod failures;
mod http;
mod images;
pub(crate) mod managers;
mod manifest;
mod network;
mod node;
mod once;
mod owner;
mod pulls;
mod reap;
mod registry;
mod resources;
mod running;
mod service;
mod stack;
mod stages;
mod standing;
pub(crate) mod swarm;
mod timeline;
pub mod wait;
mod watchdog;

pub use builder::LabBuilder;
pub use engine::address as engine_address;
pub use error::LabError;
pub use exec::Output;
pub use failures::failures;
pub use images::{ensure as ensure_images, ensure_one as ensure_image, own as own_image};
pub use network::{NoSubnet, Subnet};
pub use node::Node;
pub use owner::Life;
pub use pulls::Pull;
pub use reap::{Reaped, reap, remove};
pub use running::Lab;
pub use service::{Service, Task};
pub use stages::Stage;
pub use standing::{Standing, StandingNode, standing};
pub use timeline::{Event, Events, What};

pub(crate) use container::{Container, Recipe};
pub(crate) use engine::Engine;
pub(crate) use error::{At, Doing, not_found};
pub(crate) use exec::Raw;
pub(crate) use http::{Response, request, request_for};
pub(crate) use network::{LabNetwork, create as create_network};
pub(crate) use owner::Owner;
pub(crate) use resources::Resources;
