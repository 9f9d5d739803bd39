//! The pages, and the commands that stand in them. The runner's unit tests
//! take this file by its path: each crate checks the commands of its own
//! binary, and both must find the same ones.

use std::path::{Path, PathBuf};

/// One page of the documentation.
pub(crate) struct Page {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// README.md, CHANGELOG.md and everything under docs/, of the checkout `root`.
pub(crate) fn pages(root: &Path) -> Vec<Page> {
    let mut paths = vec![root.join("README.md"), root.join("CHANGELOG.md")];
    let mut directories = vec![root.join("docs")];
    while let Some(directory) = directories.pop() {
        let entries = directory.read_dir().expect("docs/ can be read");
        for entry in entries {
            let path = entry.expect("docs/ can be read").path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                paths.push(path);
            }
        }
    }
    paths.sort();
    paths.into_iter().map(Page::read).collect()
}

impl Page {
    fn read(path: PathBuf) -> Self {
        let text = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self { path, text }
    }

    /// The arguments of each call of `program` in the page's `sh` blocks, bare
    /// or by a path (`docker exec … /rollover once`, `cargo run -p … -- demo`).
    pub(crate) fn calls(&self, program: &str) -> Vec<Vec<String>> {
        self.shell_lines()
            .iter()
            .filter_map(|line| arguments_of(program, line))
            .collect()
    }

    /// The lines of the `sh` blocks, those that are continued in one piece.
    fn shell_lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let (mut inside, mut begun) = (false, String::new());
        for line in self.text.lines() {
            if line.trim_start().starts_with("```") {
                inside = line.trim() == "```sh";
            } else if !inside {
            } else if let Some(part) = line.strip_suffix('\\') {
                begun.push_str(part);
            } else {
                begun.push_str(line);
                lines.push(std::mem::take(&mut begun));
            }
        }
        lines
    }
}

fn arguments_of(program: &str, line: &str) -> Option<Vec<String>> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let is_called = |word: &&str| word.rsplit('/').next() == Some(program);
    let (before, after) = words.split_at(words.iter().position(is_called)?);
    let mut after = &after[1..];
    if before.last() == Some(&"-p") {
        // cargo's package; what the binary gets stands behind `--`, if it is run.
        after = after.strip_prefix(&["--"])?;
    }
    let ends = |word: &&&str| word.starts_with(['|', '&', ';', '>', '#']);
    let arguments = after.iter().take_while(|word| !ends(word));
    Some(arguments.map(|word| unquoted(word)).collect())
}

fn unquoted(word: &str) -> String {
    word.trim_matches(['"', '\'']).to_owned()
}
