//! What the daemon knows and nobody else can see: when something that failed
//! is tried again, since when a replica is behind, what it is at. Another process
//! in the same container asks for it over a socket.
//!
//! The socket is an abstract one: a name in the network namespace, gone with
//! its holder. Nothing that it tells is secret, and it takes no orders.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener as StdListener, UnixStream as StdStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;
use tracing::warn;

use crate::clock::now;
use crate::decide::{Memory, UnderWay};
use crate::model::{CertificateName, Schedule};

const NAME: &[u8] = b"rollover/status";
/// A look at ten thousand certificates takes seconds.
const HANGS: SignedDuration = SignedDuration::from_mins(15);
/// The daemon answers from its memory, but may be busy for a moment.
const DEADLINE: Duration = Duration::from_secs(2);

/// All that the daemon tells.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Told {
    /// When it was started.
    pub(crate) since: Timestamp,
    /// The schedule by which it looks for due renewals: without a setting, each
    /// process draws another.
    pub(crate) schedule: Schedule,
    pub(crate) memory: Memory,
    /// Why it does nothing, while another runner acts.
    #[serde(default)]
    pub(crate) standby: Option<String>,
    /// What it is at, and since when.
    doing: Vec<(Work, Timestamp)>,
    /// The last sign of the look that goes on, if one does.
    #[serde(default)]
    looking: Option<Timestamp>,
    /// When it last looked at everything.
    pub(crate) looked_at: Option<Timestamp>,
    /// When it will do so again. Absent while it is at work.
    pub(crate) looks_again_at: Option<Timestamp>,
}

/// Something that takes its time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Work {
    Obtaining(CertificateName),
    RollingOut(String),
}

impl Told {
    /// Since when the daemon has been at some work, if it is.
    pub(crate) fn since_when(&self, work: &Work) -> Option<Timestamp> {
        let mut doing = self.doing.iter();
        doing.find(|(it, _)| it == work).map(|&(_, since)| since)
    }

    /// The last sign of a look that does not come to its end; none if nothing is wrong
    /// with that. Work has time limits of its own.
    pub(crate) fn hangs_since(&self, now: Timestamp) -> Option<Timestamp> {
        let sign = self.looking.filter(|_| self.doing.is_empty())?;
        (now.duration_since(sign) > HANGS).then_some(sign)
    }

    fn sign_of_life(&mut self, at: Timestamp) {
        self.looking = self.looking.map(|_| at);
    }

    /// What it is at.
    pub(crate) fn under_way(&self) -> UnderWay {
        let mut under_way = UnderWay::default();
        for (work, _) in &self.doing {
            match work.clone() {
                Work::RollingOut(service) => under_way.rolled_out.insert(service),
                Work::Obtaining(name) => under_way.obtained.insert(name),
            };
        }
        under_way
    }
}

/// The daemon's side: kept current by the reconcile, told to who asks.
#[derive(Clone, Debug)]
pub(crate) struct Teller(Arc<Mutex<Told>>);

/// Some work that is under way; over when this goes away.
#[must_use]
pub(crate) struct AtWork {
    teller: Teller,
    work: Work,
}

impl Teller {
    /// One that has nothing to tell yet.
    pub(crate) fn new(schedule: Schedule) -> Self {
        Self(Arc::new(Mutex::new(Told {
            since: now(),
            schedule,
            memory: Memory::default(),
            standby: None,
            doing: Vec::new(),
            looking: None,
            looked_at: None,
            looks_again_at: None,
        })))
    }

    /// Tells that a look begins.
    pub(crate) fn looks(&self, at: Timestamp) {
        self.lock().looking = Some(at);
    }

    /// Tells what was remembered after a look at everything.
    pub(crate) fn looked(&self, memory: &Memory, at: Timestamp) {
        let mut told = self.lock();
        told.sign_of_life(at);
        told.memory = memory.clone();
        told.looked_at = Some(at);
        told.looks_again_at = None;
    }

    /// Tells when the next look will be, and what is remembered until then.
    pub(crate) fn looks_again(&self, memory: &Memory, at: Option<Timestamp>) {
        let mut told = self.lock();
        told.memory = memory.clone();
        told.looking = None;
        told.looks_again_at = at;
    }

    /// When it last looked at everything.
    pub(crate) fn looked_at(&self) -> Option<Timestamp> {
        self.lock().looked_at
    }

    /// Tells that another runner acts, and how that is known; or none does.
    pub(crate) fn stands_by(&self, why: Option<String>) {
        let mut told = self.lock();
        told.standby = why;
        // What was under way was dropped.
        told.looking = None;
    }

    /// Tells that some work begins.
    pub(crate) fn begins(&self, work: Work) -> AtWork {
        self.lock().doing.push((work.clone(), now()));
        AtWork {
            teller: self.clone(),
            work,
        }
    }

