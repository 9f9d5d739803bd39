//! The runner's own ACME engine against real Pebble, and against every answer
//! and fault that the scripted server can give.

#![expect(clippy::unwrap_used, reason = "what is not as expected fails the test")]

mod account;
mod bind;
mod broken;
mod httpreq;
mod orders;
mod pebble;
mod renewal_info;
mod rfc2136;
mod setting;
