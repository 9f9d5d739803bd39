//! What the plan says of two texts.

mod fields;
mod objects;
mod own_files;
mod whole;

use std::path::Path;

use super::planned::{File, Planned, compared};

/// The plan, with no variable set.
fn planned(old: &str, new: &str) -> Planned {
    beside(Path::new(""), old, new)
}

/// The same of files in a directory.
fn beside(directory: &Path, old: &str, new: &str) -> Planned {
    let none = |_: &str| None;
    let file = |name: &str, text: &str| File::of(name, directory, text, &none).unwrap().0;
    compared(&file("old.yml", old), &file("new.yml", new), &none).unwrap()
}
