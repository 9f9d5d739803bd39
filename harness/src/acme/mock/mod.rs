//! A scripted ACME server, for answers and faults that Pebble cannot give.
//!
//! It speaks RFC 8555 and RFC 9773 by itself, and checks nonces, signatures and
//! the states of orders, so a client that is wrong fails. On top of that it can
//! be told what to answer:
//!
//! ```no_run
//! # async fn example() -> Result<(), rollover_lab::lab::LabError> {
//! use std::time::Duration;
//! use rollover_lab::acme::mock::{Call, Mock, ProblemType, Scripted, Settings};
//!
//! let mock = Mock::start(Settings::default()).await?;
//! let limited = Scripted::problem(ProblemType::RateLimited);
//! mock.on(Call::NewOrder).nth(2).answer(limited.retry_after(Duration::from_secs(3600)));
//! mock.on(Call::Finalize).half_open();
//! // A client goes to mock.directory_url(), trusting mock.ca_pem() …
//! assert_eq!(mock.calls_of(Call::NewOrder).len(), 2);
//! # Ok(())
//! # }
//! ```
//!
//! Requests come through `front` (TLS) to `server` (wiremock), which asks the
//! script first and carries them out otherwise, in `accounts`, `orders`,
//! `authorizations` and `certificates`. `post` says who asks; `world` is all
//! that is known. It is held to Pebble by `tests/acme_conformance`.

mod accounts;
mod answer;
mod authority;
mod authorizations;
mod call;
mod certificates;
mod fault;
mod front;
mod handle;
mod journal;
mod jws;
mod key;
mod orders;
mod post;
mod problem;
mod script;
mod server;
mod settings;
mod validate;
mod world;

pub use call::Call;
pub use fault::Fault;
pub use handle::Mock;
pub use journal::Received;
pub use problem::ProblemType;
pub use script::{On, Scripted};
pub use settings::{Issuance, Profile, Settings, Validation, Window};
