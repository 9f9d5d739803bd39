//! `docs/rules.md` is made from the heads of the rules' files.

use std::fmt::Write;
use std::path::Path;

use super::RULES;

const HEAD: &str = "\
# The rules of the preflight

<!-- Made from the rules in runner/src/preflight/rules by \
`UPDATE_DOCS=1 cargo test -p rollover docs`. Edit those, not this page. -->

What is known to lose requests, or to fail, said before it happens. `rollover check` holds every \
rule against the services that ask for certificates. The daemon holds those that need no look \
into replicas against them all the time, and writes to its log what it finds, once, and that it is \
gone. [`rollover-lab gate lint`](lab.md#the-gate) holds a stack file against all of them before it \
is deployed, and says what a file cannot tell. A rollout by `signal` is never held back by a rule, one by `restart` [by one \
only](decisions/2026-11-25-what-holds-a-restart-back.md).

An **error** would lose requests in a rollout, or keep it from working. A **warning** would so in \
something else: a deploy, a node that goes, an image that is bad. What cannot be seen is said as \
not known.

| code | name | what it finds |
|---|---|---|
";

#[test]
fn the_page_says_what_the_rules_files_say() {
    let mut page = HEAD.to_owned();
    let mut sections = String::new();
    for rule in RULES {
        let text = head_of(rule.name);
        let (first, _) = text.split_once("\n\n").unwrap();
        let first = first.replace('\n', " ");
        let (code, name) = (rule.code, rule.name);
        let anchor = format!("{}-{name}", code.to_lowercase());
        let _ = writeln!(page, "| [{code}](#{anchor}) | {name} | {first} |");
        let _ = write!(sections, "\n## {code} {name}\n\n{text}\n");
    }
    page.push_str(&sections);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/rules.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == page,
        "docs/rules.md is not what the rules say: run UPDATE_DOCS=1 cargo test -p rollover docs"
    );
}

/// The comment at the head of a rule's file.
fn head_of(rule: &str) -> String {
    let file = format!("src/preflight/rules/{}.rs", rule.replace('-', "_"));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let source = std::fs::read_to_string(&source).unwrap();
    let lines = source.lines().map_while(|line| line.strip_prefix("//!"));
    let lines: Vec<_> = lines
        .map(|line| line.strip_prefix(' ').unwrap_or(line))
        .collect();
    for part in ["**Why.**", "**Do.**", "**Severity.**"] {
        assert!(
            lines.iter().any(|line| line.starts_with(part)),
            "{rule}: {part}"
        );
    }
    lines.join("\n")
}
