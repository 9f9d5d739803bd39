//! Whether the lab's images are there.

use super::{Check, Finding, machine::Machine};

pub(super) const CHECK: Check = Check {
    name: "images",
    judge,
};

fn judge(machine: &Machine) -> Finding {
    let Ok(engine) = &machine.engine else {
        return Finding::unknown("no engine answers");
    };
    if engine.images_missing.is_empty() {
        return Finding::ok("all are built");
    }
    let found = format!("not built: {}", engine.images_missing.join(", "));
    if engine.no_fixtures {
        return Finding::missing(
            found,
            "run this in the checkout, or set ROLLOVER_LAB_FIXTURES to its fixtures directory: \
             images/build in there makes them",
        );
    }
    Finding::limited(
        found,
        "start a lab at once: the first one builds them, which takes minutes",
        "run fixtures/images/build",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_built_is_only_late() {
        let missing = |no_fixtures| {
            judge(&Machine::with_engine(|engine| {
                engine.images_missing = vec!["php".to_owned()];
                engine.no_fixtures = no_fixtures;
            }))
        };
        assert!(matches!(missing(false), Finding::Limited { .. }));
        assert!(matches!(missing(true), Finding::Missing { .. }));
    }
}
