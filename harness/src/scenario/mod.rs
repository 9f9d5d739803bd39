//! Scenarios: something is done to a lab, and what must hold is checked.
//!
//! One file each. A [`Scenario`] has a name, says what it shows, and has a
//! [`Control`]: the same, made wrong on purpose, which must turn red by a named
//! [`Kind`] of finding. A scenario that is green while its control is green too
//! shows nothing. [`ALL`] and [`LONG`] list them; [`play`] plays one in a lab that
//! [`Labs`] keeps from one to the next.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use rollover_lab::report;
//! use rollover_lab::scenario::{Labs, find, play};
//!
//! let scenario = find("renewal/signal")?;
//! let parameters = (scenario.parameters)();
//! let mut labs = Labs::default();
//! let lab = labs.lab(&parameters).await?;
//! let run = play(scenario, false, &parameters, lab).await;
//! let control = play(scenario, true, &parameters, lab).await;
//! assert!(run.is_as_it_must_be() && control.is_as_it_must_be(), "{run}{control}");
//! report::write("target/report".as_ref(), &[run, control])?;
//! labs.end().await?;
//! # Ok(())
//! # }
//! ```

mod acme_down;
mod acme_limited;
mod bad_files;
mod bad_labels;
mod changed_stack;
mod chaos;
mod check_bad;
mod check_before;
mod check_clean;
mod check_held_back;
mod crash;
mod disturbed;
mod drift;
mod dual_pair;
mod evidence;
mod finding;
mod first_deploy;
mod forced_rollout;
mod gone_back;
mod held_back;
mod labs;
mod leftovers;
mod long_order;
mod long_rollout;
mod many_orders;
mod monitored;
mod nothing_due;
mod other_names;
mod other_update;
mod overrides;
mod parameters;
mod placed;
mod play;
mod private_registry;
mod readers;
mod renewal_restart;
mod renewal_secret;
mod renewal_signal;
mod renewal_unattended;
mod repertoire;
mod runners;
mod schedule;
mod secret_rollback;
mod servers;
mod stage;
mod state;
mod stopped_rollout;
mod taken_over;
mod two_targets;
mod volume_gluster;
mod volume_lagging;
mod window;

pub use finding::{Finding, Kind};
pub use labs::{Labs, Shape};
pub use overrides::Overrides;
pub use parameters::Parameters;
pub use play::play;
pub use repertoire::{ALL, Control, LONG, Played, Scenario, UnknownScenario, all, find};
pub use stage::Stage;
