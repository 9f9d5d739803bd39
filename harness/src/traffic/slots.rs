//! The warm connections of a keep-alive lane to one target.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use super::connection::Connection;

/// Connections that take turns: who has been idle longest goes next.
#[derive(Default)]
pub(super) struct Slots(Mutex<VecDeque<Slot>>);

/// The place of one connection. It stays when the connection is closed or lost,
/// and whose turn it is then opens a new one.
#[derive(Default)]
pub(super) struct Slot {
    pub(super) connection: Option<Connection>,
}

impl Slots {
    /// The next idle place; `None` when all are busy.
    pub(super) fn take(&self) -> Option<Slot> {
        self.lock().pop_front()
    }

    /// Gives a place back, at the end of the line.
    pub(super) fn give_back(&self, slot: Slot) {
        self.lock().push_back(slot);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Slot>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
