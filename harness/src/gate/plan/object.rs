//! What becomes of what a stack has besides services.

use std::fmt;

use serde::Serialize;

use super::convert::{Around, DEFAULT, network_names, written};
use super::service::WrongIn;
use crate::gate::stack::{Declared, Spot, Wrong};

/// What becomes of a network, a volume, a secret or a config.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ObjectPlan {
    /// `network`, `volume`, `secret` or `config`.
    pub kind: &'static str,
    /// What the file calls it.
    pub name: String,
    /// What becomes of it.
    pub fate: Fate,
}

/// What becomes of something besides services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// The deploy makes it.
    Created,
    /// A node makes it when the first task there wants it.
    CreatedByTasks,
    /// It has to be there before the deploy.
    Expected,
    /// Nothing changes.
    Unchanged,
    /// It is no longer in the file, and stays.
    Left,
    /// It is declared otherwise, and what is there stays as it is.
    Kept,
    /// Its labels change, and nothing else can.
    Labelled,
    /// Its content is another, which a swarm refuses.
    Refused,
    /// A file that it is made from cannot be read.
    Unreadable,
    /// It cannot be told.
    NotKnown,
}

impl Fate {
    pub(super) fn is_refused(self) -> bool {
        matches!(self, Self::Refused | Self::Unreadable)
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Created => "created",
            Self::CreatedByTasks => "created on each node where a task first wants it",
            Self::Expected => "expected to be there before the deploy",
            Self::Unchanged => "unchanged",
            Self::Left => "left as it is, for a deploy removes none",
            Self::Kept => "kept as it is: what the file declares otherwise is not done",
            Self::Labelled => "its labels change",
            Self::Refused => {
                "its content is another, which a swarm refuses: give it another name in the file"
            }
            Self::Unreadable => "the file that it is made from cannot be read",
            Self::NotKnown => {
                "not known: it is declared in another way, or the old file that it \
                               was made from cannot be read"
            }
        })
    }
}

impl fmt::Display for ObjectPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.kind, self.name, self.fate)
    }
}

/// What becomes of all of a section, in the order of the new file.
pub(super) fn objects(
    section: &'static str,
    old: &Around<'_>,
    new: &Around<'_>,
) -> Result<Vec<ObjectPlan>, WrongIn> {
    let before = names(section, old).map_err(WrongIn::Old)?;
    let after = names(section, new).map_err(WrongIn::New)?;
    let mut plans = Vec::new();
    for name in &after {
        plans.push(plan(section, name, fate(section, name, old, new, &before)?));
    }
    for name in before.iter().filter(|name| !after.contains(name)) {
        let declared = declared(section, name, old).map_err(WrongIn::Old)?;
        if !declared.is_some_and(|it| it.external) {
            plans.push(plan(section, name, Fate::Left));
        }
    }
    Ok(plans)
}

fn plan(section: &'static str, name: &str, fate: Fate) -> ObjectPlan {
    ObjectPlan {
        kind: section.strip_suffix('s').unwrap_or(section),
        name: name.to_owned(),
        fate,
    }
}

/// Networks are made only if a service is on them, and one is without being
/// declared.
fn names(section: &str, around: &Around<'_>) -> Result<Vec<String>, Wrong> {
    let declared = around.stack.names(section)?;
    if section != "networks" {
        return Ok(declared);
    }
    let mut used = Vec::new();
    for service in around.stack.services()? {
        for name in network_names(&service.node)? {
            if !used.iter().any(|it| it == name) {
                used.push(name.to_owned());
            }
        }
    }
    Ok(used)
}

fn declared<'a>(
    section: &str,
    name: &str,
    around: &Around<'a>,
) -> Result<Option<Declared<'a>>, Wrong> {
    if section == "networks" && name == DEFAULT && !around.stack.declares(section, name)? {
        return Ok(None);
    }
    around
        .stack
        .declared(section, name, Spot::default())
        .map(Some)
}

fn fate(
    section: &'static str,
    name: &str,
    old: &Around<'_>,
    new: &Around<'_>,
    before: &[String],
) -> Result<Fate, WrongIn> {
    let after = declared(section, name, new).map_err(WrongIn::New)?;
    if after.as_ref().is_some_and(|it| it.external) {
        return Ok(Fate::Expected);
    }
    let is = content(section, after.as_ref(), new).map_err(WrongIn::New)?;
    if is == Content::Unreadable {
        return Ok(Fate::Unreadable);
    }
    if !before.iter().any(|it| it == name) {
        return Ok(made(section));
    }
    standing(section, name, old, (after.as_ref(), &is)).map_err(WrongIn::Old)
}

fn made(section: &str) -> Fate {
    match section {
        "volumes" => Fate::CreatedByTasks,
        _ => Fate::Created,
    }
}

/// What becomes of one that the old file has too.
fn standing(
    section: &str,
    name: &str,
    old: &Around<'_>,
    (after, is): (Option<&Declared<'_>>, &Content),
) -> Result<Fate, Wrong> {
    let earlier = declared(section, name, old)?;
    let earlier = earlier.as_ref();
    if earlier.is_some_and(|it| it.external) {
        return Ok(Fate::NotKnown);
    }
    if earlier.and_then(|it| it.name) != after.and_then(|it| it.name) {
        return Ok(made(section));
    }
    let was = content(section, earlier, old)?;
    Ok(compared(section, earlier, after, &was, is))
}

fn compared(
    section: &str,
    earlier: Option<&Declared<'_>>,
    after: Option<&Declared<'_>>,
    was: &Content,
    is: &Content,
) -> Fate {
    let text = |it: Option<&Declared<'_>>| it.map_or_else(String::new, |it| written(it.node));
    if *was == Content::Unreadable {
        return Fate::NotKnown;
    }
    if was != is {
        return Fate::Refused;
    }
    match (text(earlier) == text(after), section) {
        (true, _) => Fate::Unchanged,
        (false, "secrets" | "configs") => without_file(earlier, after),
        (false, _) => Fate::Kept,
    }
}

/// With the same content, only the labels of a secret can be others.
fn without_file(earlier: Option<&Declared<'_>>, after: Option<&Declared<'_>>) -> Fate {
    let labels = |it: Option<&Declared<'_>>| {
        let labels = it.and_then(|it| it.node.field("labels").ok().flatten());
        labels.map(|it| written(it))
    };
    let driver = |it: Option<&Declared<'_>>| {
        let key = |key: &str| it.and_then(|it| it.node.field(key).ok().flatten());
        ["driver", "driver_opts", "template_driver"].map(|it| key(it).map(|it| written(it)))
    };
    if driver(earlier) != driver(after) {
        Fate::Kept
    } else if labels(earlier) != labels(after) {
        Fate::Labelled
    } else {
        Fate::Unchanged
    }
}

/// What a secret or a config is made from.
#[derive(PartialEq, Eq)]
enum Content {
    Nothing,
    Unreadable,
    /// Never told, only compared.
    Bytes(Vec<u8>),
}

fn content(
    section: &str,
    declared: Option<&Declared<'_>>,
    around: &Around<'_>,
) -> Result<Content, Wrong> {
    let Some(declared) = declared.filter(|_| matches!(section, "secrets" | "configs")) else {
        return Ok(Content::Nothing);
    };
    if declared.external || declared.node.field("driver")?.is_some() {
        return Ok(Content::Nothing);
    }
    let file = declared.node.text_at("file")?.unwrap_or_default();
    let read = std::fs::read(around.directory.join(file));
    Ok(read.map_or(Content::Unreadable, Content::Bytes))
}
