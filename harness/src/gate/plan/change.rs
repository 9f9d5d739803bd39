//! What differs between two versions of a service.

use std::fmt;

use rollover::preflight::Place;
use serde::Serialize;

use super::spec::{Effect, Part, Spec};

/// A part of a service that is to be another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What a file calls it: `deploy.replicas`.
    pub field: String,
    /// What it was; absent if it was not set, or is not told.
    pub old: Option<String>,
    /// What it becomes; absent if it is not set any more, or is not told.
    pub new: Option<String>,
    /// How it changes.
    pub how: How,
    /// What that does.
    pub does: Effect,
    /// Where the new file sets it, or would.
    #[serde(flatten)]
    pub place: Place,
}

/// How a part changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// It was not set.
    Added,
    /// It is not set any more.
    Removed,
    /// It has another value.
    Changed,
}

/// The parts that differ, in the order of their names. `place` says where the new
/// file has one.
pub(super) fn changes(old: &Spec, new: &Spec, place: &dyn Fn(&str) -> Place) -> Vec<Change> {
    let removed = old.parts.keys().filter(|key| !new.parts.contains_key(*key));
    let mut fields: Vec<&String> = new.parts.keys().chain(removed).collect();
    fields.sort();
    let change = |field: &String| {
        let (old, new) = (old.parts.get(field), new.parts.get(field));
        let differs = old.map(|it| &it.value) != new.map(|it| &it.value);
        differs.then(|| change(field, old, new, place(field)))?
    };
    fields.into_iter().filter_map(change).collect()
}

/// Those of the changes that say it best: of a mapping that is new as a whole the
/// whole; of a list whose order changes what is new in it.
pub(super) fn best(changes: &[Change]) -> Vec<Change> {
    let is_best = |change: &&Change| match change.how {
        How::Changed => !changes.iter().any(|it| is_below(&it.field, &change.field)),
        how => {
            let mut whole = changes.iter().filter(|it| it.how == how);
            !whole.any(|it| is_below(&change.field, &it.field))
        }
    };
    changes.iter().filter(is_best).cloned().collect()
}

fn is_below(path: &str, above: &str) -> bool {
    let rest = path.strip_prefix(above);
    rest.is_some_and(|rest| rest.starts_with('.'))
}

fn change(field: &str, old: Option<&Part>, new: Option<&Part>, place: Place) -> Option<Change> {
    let how = match (old, new) {
        (None, _) => How::Added,
        (_, None) => How::Removed,
        _ => How::Changed,
    };
    let told = |part: Option<&Part>| {
        let part = part.filter(|part| part.shown)?;
        Some(part.value.clone())
    };
    Some(Change {
        field: field.to_owned(),
        old: told(old),
        new: told(new),
        how,
        does: new.or(old)?.effect,
        place,
    })
}

/// `image: nginx:1.29 → nginx:1.30`, and what it does where that is no restart.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.field)?;
        match (self.how, self.old.as_deref(), self.new.as_deref()) {
            (How::Changed, Some(old), Some(new)) => write!(f, "{old} → {new}")?,
            (How::Changed, ..) => write!(f, "another value")?,
            (How::Added, _, Some(new)) => write!(f, "not set → {new}")?,
            (How::Added, ..) => write!(f, "added")?,
            (How::Removed, Some(old), _) => write!(f, "{old} → not set")?,
            (How::Removed, ..) => write!(f, "removed")?,
        }
        f.write_str(match self.does {
            Effect::Restart => "",
            Effect::Update => " (replaces no task)",
            Effect::Placement => " (replaces tasks whose node is no longer allowed)",
            Effect::Refused => " (a swarm refuses it)",
            Effect::Ignored => " (docker stack deploy does not look at it)",
            Effect::NotKnown => " (not known what it does)",
        })
    }
}
