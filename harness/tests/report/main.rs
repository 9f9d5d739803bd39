//! What reports look like: as text that was looked at once and is compared
//! since, as documents that are well formed whatever was logged, and in a real
//! browser.

#![expect(clippy::unwrap_used, reason = "what is not as expected fails the test")]

mod browser;
mod page;
mod sample;
mod written;
