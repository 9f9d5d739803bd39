//! What is remembered of certificates, kept across restarts: read before each
//! decision, written after each change.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use tracing::{info, warn};

use super::{Fence, Key, Record, StateError, Store, Stored};
use crate::decide::{Kept, Memory, Problem};
use crate::docker::Raw;
use crate::model::CertificateName;

impl Record for Kept {
    const SCHEMA: u32 = 1;
}

/// What is kept of each certificate.
#[derive(Debug)]
pub(crate) struct State {
    store: Store,
    /// Whether it was read since this process began.
    recalled: bool,
    stored: BTreeMap<CertificateName, Stored<Kept>>,
    /// Those of which this process remembers more than could be written.
    unsaved: BTreeSet<CertificateName>,
    /// Why the last look could not read all of it.
    unread: Vec<StateError>,
    /// Why the last write of a certificate failed.
    unwritten: BTreeMap<CertificateName, StateError>,
}

impl State {
    /// Nothing is read yet.
    pub(crate) fn new(store: Store) -> Self {
        Self {
            store,
            recalled: false,
            stored: BTreeMap::new(),
            unsaved: BTreeSet::new(),
            unread: Vec::new(),
            unwritten: BTreeMap::new(),
        }
    }

    /// Brings `memory` up to what is kept. What this process could not write stays
    /// as it remembers it. What cannot be read is a [problem](Self::problems), and
    /// `memory` stays as it is in that.
    /// `raw` leads to the swarm that it is kept in.
    pub(crate) async fn recall(&mut self, raw: &Raw, memory: &mut Memory) {
        self.unread.clear();
        let mut found = BTreeMap::new();
        let all = Store::each::<Kept>(raw, |name, read| match read {
            Ok(stored) => {
                if !self.unsaved.contains(&name) {
                    memory.restore(&name, stored.record.clone());
                }
                found.insert(name, stored);
            }
            Err(error) => self.unread.push(error),
        });
        match all.await {
            Ok(()) => self.stored = found,
            Err(error) => return self.unread.push(error),
        }
        if !self.recalled {
            memory.count_orders();
            self.recalled = true;
        }
    }

    /// Writes what could not be written before.
    pub(crate) async fn catch_up(&mut self, memory: &Memory) {
        for name in std::mem::take(&mut self.unsaved) {
            self.keep(memory, &name).await;
        }
    }

    /// Writes what `memory` has of that certificate, if that is news. A failure is a
    /// [problem](Self::problems), and the next pass tries again.
    pub(crate) async fn keep(&mut self, memory: &Memory, name: &CertificateName) {
        let kept = memory.kept(name);
        self.unsaved.remove(name);
        self.unwritten.remove(name);
        let (key, before) = (Key::Certificate(name.clone()), self.stored.get(name));
        if before.map_or_else(Kept::default, |it| it.record.clone()) == kept {
            return;
        }
        let written = match before {
            Some(before) => self.store.save(&key, before, &kept).await,
            None => self.store.create(&key, &kept).await,
        };
        // Its new version is read, not guessed: the next write needs it.
        let reread = match written {
            Ok(()) => self.store.load::<Kept>(&key).await,
            Err(error) => Err(error),
        };
        match reread {
            Ok(stored) => {
                self.stored.remove(name);
                let stored = stored.map(|stored| (name.clone(), stored));
                self.stored.extend(stored);
            }
            Err(error) => {
                warn!("{error}");
                self.unsaved.insert(name.clone());
                self.unwritten.insert(name.clone(), error);
            }
        }
    }

    /// Removes what is kept of certificates that are not `wanted`, once it decides
    /// nothing any more.
    pub(crate) async fn collect(
        &mut self,
        fence: &Fence,
        memory: &mut Memory,
        wanted: impl Fn(&CertificateName) -> bool,
        now: Timestamp,
    ) {
        let outlived = |(name, stored): &(&CertificateName, &Stored<Kept>)| {
            !wanted(name) && stored.record.is_outlived(now)
        };
        let all = self.stored.iter();
        let outlived = all.filter(outlived).map(|(name, _)| name.clone());
        for name in outlived.collect::<Vec<_>>() {
            let Some(stored) = self.stored.remove(&name) else {
                continue;
            };
            let key = Key::Certificate(name.clone());
            fence.pass().await;
            match self.store.remove(&key, &stored).await {
                Ok(()) => {
                    info!(certificate = %name, "nobody asks for it: what was kept of it is removed");
                    memory.forget(&name);
                }
                // The next look reads it again, and tries again.
                Err(error) => warn!("{error}"),
            }
        }
    }

    /// What could not be read or written.
    pub(crate) fn problems(&self) -> impl Iterator<Item = Problem> {
        let errors = self.unread.iter().chain(self.unwritten.values());
        errors.map(|error| Problem::State(error.to_string()))
    }
}
