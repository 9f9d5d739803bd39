//! What this machine can and cannot do for a lab, and what to do about it.
//!
//! [`examine`] looks once at everything ([`Machine`]), trying in a container what
//! only trying can tell; then each check, one a file, judges that without
//! looking again, and so can be tested without the machine that it is about.
//!
//! ```no_run
//! # async fn example() {
//! let diagnosis = rollover_lab::lab::doctor::examine().await;
//! println!("{diagnosis}");
//! if !diagnosis.can_run() {
//!     eprintln!("no lab runs here before that is mended");
//! }
//! # }
//! ```

mod addresses;
mod client;
mod containers;
mod cores;
mod diagnosis;
mod disk;
mod engine;
mod fuse;
mod groups;
mod images;
mod lagging;
mod local;
mod machine;
mod memory;
mod mesh;
mod netem;
mod nodes;
mod ports;
mod privileges;
mod release;
mod trial;

pub use diagnosis::{Checked, Diagnosis, Finding};

use machine::Machine;

/// One thing to look at: its name, and what of the machine decides it.
struct Check {
    name: &'static str,
    judge: fn(&Machine) -> Finding,
}

/// In the order in which a person would mend things.
const CHECKS: [Check; 17] = [
    engine::CHECK,
    local::CHECK,
    client::CHECK,
    images::CHECK,
    privileges::CHECK,
    containers::CHECK,
    groups::CHECK,
    addresses::CHECK,
    ports::CHECK,
    cores::CHECK,
    memory::CHECK,
    disk::CHECK,
    nodes::CHECK,
    fuse::CHECK,
    lagging::CHECK,
    mesh::CHECK,
    netem::CHECK,
];

/// Looks at this machine; it starts one container for a moment, and removes it.
pub async fn examine() -> Diagnosis {
    let machine = Machine::look().await;
    let checks = CHECKS.iter().map(|check| Checked {
        name: check.name,
        finding: (check.judge)(&machine),
    });
    Diagnosis {
        checks: checks.collect(),
    }
}