    /// Answers who asks, for ever. That nobody can ask harms nothing else, so
    /// it is only said.
    pub(crate) async fn serve(&self) {
        let listener = match listen() {
            Ok(listener) => listener,
            Err(error) => {
                warn!("`rollover status` will not know what this process knows: {error}");
                return std::future::pending().await;
            }
        };
        loop {
            // A failed accept is of one caller, who sees it too.
            if let Ok((mut stream, _)) = listener.accept().await {
                // Plain data whose every part serialises: this cannot fail.
                let told = serde_json::to_vec(&*self.lock()).unwrap_or_default();
                let _ = timeout(DEADLINE, stream.write_all(&told)).await;
            }
        }
    }

    /// What is told now, by a daemon that was started at `since`.
    #[cfg(test)]
    pub(crate) fn told_at(&self, since: Timestamp) -> Told {
        Told {
            since,
            ..self.lock().clone()
        }
    }

    /// A panic elsewhere leaves whole data behind: each change is one step.
    fn lock(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        let mut told = self.teller.lock();
        told.doing.retain(|(work, _)| *work != self.work);
        told.sign_of_life(now());
    }
}

fn listen() -> std::io::Result<UnixListener> {
    let listener = StdListener::bind_addr(&SocketAddr::from_abstract_name(NAME)?)?;
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener)
}

/// Asks the daemon of this container.
///
/// # Errors
/// Why it did not answer, as a reason that can be shown.
pub(crate) async fn ask() -> Result<Told, String> {
    let answer = timeout(DEADLINE, read()).await;
    let answer = answer.map_err(|_| format!("no answer within {} s", DEADLINE.as_secs()))?;
    let answer = answer.map_err(|error| format!("no `rollover run` in this container: {error}"))?;
    serde_json::from_slice(&answer).map_err(|error| format!("an answer of another form: {error}"))
}

async fn read() -> std::io::Result<Vec<u8>> {
    let stream = StdStream::connect_addr(&SocketAddr::from_abstract_name(NAME)?)?;
    stream.set_nonblocking(true)?;
    let mut answer = Vec::new();
    UnixStream::from_std(stream)?
        .read_to_end(&mut answer)
        .await?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::Attempted;
    use crate::model::tests::leaf_named;

    #[tokio::test]
    async fn who_asks_is_told_what_is_known_and_what_is_under_way() {
        let schedule = Schedule::parse("17 3 * * *", "Europe/Berlin").unwrap();
        let teller = Teller::new(schedule.clone());
        let nobody = ask().await.unwrap_err();
        assert!(
            nobody.starts_with("no `rollover run` in this container"),
            "{nobody}"
        );

        let serving = teller.clone();
        let server = tokio::spawn(async move { serving.serve().await });
        let (_, name) = leaf_named("example.org");
        let (obtaining, attempted) = (Work::Obtaining(name.clone()), Attempted::Certificate(name));
        let mut memory = Memory::default();
        memory.record(attempted.clone(), now(), Some("no answer".into()));
        teller.looked(&memory, now());
        let at_work = teller.begins(obtaining.clone());
        // The listener is there once the other task has run.
        tokio::task::yield_now().await;
        let told = ask().await.unwrap();
        assert_eq!(told.memory.why(&attempted), Some("no answer"));
        assert!(told.since_when(&obtaining).is_some() && told.looked_at.is_some());
        let from = "2026-11-25T00:00:00Z".parse().unwrap();
        assert_eq!(told.schedule.next_after(from), schedule.next_after(from));

        drop(at_work);
        assert_eq!(ask().await.unwrap().since_when(&obtaining), None);
        server.abort();
    }

    #[test]
    fn a_look_that_does_not_end_hangs_unless_there_is_a_sign_of_it() {
        let teller = Teller::new(Schedule::parse("17 3 * * *", "UTC").unwrap());
        let memory = Memory::default();
        let begun = now();
        let after = |minutes| begun + SignedDuration::from_mins(minutes);
        let hangs = |minutes| teller.told_at(begun).hangs_since(after(minutes));
        assert_eq!(hangs(1000), None);
        teller.looks(after(10));
        assert_eq!(hangs(25), None);
        assert_eq!(hangs(26), Some(after(10)));
        teller.looked(&memory, after(20));
        assert_eq!(hangs(35), None);
        assert_eq!(hangs(36), Some(after(20)));
        let at_work = teller.begins(Work::RollingOut("web".into()));
        assert_eq!(hangs(1000), None);
        drop(at_work);
        // Its end was a sign too.
        assert_ne!(hangs(36), Some(after(20)));
        teller.looks_again(&memory, Some(after(60)));
        assert_eq!(hangs(1000), None);

        teller.looks(after(1000));
        teller.stands_by(Some("another acts".into()));
        assert_eq!(hangs(2000), None);
        teller.stands_by(None);
        assert_eq!(hangs(2000), None);
    }
}
