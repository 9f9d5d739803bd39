//! A volume whose nodes see a change late, in pieces, and in a wrong order.
//!
//! Each node has a directory of its own, and a thread of this process carries
//! what changes in one to the others. After the node's delay it sees, one eighth
//! of that delay after the other:
//!
//! 1. links, directories and removals: links to what is not there yet;
//! 2. new and changed files, empty;
//! 3. the first half of each;
//! 4. the whole of each;
//! 5. their modes and times.
//!
//! Files that changed together go through each of these one after another, by
//! name: so a certificate is whole before its key is. It is meant to break who
//! takes one of these for another, and never shows anything before its time.

mod carrier;
mod delays;
mod replication;
mod side;
mod tree;
mod views;

pub use delays::Lagging;
pub(crate) use views::Views;
