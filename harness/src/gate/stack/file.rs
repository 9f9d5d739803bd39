//! A stack file as a whole: its services, and what they name of the rest.

use super::node::{Entry, Node, Spot, Value, Wrong};

/// A stack file.
pub(in crate::gate) struct Stack {
    root: Node,
}

/// A network, a volume, a secret or a config, as the file declares it.
pub(in crate::gate) struct Declared<'a> {
    pub(in crate::gate) node: &'a Node,
    /// Whether it is there before the stack.
    pub(in crate::gate) external: bool,
    /// What the swarm has it by, where that is not made of the stack's name.
    pub(in crate::gate) name: Option<&'a str>,
}

impl Stack {
    pub(in crate::gate) fn of(root: Node) -> Result<Self, Wrong> {
        if root.field("services")?.is_none() {
            return Err(Wrong {
                at: root.at,
                expected: "a stack file: a mapping with the key services".to_owned(),
                found: "none".to_owned(),
            });
        }
        Ok(Self { root })
    }

    /// Its services, in the order of the file.
    pub(in crate::gate) fn services(&self) -> Result<&[Entry], Wrong> {
        match self.root.field("services")? {
            Some(services) => services.entries("a mapping of services by name"),
            None => Ok(&[]),
        }
    }

    /// What the section declares by that name, which stands at `at`.
    pub(in crate::gate) fn declared(
        &self,
        section: &str,
        name: &str,
        at: Spot,
    ) -> Result<Declared<'_>, Wrong> {
        let Some(entry) = self.entry(section, name)? else {
            return Err(Wrong {
                at,
                expected: format!("something that the file declares under {section}"),
                found: format!("{name:?}"),
            });
        };
        Declared::read(entry)
    }

    /// What the section declares, in the order of the file.
    pub(in crate::gate) fn names(&self, section: &str) -> Result<Vec<String>, Wrong> {
        let Some(section) = self.root.field(section)? else {
            return Ok(Vec::new());
        };
        let entries = section.entries("a mapping by name")?.iter();
        Ok(entries.map(|entry| entry.key.clone()).collect())
    }

    pub(in crate::gate) fn declares(&self, section: &str, name: &str) -> Result<bool, Wrong> {
        Ok(self.entry(section, name)?.is_some())
    }

    fn entry(&self, section: &str, name: &str) -> Result<Option<&Entry>, Wrong> {
        let Some(section) = self.root.field(section)? else {
            return Ok(None);
        };
        let entries = section.entries("a mapping by name")?;
        Ok(entries.iter().find(|entry| entry.key == name))
    }

    /// Where `path` is set below a service, or else the deepest of what it would
    /// be in.
    pub(in crate::gate) fn place(&self, service: &str, path: &str) -> Spot {
        let services = self.services().unwrap_or_default();
        let service = services.iter().find(|entry| entry.key == service);
        service.map_or(self.root.at, |service| deepest(service, path))
    }
}

impl<'a> Declared<'a> {
    fn read(entry: &'a Entry) -> Result<Self, Wrong> {
        let node = &*entry.node;
        let (external, earlier) = match node.field("external")? {
            None => (false, None),
            // As it was written before there was the key name.
            Some(external) if matches!(external.value, Value::Map(_)) => {
                (true, external.text_at("name")?)
            }
            Some(external) => (external.flag()?, None),
        };
        let own = external.then_some(entry.key.as_str());
        Ok(Self {
            node,
            external,
            name: node.text_at("name")?.or(earlier).or(own),
        })
    }
}

fn deepest(service: &Entry, path: &str) -> Spot {
    let (mut at, mut node, mut rest) = (service.at, &*service.node, path);
    while let Some((spot, below, left)) = step(node, rest) {
        (at, node, rest) = (spot, below, left);
    }
    at
}

/// The key with which `path` begins: the longest, for labels have points in them.
fn step<'a, 'b>(node: &'a Node, path: &'b str) -> Option<(Spot, &'a Node, &'b str)> {
    if path.is_empty() {
        return None;
    }
    let written: Vec<(&str, Spot, &Node)> = match &node.value {
        Value::Map(entries) => {
            let each = entries.iter();
            each.map(|it| (it.key.as_str(), it.at, &*it.node)).collect()
        }
        _ => {
            let pairs = node.pairs().unwrap_or_default().into_iter();
            pairs.map(|it| (it.key, it.at, it.node)).collect()
        }
    };
    let begun = written.into_iter().filter_map(|(key, at, node)| {
        let left = path.strip_prefix(key)?;
        let whole = left.is_empty().then_some(left);
        Some((at, node, left.strip_prefix('.').or(whole)?))
    });
    begun.min_by_key(|(.., left)| left.len())
}
