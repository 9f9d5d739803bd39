//! Variables in a stack file, as `docker stack deploy` puts their values in
//! (docker/cli, `cli/compose/template/template.go`).

use std::collections::HashMap;
use std::rc::Rc;

use super::node::{Entry, Node, Spot, Value, Wrong};

/// Where the docker command looks for them: in values, not in keys.
const SECTIONS: [&str; 5] = ["services", "networks", "volumes", "secrets", "configs"];

/// A variable that is not set and has no default.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::gate) struct Unset {
    pub(in crate::gate) name: String,
    /// Where it is first used.
    pub(in crate::gate) at: Spot,
}

/// The file with the values of `variables` put in, and those that are not set.
pub(in crate::gate) fn filled_in(
    root: &Node,
    variables: &dyn Fn(&str) -> Option<String>,
) -> Result<(Node, Vec<Unset>), Wrong> {
    let mut filler = Filler {
        variables,
        done: HashMap::new(),
        unset: Vec::new(),
    };
    let mut sections = Vec::new();
    for entry in root.entries("a stack file: a mapping with the key services")? {
        sections.push(match SECTIONS.contains(&entry.key.as_str()) {
            true => filler.entry(entry)?,
            false => entry.clone(),
        });
    }
    let root = Node {
        value: Value::Map(sections),
        ..*root
    };
    Ok((root, filler.unset))
}

struct Filler<'a> {
    variables: &'a dyn Fn(&str) -> Option<String>,
    /// By where they are kept, for aliases share values: few lines could stand for
    /// more of them than any machine holds.
    done: HashMap<*const Node, Rc<Node>>,
    unset: Vec<Unset>,
}

impl Filler<'_> {
    fn node(&mut self, node: &Rc<Node>) -> Result<Rc<Node>, Wrong> {
        if let Some(done) = self.done.get(&Rc::as_ptr(node)) {
            return Ok(Rc::clone(done));
        }
        let value = match &node.value {
            Value::Nothing => Value::Nothing,
            Value::Scalar { text, plain } => self.scalar(text, *plain, node.at)?,
            Value::List(items) => {
                let items = items.iter().map(|item| self.node(item));
                Value::List(items.collect::<Result<_, _>>()?)
            }
            Value::Map(entries) => {
                let entries = entries.iter().map(|entry| self.entry(entry));
                Value::Map(entries.collect::<Result<_, _>>()?)
            }
        };
        let filled = Rc::new(Node { value, ..**node });
        self.done.insert(Rc::as_ptr(node), Rc::clone(&filled));
        Ok(filled)
    }

    fn entry(&mut self, entry: &Entry) -> Result<Entry, Wrong> {
        Ok(Entry {
            key: entry.key.clone(),
            at: entry.at,
            node: self.node(&entry.node)?,
        })
    }

    /// What a variable stands for is text, whatever it looks like.
    fn scalar(&mut self, text: &str, plain: bool, at: Spot) -> Result<Value, Wrong> {
        let filled = self.text(text, at)?;
        let plain = plain && filled == text;
        Ok(Value::Scalar {
            text: filled,
            plain,
        })
    }

    fn text(&mut self, text: &str, at: Spot) -> Result<String, Wrong> {
        let (mut filled, mut rest) = (String::new(), text);
        while let Some((before, after)) = rest.split_once('$') {
            filled.push_str(before);
            if let Some(after) = after.strip_prefix('$') {
                filled.push('$');
                rest = after;
                continue;
            }
            let Some((variable, after)) = Variable::read(after) else {
                return Err(Wrong {
                    at,
                    expected:
                        "a variable after $, such as ${NAME} or ${NAME:-default} ($$ is one $)"
                            .to_owned(),
                    found: format!("{text:?}"),
                });
            };
            filled.push_str(&self.value(&variable, at)?);
            rest = after;
        }
        filled.push_str(rest);
        Ok(filled)
    }

    fn value(&mut self, variable: &Variable, at: Spot) -> Result<String, Wrong> {
        let name = variable.name;
        let set = (self.variables)(name);
        match variable.otherwise {
            Otherwise::Default { empty_too, word } => {
                let set = set.filter(|value| !(empty_too && value.is_empty()));
                Ok(set.unwrap_or_else(|| word.to_owned()))
            }
            Otherwise::Refuse { empty_too, word } => match set {
                Some(value) if !(empty_too && value.is_empty()) => Ok(value),
                _ => {
                    let why = match word {
                        "" => String::new(),
                        word => format!(" ({word})"),
                    };
                    Err(Wrong {
                        at,
                        expected: format!("the variable {name} to be set{why}"),
                        found: "no value".to_owned(),
                    })
                }
            },
            Otherwise::Nothing => {
                if set.is_none() && self.unset.iter().all(|unset| unset.name != name) {
                    let name = name.to_owned();
                    self.unset.push(Unset { name, at });
                }
                Ok(set.unwrap_or_default())
            }
        }
    }
}

/// `NAME`, and what is written after it.
#[derive(Debug, PartialEq, Eq)]
struct Variable<'a> {
    name: &'a str,
    otherwise: Otherwise<'a>,
}

/// What holds when the variable is not set, or with `:` when it is empty.
#[derive(Debug, PartialEq, Eq)]
enum Otherwise<'a> {
    Nothing,
    Default { empty_too: bool, word: &'a str },
    Refuse { empty_too: bool, word: &'a str },
}

impl<'a> Variable<'a> {
    /// The variable that stands after a `$`, and the rest.
    fn read(text: &'a str) -> Option<(Self, &'a str)> {
        let Some(inner) = text.strip_prefix('{') else {
            return Self::bare(text);
        };
        let (variable, rest) = Self::bare(inner)?;
        Some((variable, rest.strip_prefix('}')?))
    }

    /// Without braces a default goes to the end of the text: so the docker command
    /// has it.
    fn bare(text: &'a str) -> Option<(Self, &'a str)> {
        let of_a_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let end = text.find(|c| !of_a_name(c)).unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        let (otherwise, rest) = Otherwise::read(rest);
        Some((Self { name, otherwise }, rest))
    }
}

impl<'a> Otherwise<'a> {
    fn read(text: &'a str) -> (Self, &'a str) {
        let after = text.strip_prefix(':');
        let empty_too = after.is_some();
        let after = after.unwrap_or(text);
        let end = after.find('}').unwrap_or(after.len());
        let (word, rest) = after.split_at(end);
        if let Some(word) = word.strip_prefix('-') {
            (Self::Default { empty_too, word }, rest)
        } else if let Some(word) = word.strip_prefix('?') {
            (Self::Refuse { empty_too, word }, rest)
        } else {
            (Self::Nothing, text)
        }
    }
}
