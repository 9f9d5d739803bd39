//! Releases of Docker that are known to do harm.

use super::Finding;

/// Whether this release cuts established connections to other nodes when a task
/// stops (moby/moby#51651): 29.0.0 to 29.1.4, and 25.0.13 and 25.0.14.
fn cuts_connections(version: &str) -> bool {
    matches!(
        numbers(version),
        Some((29, 0, _) | (29, 1, 0..=4) | (25, 0, 13..=14))
    )
}

/// Major, minor and patch of `20.10.24+dfsg1`, `29.1.4-rc.1` or `28.5.2`.
fn numbers(version: &str) -> Option<(u32, u32, u32)> {
    let mut numbers = version
        .split(|c: char| !c.is_ascii_digit())
        .map(str::parse::<u32>);
    Some((
        numbers.next()?.ok()?,
        numbers.next()?.ok()?,
        numbers.next()?.ok()?,
    ))
}

/// What there is to say of a release; `whose` says who runs it.
pub(super) fn judge(found: String, version: &str, whose: &str) -> Finding {
    if cuts_connections(version) {
        return Finding::limited(
            found,
            format!(
                "restart a task without loss: {whose} cuts established connections to other \
                 nodes when a task stops (moby/moby#51651)"
            ),
            "take 29.1.5 or 25.0.15, or newer",
        );
    }
    Finding::ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_releases_that_cut_are_known_and_no_others() {
        for cuts in ["29.0.0", "29.0.4", "29.1.4", "25.0.13", "25.0.14+dfsg1"] {
            assert!(cuts_connections(cuts), "{cuts}");
        }
        for good in [
            "29.1.5",
            "29.2.0",
            "25.0.12",
            "25.0.15",
            "28.5.2",
            "20.10.24+dfsg1",
            "dev",
            "",
        ] {
            assert!(!cuts_connections(good), "{good}");
        }
    }
}
