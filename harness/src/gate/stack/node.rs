//! What a stack file says, each thing with the place where it stands.

use std::fmt;
use std::rc::Rc;
use std::str::FromStr;
use std::time::Duration;

use rollover::preflight::Place;

/// A line and a column, both from 1 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::gate) struct Spot {
    pub(in crate::gate) line: usize,
    pub(in crate::gate) column: usize,
}

impl Spot {
    /// The same as people and programs are told it.
    pub(in crate::gate) fn within(self, file: &str) -> Place {
        Place {
            file: file.to_owned(),
            line: self.line,
            column: self.column,
        }
    }
}

/// Something that is not what it has to be.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::gate) struct Wrong {
    pub(in crate::gate) at: Spot,
    pub(in crate::gate) expected: String,
    pub(in crate::gate) found: String,
}

/// One value. An alias shares it with its anchor.
#[derive(Debug)]
pub(in crate::gate) struct Node {
    pub(in crate::gate) at: Spot,
    pub(in crate::gate) value: Value,
    /// How many levels are below it.
    pub(in crate::gate) height: usize,
}

#[derive(Debug)]
pub(in crate::gate) enum Value {
    /// `null`, or no value.
    Nothing,
    /// Text, numbers and the like, as written.
    Scalar {
        text: String,
        /// Whether YAML may take it for something else than text.
        plain: bool,
    },
    List(Vec<Rc<Node>>),
    Map(Vec<Entry>),
}

/// A key of a mapping and its value.
#[derive(Debug, Clone)]
pub(in crate::gate) struct Entry {
    pub(in crate::gate) key: String,
    /// Where the key stands.
    pub(in crate::gate) at: Spot,
    pub(in crate::gate) node: Rc<Node>,
}

impl Node {
    /// The value of a key, if it is there and has one.
    pub(in crate::gate) fn field(&self, key: &str) -> Result<Option<&Rc<Node>>, Wrong> {
        let entry = self.entries("a mapping")?.iter().find(|it| it.key == key);
        let node = entry.map(|entry| &entry.node);
        Ok(node.filter(|node| !matches!(node.value, Value::Nothing)))
    }

    /// The value under keys with points between them: `deploy.update_config`.
    pub(in crate::gate) fn find(&self, path: &str) -> Result<Option<&Node>, Wrong> {
        let mut node = self;
        for key in path.split('.') {
            match node.field(key)? {
                Some(below) => node = below,
                None => return Ok(None),
            }
        }
        Ok(Some(node))
    }

    /// What the value under `path` is read as, if there is one.
    pub(in crate::gate) fn read<T>(
        &self,
        path: &str,
        read: impl FnOnce(&Node) -> Result<T, Wrong>,
    ) -> Result<Option<T>, Wrong> {
        self.find(path)?.map(read).transpose()
    }

    /// The text under `path`, if there is one.
    pub(in crate::gate) fn text_at(&self, path: &str) -> Result<Option<&str>, Wrong> {
        let node = self.find(path)?;
        node.map(|node| node.text("a text")).transpose()
    }

    /// The keys of a mapping, with their values.
    pub(in crate::gate) fn entries(&self, expected: &str) -> Result<&[Entry], Wrong> {
        match &self.value {
            Value::Nothing => Ok(&[]),
            Value::Map(entries) => Ok(entries),
            _ => Err(self.wrong(expected)),
        }
    }

    /// The values of a list.
    pub(in crate::gate) fn items(&self, expected: &str) -> Result<&[Rc<Node>], Wrong> {
        match &self.value {
            Value::Nothing => Ok(&[]),
            Value::List(items) => Ok(items),
            _ => Err(self.wrong(expected)),
        }
    }

    /// Text, or what can be taken for it.
    pub(in crate::gate) fn text(&self, expected: &str) -> Result<&str, Wrong> {
        match &self.value {
            Value::Scalar { text, .. } => Ok(text),
            _ => Err(self.wrong(expected)),
        }
    }

    /// A list of texts.
    pub(in crate::gate) fn texts(&self, expected: &str) -> Result<Vec<String>, Wrong> {
        let items = self.items(expected)?.iter();
        items.map(|it| Ok(it.text(expected)?.to_owned())).collect()
    }

    /// What can be read from a text: a number, say.
    pub(in crate::gate) fn parsed<T: FromStr>(&self, expected: &str) -> Result<T, Wrong> {
        let text = self.text(expected)?;
        text.parse().map_err(|_| self.wrong(expected))
    }

    /// As the docker command takes truth from a variable.
    pub(in crate::gate) fn flag(&self) -> Result<bool, Wrong> {
        let expected = "true or false";
        match self.text(expected)?.to_lowercase().as_str() {
            "true" | "yes" | "y" | "on" => Ok(true),
            "false" | "no" | "n" | "off" => Ok(false),
            _ => Err(self.wrong(expected)),
        }
    }

    pub(in crate::gate) fn duration(&self) -> Result<Duration, Wrong> {
        let expected = "a duration, such as 30s or 1m30s";
        let span: jiff::SignedDuration = self.parsed(expected)?;
        Duration::try_from(span).map_err(|_| self.wrong(expected))
    }

    /// A command: a list of words, or one text that is split as a shell does.
    pub(in crate::gate) fn words(&self) -> Result<Vec<String>, Wrong> {
        let expected = "a command: a text or a list of words";
        match &self.value {
            Value::Scalar { text, .. } => shlex::split(text).ok_or_else(|| self.wrong(expected)),
            _ => self.texts(expected),
        }
    }

    /// Pairs of texts: a mapping, or a list of `KEY=VALUE`.
    pub(in crate::gate) fn pairs(&self) -> Result<Vec<Pair<'_>>, Wrong> {
        let expected = "a mapping, or a list of KEY=VALUE";
        if let Value::List(items) = &self.value {
            return items
                .iter()
                .map(|item| Pair::written(item, expected))
                .collect();
        }
        let entries = self.entries(expected)?;
        entries.iter().map(Pair::of).collect()
    }

    pub(in crate::gate) fn wrong(&self, expected: &str) -> Wrong {
        Wrong {
            at: self.at,
            expected: expected.to_owned(),
            found: self.value.to_string(),
        }
    }
}

/// A key and a text.
#[derive(Debug)]
pub(in crate::gate) struct Pair<'a> {
    pub(in crate::gate) key: &'a str,
    pub(in crate::gate) value: &'a str,
    /// Where it begins.
    pub(in crate::gate) at: Spot,
    /// What says so.
    pub(in crate::gate) node: &'a Node,
}

impl<'a> Pair<'a> {
    fn of(entry: &'a Entry) -> Result<Self, Wrong> {
        let value = match &entry.node.value {
            Value::Nothing => "",
            _ => entry.node.text("a text")?,
        };
        Ok(Self {
            key: &entry.key,
            value,
            at: entry.at,
            node: &entry.node,
        })
    }

    fn written(item: &'a Node, expected: &str) -> Result<Self, Wrong> {
        let text = item.text(expected)?;
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        Ok(Self {
            key,
            value,
            at: item.at,
            node: item,
        })
    }
}

/// Longer texts are cut, for a message is one line.
const LONGEST: usize = 60;

/// As something that was found where it should not be.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing"),
            Self::Scalar { text, .. } if text.chars().count() > LONGEST => {
                let begin: String = text.chars().take(LONGEST).collect();
                write!(f, "{begin:?}…")
            }
            Self::Scalar { text, .. } => write!(f, "{text:?}"),
            Self::List(_) => f.write_str("a list"),
            Self::Map(_) => f.write_str("a mapping"),
        }
    }
}
