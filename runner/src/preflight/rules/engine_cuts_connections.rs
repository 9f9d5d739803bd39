//! A node's engine is of a version that cuts connections.
//!
//! **Why.** Docker 29.0.0 to 29.1.4, and 25.0.13 and 25.0.14, cut established
//! connections to other nodes when a task stops
//! ([moby/moby#51651](https://github.com/moby/moby/issues/51651)): fixed in
//! 29.1.5 and 25.0.15.
//!
//! **Do.** Another version on that node.
//!
//! **Severity.** An error for `restart`, a warning for `signal`: the next deploy
//! stops tasks.

use super::super::rule::{Rule, Verdict};
use super::super::{Facts, Version};

pub(super) const RULE: Rule = Rule {
    code: "RO402",
    name: "engine-cuts-connections",
    at: "",
    why: "when a task stops, connections to other nodes are cut (moby/moby#51651)",
    check,
};

/// The first and the last of each run of versions, and the one that mends it.
const WRONG: [(Version, Version, Version); 2] = [
    (Version(25, 0, 13), Version(25, 0, 14), Version(25, 0, 15)),
    (Version(29, 0, 0), Version(29, 1, 4), Version(29, 1, 5)),
];

fn check(facts: &Facts) -> Verdict {
    let Some(nodes) = &facts.nodes else {
        return Verdict::not_known("which engines the nodes run");
    };
    let mut verdict = Verdict::fine();
    for node in nodes {
        let Some(version) = node.engine else {
            let what = format!("which engine {} runs", node.name);
            verdict.not_known.push(what);
            continue;
        };
        let within =
            |(first, last, _): &&(Version, Version, Version)| (*first..=*last).contains(&version);
        if let Some((.., mended)) = WRONG.iter().find(within) {
            verdict.add(
                facts.severity_of_replacing(),
                format!("{} runs Docker {version}", node.name),
                format!("update it to {mended} or newer"),
            );
        }
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::super::super::Version;
    use super::super::tests::{restarted, said};
    use super::RULE;

    fn with_engine(text: &str) -> String {
        let facts = restarted(|facts| {
            facts.nodes.as_mut().unwrap()[1].engine = Version::parse(text);
        });
        said(&RULE, &facts)
    }

    #[test]
    fn the_versions_that_cut_are_found_and_their_neighbours_are_not() {
        insta::assert_snapshot!(with_engine("29.1.4"), @"error: node-2 runs Docker 29.1.4; update it to 29.1.5 or newer");
        insta::assert_snapshot!(with_engine("25.0.13+dfsg1"), @"error: node-2 runs Docker 25.0.13; update it to 25.0.15 or newer");
        for sound in ["25.0.12", "25.0.15", "28.5.2", "29.1.5", "20.10.24+dfsg1"] {
            assert_eq!(with_engine(sound), "", "{sound}");
        }
        insta::assert_snapshot!(with_engine("dev"), @"not known: which engine node-2 runs");
    }
}
