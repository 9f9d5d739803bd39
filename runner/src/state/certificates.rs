//! What is remembered of certificates, kept across restarts: read before each
//! decision, written after each change.

use std::collections::BTreeMap;

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
    /// Whether all of it was read since this process began, or acts again.
    recalled: bool,
    stored: BTreeMap<CertificateName, Stored<Kept>>,
    /// Those of which this process remembers more than could be written.
    unsaved: BTreeMap<CertificateName, Unsaved>,
    /// Why the last look could not read all of it.
    unread: Vec<StateError>,
    /// Why the last write of a certificate failed.
    unwritten: BTreeMap<CertificateName, StateError>,
}

/// A write that failed, or of which it is not known.
#[derive(Debug)]
struct Unsaved {
    /// The version that it was to replace; none where there was no record.
    over: Option<u64>,
    tried: Kept,
}

impl Unsaved {
    /// Whether what is found now is what this process knew, or what it wrote: then it
    /// remembers more. Else somebody else has written, who had read it and knows more.
    fn knows_more_than(&self, found: &Stored<Kept>) -> bool {
        self.over == Some(found.version) || self.tried == found.record
    }
}

impl State {
    /// Nothing is read yet.
    pub(crate) fn new(store: Store) -> Self {
        Self {
            store,
            recalled: false,
            stored: BTreeMap::new(),
            unsaved: BTreeMap::new(),
            unread: Vec::new(),
            unwritten: BTreeMap::new(),
        }
    }

    /// Brings `memory` up to what is kept. What this process could not write stays
    /// as it remembers it, unless somebody else has written since. What cannot be read
    /// is a [problem](Self::problems), and `memory` stays as it is in that.
    /// `raw` leads to the swarm that it is kept in.
    ///
    /// # Errors
    /// When it was never read: whoever acted on such a memory would order what was
    /// ordered, and write that over what is kept.
    pub(crate) async fn recall(
        &mut self,
        raw: &Raw,
        memory: &mut Memory,
    ) -> Result<(), StateError> {
        self.unread.clear();
        let mut found = BTreeMap::new();
        let all = Store::each::<Kept>(raw, |name, read| match read {
            Ok(stored) => {
                let unsaved = self.unsaved.get(&name);
                if !unsaved.is_some_and(|it| it.knows_more_than(&stored)) {
                    self.unsaved.remove(&name);
                    memory.restore(&name, stored.record.clone());
                }
                found.insert(name, stored);
            }
            Err(error) => self.unread.push(error),
        });
        match all.await {
            Ok(()) => self.stored = found,
            Err(error) => {
                self.unread.push(error.clone());
                return if self.recalled { Ok(()) } else { Err(error) };
            }
        }
        if !self.recalled {
            memory.count_orders();
            self.recalled = true;
        }
        Ok(())
    }

    /// Another runner may act from now on: all of it has to be read before this one
    /// does again.
    pub(crate) fn stands_by(&mut self) {
        self.recalled = false;
    }

    /// Writes what could not be written before.
    pub(crate) async fn catch_up(&mut self, memory: &Memory) {
        for (name, _) in std::mem::take(&mut self.unsaved) {
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
                let over = self.stored.get(name).map(|before| before.version);
                self.unsaved
                    .insert(name.clone(), Unsaved { over, tried: kept });
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
