//! Whether a volume can lag.

use super::{Check, Finding, machine::Machine};

pub(super) const CHECK: Check = Check {
    name: "lagging",
    judge,
};

/// This process itself carries what nodes write, which belongs to root.
fn judge(machine: &Machine) -> Finding {
    match machine.user {
        Some(0) => Finding::ok("this is root, as a volume that lags takes it"),
        Some(user) => Finding::limited(
            format!("this is user {user}, and not root"),
            "have a volume that lags: labs with --volume bind or gluster only",
            "run it as root (sudo) where that is wanted",
        ),
        None => Finding::unknown("the kernel does not tell whose process this is"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_not_root_is_told_what_that_takes_away() {
        let mut machine = Machine::good();
        machine.user = Some(1000);
        let Finding::Limited { found, cannot, .. } = judge(&machine) else {
            panic!("it is limited");
        };
        assert!(found.contains("1000") && cannot.contains("lags"), "{found}");
    }
}
