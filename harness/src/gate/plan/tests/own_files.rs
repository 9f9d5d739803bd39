//! The project's own stack files.

use std::path::{Path, PathBuf};

use super::super::convert::{Around, convert};
use super::super::planned::{File, compared};
use super::super::{Effect, Outcome, plan};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn files() -> Vec<PathBuf> {
    let servers = std::fs::read_dir(root().join("docs/servers")).unwrap();
    let servers = servers.map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = servers
        .filter(|path| path.extension().is_some_and(|extension| extension == "yml"))
        .collect();
    files.push(root().join("stack.yml"));
    assert!(files.len() > 3, "the files are found: {files:?}");
    files
}

#[test]
fn the_same_again_changes_nothing() {
    for file in files() {
        let planned = plan(&file, &file, &|_| None).unwrap();
        assert!(planned.can_work(), "{planned}");
        let services = planned.services.iter();
        let others = services.filter(|it| it.outcome != Outcome::Unchanged);
        assert_eq!(others.count(), 0, "{}: {planned}", file.display());
    }
}

#[test]
fn every_key_in_them_is_known() {
    for path in files() {
        let (name, text) = (path.display().to_string(), text(&path));
        let none = |_: &str| None;
        let (file, _) = File::of(&name, path.parent().unwrap(), &text, &none).unwrap();
        let around: Around<'_> = file.around(&none);
        for service in around.stack.services().unwrap() {
            let parts = convert(&around, service).unwrap().parts.into_iter();
            let unknown = parts.filter(|(_, part)| part.effect == Effect::NotKnown);
            let unknown: Vec<_> = unknown.map(|(name, _)| name).collect();
            assert_eq!(unknown, [""; 0], "{name}, service {}", service.key);
        }
    }
}

/// Whatever line is taken away: a plan or an error, and nothing worse.
#[test]
fn any_line_may_be_missing() {
    let whole = text(&root().join("stack.yml"));
    let none = |_: &str| None;
    let file = |text: &str| File::of("stack.yml", &root(), text, &none).map(|it| it.0);
    let lines: Vec<_> = whole.lines().collect();
    let without = (0..lines.len()).filter_map(|missing| {
        let rest = [&lines[..missing], &lines[missing + 1..]]
            .concat()
            .join("\n");
        let (old, new) = (file(&whole).unwrap(), file(&rest).ok()?);
        compared(&old, &new, &none).ok()
    });
    let restarting = without.filter(|plan| !plan.of(Outcome::Restarted).is_empty());
    assert!(restarting.count() > 10);
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}
