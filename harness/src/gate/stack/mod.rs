//! A stack file as `docker stack deploy` reads it.
//!
//! The way through: the text becomes values with places ([`tree`]), variables are
//! put in ([`variables`]), and what comes of it is a [`Stack`] that is asked for its
//! services and what they name.

mod deploy;
mod error;
mod file;
mod node;
mod read;
mod tree;
mod variables;

pub(in crate::gate) use deploy::{constraints, labels, replicas, update};
pub use error::StackError;
pub(in crate::gate) use file::{Declared, Stack};
pub(in crate::gate) use node::{Entry, Node, Spot, Value, Wrong};
pub use read::UnsetVariable;
pub(in crate::gate) use read::{Variables, text_of};
