//! The certificates that are being obtained. It goes on by itself, as rollouts do: an
//! authority that does not answer holds nothing up but what waits for that certificate.
//!
//! Who obtains one has no access to what is remembered. It sends what is to be noted, and
//! goes on when that is kept: a crash may come at any step.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::decide::Memory;
use crate::model::CertificateName;
use crate::report::CertificateResult;
use crate::rollouts::Stay;

/// Something about a certificate that is being obtained.
pub(crate) enum Note {
    /// It is to be remembered. Who sends it waits until it is kept.
    Remember(Remember),
    /// Nobody is at it any more; what came of it, if anything was done.
    Ended(CertificateName, Option<CertificateResult>),
}

/// A change of what is remembered of a certificate.
pub(crate) struct Remember {
    pub(crate) name: CertificateName,
    pub(crate) change: Box<dyn FnOnce(&mut Memory)>,
    /// Dropped, or told, when it is kept.
    pub(crate) kept: oneshot::Sender<()>,
}

/// Where notes are sent to.
#[derive(Clone)]
pub(crate) struct Notes(mpsc::UnboundedSender<Note>);

impl Notes {
    /// Has a change remembered, and waits until it is kept.
    pub(crate) async fn remember(
        &self,
        name: &CertificateName,
        change: impl FnOnce(&mut Memory) + 'static,
    ) {
        let (kept, is_kept) = oneshot::channel();
        let (name, change) = (name.clone(), Box::new(change));
        self.send(Note::Remember(Remember { name, change, kept }));
        // Whoever keeps it goes away only after this.
        let _ = is_kept.await;
    }

    /// Says that nobody is at that certificate any more.
    pub(crate) fn ended(&self, name: &CertificateName, result: Option<CertificateResult>) {
        self.send(Note::Ended(name.clone(), result));
    }

    fn send(&self, note: Note) {
        // Whoever takes notes goes away only after this.
        let _ = self.0.send(note);
    }
}

/// What it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// The authority.
    Order,
    /// Nobody else.
    Placeholder,
}

/// Those that are being obtained, or wait for their turn.
pub(crate) struct Orders {
    running: JoinSet<()>,
    /// So many at a time as the engine takes; a placeholder waits for no order.
    room: Arc<Semaphore>,
    room_for_placeholders: Arc<Semaphore>,
    names: BTreeSet<CertificateName>,
    /// Those of them with which nobody has stayed yet.
    begun: BTreeSet<CertificateName>,
    notes: Notes,
    noted: mpsc::UnboundedReceiver<Note>,
    ended: Vec<CertificateResult>,
}

impl Orders {
    /// None yet, and room for as many at a time.
    pub(crate) fn new(at_once: usize) -> Self {
        let (notes, noted) = mpsc::unbounded_channel();
        Self {
            running: JoinSet::new(),
            room: Arc::new(Semaphore::new(at_once)),
            room_for_placeholders: Arc::new(Semaphore::new(at_once)),
            names: BTreeSet::new(),
            begun: BTreeSet::new(),
            notes: Notes(notes),
            noted,
            ended: Vec::new(),
        }
    }

    /// The certificates that are being obtained.
    pub(crate) fn names(&self) -> &BTreeSet<CertificateName> {
        &self.names
    }

    /// Begins with those certificates, as soon as there is room, by what `obtain` makes of
    /// it. That says of each when it has ended.
    pub(crate) fn begin<F>(
        &mut self,
        names: impl IntoIterator<Item = CertificateName>,
        what: What,
        obtain: impl FnOnce(Notes) -> F + 'static,
    ) where
        F: Future<Output = ()>,
    {
        for name in names {
            self.names.insert(name.clone());
            self.begun.insert(name);
        }
        let room = match what {
            What::Order => &self.room,
            What::Placeholder => &self.room_for_placeholders,
        };
        let (room, notes) = (Arc::clone(room), self.notes.clone());
        self.running.spawn_local(async move {
            // It is never closed.
            let _room = room.acquire().await;
            obtain(notes).await;
        });
    }

    /// The next note; waits for ever while nothing is being obtained.
    pub(crate) async fn note(&mut self) -> Note {
        loop {
            tokio::select! {
                biased;
                note = self.noted.recv() => match note {
                    Some(note) => return note,
                    // There is a sender here.
                    None => std::future::pending().await,
                },
                Some(joined) = self.running.join_next() => match joined {
                    // As if it had been carried out here.
                    Err(error) if error.is_panic() => {
                        std::panic::resume_unwind(error.into_panic());
                    }
                    // Only who drops all cancels one.
                    Ok(()) | Err(_) => {}
                },
            }
        }
    }

    /// A note that is there, without waiting for any.
    pub(crate) fn noted_before(&mut self) -> Option<Note> {
        self.noted.try_recv().ok()
    }

    /// The next note, as long as one is waited for who stays until `until`.
    pub(crate) async fn note_until(&mut self, stay: Stay, until: Instant) -> Option<Note> {
        match stay {
            Stay::ToTheEnd if self.names.is_empty() => None,
            Stay::ToTheEnd => Some(self.note().await),
            Stay::Shortly if self.begun.is_empty() => self.noted_before(),
            Stay::Shortly => timeout_at(until, self.note()).await.ok(),
        }
    }

