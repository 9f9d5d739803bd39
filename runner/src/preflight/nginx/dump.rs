//! What `nginx -T` prints: every file that it read, one after the other, each
//! under a line with its name. An `include` stands there as it was written, and
//! is followed here.

use std::path::{Path, PathBuf};

use super::DumpError;
use super::syntax::{self, Directive};

const HEAD: &str = "# configuration file ";
/// Files that include each other would never end; nginx itself refuses them.
const MAX_DEPTH: usize = 16;

/// The files that nginx read, the main one first.
pub(super) struct Dump<'a> {
    files: Vec<(&'a str, &'a str)>,
}

impl<'a> Dump<'a> {
    /// The files of what nginx printed; `None` when there are none.
    pub(super) fn split(text: &'a str) -> Option<Self> {
        let mut files = Vec::new();
        let mut rest = text;
        while let Some((name, content, after)) = first_file(rest) {
            files.push((name, content));
            rest = after;
        }
        (!files.is_empty()).then_some(Self { files })
    }

    /// The directives of the main file, those of included ones in their places.
    pub(super) fn directives(&self) -> Result<Vec<Directive<'a>>, DumpError> {
        match self.files.first() {
            Some((name, content)) => self.expanded(syntax::read(name, content)?, 0),
            None => Err(DumpError::Empty),
        }
    }

    fn expanded(
        &self,
        directives: Vec<Directive<'a>>,
        depth: usize,
    ) -> Result<Vec<Directive<'a>>, DumpError> {
        let mut expanded = Vec::new();
        for mut directive in directives {
            if directive.name == "include" {
                let pattern = directive.arguments.first().map_or("", AsRef::as_ref);
                let files = self.included(pattern).filter(|_| depth < MAX_DEPTH);
                for (name, content) in files {
                    expanded.extend(self.expanded(syntax::read(name, content)?, depth + 1)?);
                }
                continue;
            }
            directive.block = self.expanded(directive.block, depth)?;
            expanded.push(directive);
        }
        Ok(expanded)
    }

    /// The files that an `include` of `pattern` means. A relative one is meant
    /// from the directory of the main file.
    fn included(&self, pattern: &str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let main = self.files.first().map_or("", |(name, _)| name);
        let from = Path::new(main).parent().map(PathBuf::from);
        let pattern = from.unwrap_or_default().join(pattern);
        let files = self.files.iter().skip(1).copied();
        files.filter(move |(name, _)| matches(&pattern.to_string_lossy(), name))
    }
}

/// The first file of `text`: its name, its content, and what comes after.
fn first_file(text: &str) -> Option<(&str, &str, &str)> {
    let start = if text.starts_with(HEAD) {
        0
    } else {
        text.find(&format!("\n{HEAD}"))? + 1
    };
    let (head, after) = text[start..].split_once('\n')?;
    let name = head.strip_prefix(HEAD)?.strip_suffix(':')?;
    let end = after.find(&format!("\n{HEAD}")).map(|end| end + 1);
    let (content, rest) = after.split_at(end.unwrap_or(after.len()));
    Some((name, content, rest))
}

/// Whether `name` is one that a shell's pattern of `*`, `?` and `[…]` means. As
/// in glob(7), none of them means a slash.
fn matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    matches_from(&pattern, &name)
}

fn matches_from(pattern: &[char], name: &[char]) -> bool {
    let Some((&first, rest)) = pattern.split_first() else {
        return name.is_empty();
    };
    match (first, name.split_first()) {
        ('*', _) => {
            let reach = name.iter().position(|&c| c == '/').unwrap_or(name.len());
            (0..=reach).any(|passed| matches_from(rest, &name[passed..]))
        }
        ('?', Some((&c, after))) => c != '/' && matches_from(rest, after),
        ('[', Some((&c, after))) => match rest.iter().skip(1).position(|&end| end == ']') {
            Some(end) => in_set(&rest[..=end], c) && matches_from(&rest[end + 2..], after),
            None => c == '[' && matches_from(rest, after),
        },
        (_, Some((&c, after))) => first == c && matches_from(rest, after),
        (_, None) => false,
    }
}

/// Whether `c` is in a set such as `a-c_` or `!0-9`.
fn in_set(set: &[char], c: char) -> bool {
    let (not, set) = match set.split_first() {
        Some(('!' | '^', rest)) => (true, rest),
        _ => (false, set),
    };
    let ranges = set.windows(3).filter(|three| three[1] == '-');
    let mut ranges = ranges.map(|three| three[0]..=three[2]);
    let within = ranges.any(|range| range.contains(&c)) || set.contains(&c);
    within != not && c != '/'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_a_shell_means() {
        for (pattern, name, expected) in [
            ("/etc/nginx/mime.types", "/etc/nginx/mime.types", true),
            ("/etc/nginx/conf.d/*.conf", "/etc/nginx/conf.d/a.conf", true),
            ("/etc/nginx/*.conf", "/etc/nginx/conf.d/a.conf", false),
            ("/etc/nginx/*/*.conf", "/etc/nginx/conf.d/a.conf", true),
            ("/a/?.conf", "/a/b.conf", true),
            ("/a/?.conf", "/a/bc.conf", false),
            ("/a/[0-9]*.conf", "/a/10-tls.conf", true),
            ("/a/[!0-9]*.conf", "/a/10-tls.conf", false),
            ("/a/[ab].conf", "/a/c.conf", false),
            ("/a/[.conf", "/a/[.conf", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn files_that_include_each_other_end() {
        let text = "# configuration file /a:\ninclude b;\n# configuration file /b:\ninclude /b;\n";
        let dump = Dump::split(text).unwrap();
        assert!(dump.directives().unwrap().is_empty());
    }
}
