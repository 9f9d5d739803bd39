//! From the text of a file to its values: what the YAML library reads, put
//! together as the docker command does it, with anchors and merge keys.

use std::collections::HashMap;
use std::rc::Rc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, StrInput};

use super::node::{Entry, Node, Spot, Value, Wrong};

/// Values may be so many levels deep, so that going through them cannot exhaust
/// the stack. A stack file has ten.
const DEEPEST: usize = 64;
const MERGE: &str = "<<";

/// Reads the first document of `text`, as the docker command does.
pub(in crate::gate) fn read(text: &str) -> Result<Rc<Node>, Wrong> {
    let mut reader = Reader {
        events: Parser::new_from_str(text),
        anchors: HashMap::new(),
    };
    loop {
        match reader.next()? {
            (Event::StreamStart | Event::Nothing, _) => {}
            (Event::DocumentStart(_), _) => {
                let (event, span) = reader.next()?;
                let root = reader.node(event, span, 0)?;
                // What cannot follow it is an error too.
                reader.next()?;
                return Ok(root);
            }
            (_, span) => return Ok(leaf(span, Value::Nothing)),
        }
    }
}

struct Reader<'a> {
    events: Parser<'a, StrInput<'a>>,
    /// What carries an anchor, once it is whole.
    anchors: HashMap<usize, Rc<Node>>,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), Wrong> {
        match self.events.next() {
            Some(next) => Ok(next?),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    /// What begins with that event, `depth` levels down.
    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Rc<Node>, Wrong> {
        let too_deep = || wrong(span, &format!("at most {DEEPEST} levels"), "more");
        if depth > DEEPEST {
            return Err(too_deep());
        }
        let (node, anchor) = match event {
            Event::Alias(anchor) => (self.alias(anchor, span)?, 0),
            Event::Scalar(text, style, anchor, _) => {
                let plain = style == ScalarStyle::Plain;
                (leaf(span, scalar(text.into_owned(), plain)), anchor)
            }
            Event::SequenceStart(anchor, _) => (self.list(span, depth)?, anchor),
            Event::MappingStart(anchor, _) => (self.map(span, depth)?, anchor),
            _ => (leaf(span, Value::Nothing), 0),
        };
        if depth + node.height > DEEPEST {
            return Err(too_deep());
        }
        if anchor > 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        Ok(node)
    }

    fn alias(&self, anchor: usize, span: Span) -> Result<Rc<Node>, Wrong> {
        let node = self.anchors.get(&anchor).cloned();
        node.ok_or_else(|| wrong(span, "an alias of what stands before it", "one of itself"))
    }

    fn list(&mut self, span: Span, depth: usize) -> Result<Rc<Node>, Wrong> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd | Event::StreamEnd, _) => break,
                (event, span) => items.push(self.node(event, span, depth + 1)?),
            }
        }
        let height = items.iter().map(|item| item.height + 1).max();
        Ok(node(span, Value::List(items), height.unwrap_or(0)))
    }

    fn map(&mut self, span: Span, depth: usize) -> Result<Rc<Node>, Wrong> {
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let (event, at) = match self.next()? {
                (Event::MappingEnd | Event::StreamEnd, _) => break,
                next => next,
            };
            let key = self.node(event, at, depth + 1)?;
            let key = key.text("a text as the key")?.to_owned();
            if entries.iter().any(|entry| entry.key == key) {
                let found = format!("a second {key:?}");
                return Err(wrong(at, "each key once in a mapping", &found));
            }
            let (event, span) = self.next()?;
            let node = self.node(event, span, depth + 1)?;
            let at = spot(at.start);
            entries.push(Entry { key, at, node });
        }
        let height = entries.iter().map(|entry| entry.node.height + 1).max();
        let entries = merged(entries)?;
        Ok(node(span, Value::Map(entries), height.unwrap_or(0)))
    }
}

/// With the entries that the key `<<` brings in; those of the mapping itself, and
/// of what is named first, take precedence.
fn merged(mut entries: Vec<Entry>) -> Result<Vec<Entry>, Wrong> {
    let Some(place) = entries.iter().position(|entry| entry.key == MERGE) else {
        return Ok(entries);
    };
    let merge = entries.remove(place);
    let from = match &merge.node.value {
        Value::List(items) => items.iter().collect(),
        _ => vec![&merge.node],
    };
    for node in from {
        let Value::Map(others) = &node.value else {
            return Err(node.wrong("a mapping to merge, or a list of them"));
        };
        for other in others {
            if entries.iter().all(|entry| entry.key != other.key) {
                entries.push(other.clone());
            }
        }
    }
    Ok(entries)
}

/// What YAML takes for nothing; the other words with a meaning of their own are
/// read by who knows what is to stand there.
fn scalar(text: String, plain: bool) -> Value {
    if plain && matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL") {
        return Value::Nothing;
    }
    Value::Scalar { text, plain }
}

fn leaf(span: Span, value: Value) -> Rc<Node> {
    node(span, value, 0)
}

fn node(span: Span, value: Value, height: usize) -> Rc<Node> {
    Rc::new(Node {
        at: spot(span.start),
        value,
        height,
    })
}

fn spot(marker: Marker) -> Spot {
    Spot {
        // A file without a line ends before the first.
        line: marker.line().max(1),
        column: marker.col() + 1,
    }
}

fn wrong(span: Span, expected: &str, found: &str) -> Wrong {
    Wrong {
        at: spot(span.start),
        expected: expected.to_owned(),
        found: found.to_owned(),
    }
}

impl From<ScanError> for Wrong {
    fn from(error: ScanError) -> Self {
        Self {
            at: spot(*error.marker()),
            expected: "YAML".to_owned(),
            found: format!("an error: {}", error.info()),
        }
    }
}