    /// Takes the note that nobody is at a certificate any more.
    pub(crate) fn over(&mut self, name: &CertificateName, result: Option<CertificateResult>) {
        self.names.remove(name);
        self.begun.remove(name);
        self.ended.extend(result);
    }

    /// What has come of those that have ended since this was asked last, by name. Nobody
    /// stays with the others any longer.
    pub(crate) fn results(&mut self) -> Vec<CertificateResult> {
        self.begun.clear();
        let mut ended = std::mem::take(&mut self.ended);
        ended.sort_by(|one, other| one.certificate.cmp(&other.certificate));
        ended
    }

    /// Drops all of it. What the authority knows goes on, and the next look finds it.
    pub(crate) async fn drop_all(&mut self) {
        self.running.shutdown().await;
        while self.noted.try_recv().is_ok() {}
        self.names.clear();
        self.begun.clear();
        self.ended.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::sleep;

    use super::*;
    use crate::clock::now;
    use crate::rollouts::SHORTLY;

    fn name(of: &str) -> CertificateName {
        CertificateName::parse(&format!("{of}.example")).unwrap()
    }

    /// What takes as long, has that remembered, and fails.
    fn begin(orders: &mut Orders, of: &str, seconds: u64) {
        begin_with(orders, of, What::Order, seconds);
    }

    fn begin_with(orders: &mut Orders, of: &str, what: What, seconds: u64) {
        let name = name(of);
        orders.begin([name.clone()], what, move |notes| async move {
            sleep(Duration::from_secs(seconds)).await;
            notes
                .remember(&name, |memory| {
                    memory.pace_mut().ordered(now());
                })
                .await;
            notes.ended(&name, Some(result(&name)));
        });
    }

    fn result(name: &CertificateName) -> CertificateResult {
        CertificateResult::placeholder(name, Ok(()))
    }

    /// As a runner does it, which keeps what is to be remembered.
    fn take(orders: &mut Orders, note: Note) {
        match note {
            Note::Remember(note) => {
                (note.change)(&mut Memory::default());
                let _ = note.kept.send(());
            }
            Note::Ended(name, result) => orders.over(&name, result),
        }
    }

    async fn stayed(orders: &mut Orders, stay: Stay) -> Vec<String> {
        let until = Instant::now() + SHORTLY;
        while let Some(note) = orders.note_until(stay, until).await {
            take(orders, note);
        }
        let results = orders.results().into_iter();
        results
            .map(|result| result.certificate.to_string())
            .collect()
    }

    #[tokio::test(flavor = "local", start_paused = true)]
    async fn one_that_takes_long_is_not_waited_for() {
        let mut orders = Orders::new(5);
        begin(&mut orders, "short", 3);
        begin(&mut orders, "long", 3000);
        let start = Instant::now();
        assert_eq!(stayed(&mut orders, Stay::Shortly).await, ["short.example"]);
        assert_eq!(start.elapsed(), SHORTLY);
        assert_eq!(*orders.names(), BTreeSet::from([name("long")]));
        // The next look begins nothing, and does not stay with that again.
        assert!(stayed(&mut orders, Stay::Shortly).await.is_empty());
        assert_eq!(start.elapsed(), SHORTLY);

        for _ in ["remembered", "ended"] {
            let note = orders.note().await;
            take(&mut orders, note);
        }
        assert_eq!(start.elapsed().as_secs(), 3000);
        assert!(orders.names().is_empty());
        assert_eq!(orders.results().len(), 1);
    }

    #[tokio::test(flavor = "local", start_paused = true)]
    async fn who_stays_to_the_end_sees_all_of_them_by_name() {
        let mut orders = Orders::new(1);
        for (of, seconds) in [("b", 30), ("a", 300), ("c", 3)] {
            begin(&mut orders, of, seconds);
        }
        let start = Instant::now();
        assert_eq!(
            stayed(&mut orders, Stay::ToTheEnd).await,
            ["a.example", "b.example", "c.example"]
        );
        assert_eq!(start.elapsed().as_secs(), 333, "one at a time");
    }

    #[tokio::test(flavor = "local", start_paused = true)]
    async fn a_placeholder_waits_for_no_order() {
        let mut orders = Orders::new(1);
        begin(&mut orders, "stuck", 3000);
        begin(&mut orders, "after-it", 3);
        begin_with(&mut orders, "new", What::Placeholder, 3);
        assert_eq!(stayed(&mut orders, Stay::Shortly).await, ["new.example"]);
    }

    #[tokio::test(flavor = "local", start_paused = true)]
    async fn nobody_goes_on_before_what_is_to_be_remembered_is_kept() {
        let mut orders = Orders::new(1);
        begin(&mut orders, "one", 3);
        let Note::Remember(note) = orders.note().await else {
            panic!("it has something to be remembered");
        };
        sleep(Duration::from_secs(60)).await;
        assert!(orders.noted_before().is_none());
        drop(note);
        assert!(matches!(orders.note().await, Note::Ended(..)));
    }

    #[tokio::test(flavor = "local", start_paused = true)]
    async fn what_is_dropped_is_not_told_of() {
        let mut orders = Orders::new(1);
        begin(&mut orders, "one", 3);
        begin(&mut orders, "two", 3);
        sleep(Duration::from_secs(60)).await;
        orders.drop_all().await;
        assert!(orders.names().is_empty());
        let told = tokio::time::timeout(Duration::from_secs(9000), orders.note()).await;
        assert!(told.is_err());
    }
}
