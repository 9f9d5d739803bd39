//! Honest open-loop TLS traffic.
//!
//! - **Open loop**: every request has an intended start on a fixed schedule and
//!   is started then, whatever became of those before it; its latency counts
//!   from the intended start. A closed loop would pause together with the
//!   outage it is meant to see.
//! - **Owned connections**: one TCP connection, one TLS session, one small
//!   HTTP/1.1 exchange at a time. Nothing is ever sent twice: a pooled client
//!   quietly repeats a request after a reset, and hides the very loss that a
//!   reload causes.
//! - **One outcome for each request**: see [`Outcome`]. Lost and late are
//!   different things; verdicts are on counts.
//! - **It says when it failed itself**: see [`Record::honest`].
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use rollover_lab::traffic::{Lane, Plan, Target, Traffic};
//!
//! let targets = vec![Target::new("node-1", "127.0.0.1:8443".parse()?)];
//! let plan = Plan::new(targets, "example.test")
//!     .lane(Lane::new_connections("new", 100))
//!     .lane(Lane::keep_alive("keep-alive", 100, 200));
//! let traffic = Traffic::start(plan)?;
//! traffic.begun().await;
//! // … renew, roll out …
//! let record = traffic.stop().await?;
//! record.honest()?;
//! assert_eq!(record.lost(), 0, "{}", record.summary());
//! # Ok(())
//! # }
//! ```

mod clock;
mod connection;
mod http;
mod http2;
mod incoming;
mod lane;
mod loss;
mod machine;
mod outcome;
mod pace;
mod plan;
mod record;
mod run;
mod shared;
mod slots;
mod summary;
pub(crate) mod tls;
mod wire;

pub use loss::{Loss, LossClass, Phase};
pub use machine::MachineSeen;
pub use outcome::{Opened, Outcome};
pub use plan::{Lane, LaneKind, Plan, PlanError, Target};
pub use record::{CertificateSeen, Dishonest, Record, WarmUp};
pub use run::{StartError, StopError, Traffic};
pub use shared::Counts;
pub use summary::{LaneSummary, Summary};
