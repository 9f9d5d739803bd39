//! What must outlive this process, in the swarm's Raft store: [`Store`] keeps it,
//! [`State`] is what is remembered of certificates, and a [`Keeper`] holds the lease
//! by which only one runner acts.
//!
//! A swarm's config objects are the one strongly consistent store that every swarm
//! has. Their data cannot be changed, but their labels can, by compare-and-swap on
//! the object's version. So the record is in a label, and the data says so.

mod certificates;
mod keeper;
mod key;
mod store;

pub(crate) use certificates::State;
pub(crate) use keeper::{Fence, Held, Keeper, Lost};
pub(crate) use key::Key;
pub(crate) use store::{Record, StateError, Store, Stored};
