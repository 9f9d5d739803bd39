//! A service as the swarm is given it.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

/// What a change of a part does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// It is of what tasks are made from: each is replaced (swarmkit,
    /// `manager/orchestrator/task.go`, `IsTaskDirty`).
    Restart,
    /// It is of the service only: no task is replaced.
    Update,
    /// It says where tasks may run: one stays whose node is still allowed (the same,
    /// `IsTaskDirtyPlacementConstraintsOnly`).
    Placement,
    /// A swarm refuses it (swarmkit, `manager/controlapi/service.go`).
    Refused,
    /// `docker stack deploy` does not look at it.
    Ignored,
    /// Nobody here knows: tasks may be replaced.
    NotKnown,
}

/// One part of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    /// In one form, however the file writes it.
    pub(super) value: String,
    /// Whether people may see it: what can hold a password is not told.
    pub(super) shown: bool,
    pub(super) effect: Effect,
}

/// A service, by what a file calls its parts: `deploy.replicas`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Spec {
    pub(super) parts: BTreeMap<String, Part>,
}

impl Spec {
    /// Sets a part that people may see.
    pub(super) fn show(&mut self, path: impl Into<String>, value: impl fmt::Display, does: Effect) {
        self.set(path.into(), value.to_string(), true, does);
    }

    /// Sets a part that may hold a password.
    pub(super) fn hide(&mut self, path: impl Into<String>, value: impl fmt::Display, does: Effect) {
        self.set(path.into(), value.to_string(), false, does);
    }

    /// Sets parts whose order counts too, where it is the same ones.
    pub(super) fn show_all(&mut self, path: &str, parts: &[(String, String)], does: Effect) {
        if parts.is_empty() {
            return;
        }
        let names: Vec<_> = parts.iter().map(|(name, _)| name.as_str()).collect();
        self.show(path, names.join(", "), does);
        for (name, value) in parts {
            self.show(format!("{path}.{name}"), value, does);
        }
    }

    pub(super) fn value(&self, path: &str) -> Option<&str> {
        self.parts.get(path).map(|part| part.value.as_str())
    }

    fn set(&mut self, path: String, value: String, shown: bool, effect: Effect) {
        let part = Part {
            value,
            shown,
            effect,
        };
        self.parts.insert(path, part);
    }
}
