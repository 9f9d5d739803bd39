//! The policy: whether one certificate is to be renewed, why, and when to look
//! again. It is used where the runner decides by itself; where certbot does, it
//! is not asked.
//!
//! Plain data in, plain data out: [`Facts`], a [`History`] and the time make a
//! [`Verdict`]. Chance is drawn from the data ([`draw`]), so that the same
//! history gives the same answer on any node, after any restart, and in a
//! simulation of a year.
//!
//! The rules, in their order:
//! 1. Forced; missing; broken; other names; expired: now.
//! 2. A moment in the authority's window (RFC 9773), drawn once for each window.
//! 3. Without a window: at two thirds of the life, or the half if it is shorter
//!    than ten days; each certificate somewhat earlier, by a part of its own.
//! 4. A twentieth of the life left is an emergency, whatever the window says.
//!
//! What is due can be held, longest first: by the authority's `Retry-After`,
//! which nothing overrides; after a failure; while what was just issued is not
//! seen; by the budget of issuances, and by the pace of the account's orders.
//! A person who forces overrides all but the first. An emergency overrides the
//! pace and one step of the budget. Certificates for the same names (a [dual
//! pair](Shared)) have one budget, and what fails for the names of
//! one holds the other.

mod ari;
mod backoff;
mod budget;
mod draw;
mod facts;
mod history;
mod pace;
#[cfg(test)]
mod properties;
mod shared;
#[cfg(test)]
mod tests;
mod time;
mod verdict;
mod words;

pub(crate) use ari::{AriAnswer, AriFailure};
pub(crate) use draw::draw;
pub(crate) use facts::{Current, Facts, Issued};
pub(crate) use history::{Failure, FailureClass, History, Order};
pub(crate) use pace::Pace;
pub(crate) use shared::Shared;
pub(super) use time::WEEK;
pub(crate) use verdict::{Decision, Verdict, WhyDue, WhyHeld, ask_ari_at, verdict};
