//! The links of a page.

use std::path::Path;

use crate::pages::Page;

/// The links of `page` that lead nowhere, each with the reason.
pub(crate) fn broken(page: &Page) -> Vec<String> {
    let wrong = |target: &str| {
        let why = lost(page, target)?;
        Some(format!("{}: {target}: {why}", page.path.display()))
    };
    targets(&page.text).into_iter().filter_map(wrong).collect()
}

/// What stands between `](` and `)`, code blocks left out.
fn targets(text: &str) -> Vec<&str> {
    let mut inside = false;
    let mut targets = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
        }
        if inside {
            continue;
        }
        let after = line.split("](").skip(1);
        targets.extend(after.filter_map(|rest| Some(rest.split_once(')')?.0)));
    }
    targets
}

fn lost(page: &Page, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let directory = page.path.parent().unwrap_or(Path::new("."));
    let path = match file {
        "" => page.path.clone(),
        file => directory.join(file),
    };
    if !path.exists() {
        return Some("no such file".to_owned());
    }
    if anchor.is_empty() {
        return None;
    }
    let text = std::fs::read_to_string(&path).ok()?;
    let mut headings = text.lines().filter(|line| line.starts_with('#'));
    let found = headings.any(|heading| anchor_of(heading) == anchor);
    (!found).then(|| "no such heading".to_owned())
}

/// A heading's anchor, as GitHub makes it.
fn anchor_of(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text
        .chars()
        .filter(|c| c.is_alphanumeric() || "-_ ".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}
