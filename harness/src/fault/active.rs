//! What a fault is, and one that is in force.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use crate::event::{BandKind, OpenBand};
use crate::lab::{At, Lab, LabError};

/// A future that a fault returns.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, LabError>> + Send + 'a>>;

/// Something that can be broken on purpose; those of a service of one's own are made in
/// the same way:
///
/// ```
/// use std::fmt;
/// use rollover_lab::fault::{Active, Fault, Pending, mending};
/// use rollover_lab::lab::Lab;
///
/// /// The cache of a shop is full of nonsense.
/// #[derive(Debug)]
/// struct CachePoisoned;
///
/// impl fmt::Display for CachePoisoned {
///     fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
///         f.write_str("the cache is poisoned")
///     }
/// }
///
/// impl Fault for CachePoisoned {
///     fn inject<'a>(&'a self, lab: &'a Lab) -> Pending<'a, Active> {
///         Box::pin(async move {
///             let cache = lab.service("shop_cache").replica(1).await?;
///             let again = cache.clone();
///             let flush = ["redis-cli", "flushall"];
///             let mend = mending(move || async move { again.exec(&flush).await.map(drop) });
///             // Before it is broken, so that what fails half way is mended too.
///             let active = Active::new(self, lab, Some(mend));
///             cache.exec(&["redis-cli", "set", "price", "nonsense"]).await?;
///             Ok(active)
///         })
///     }
/// }
/// ```
///
/// Its [`Display`](fmt::Display) says
/// what will be, in a few words: `node-3 is cut off`.
pub trait Fault: fmt::Debug + fmt::Display + Send + Sync {
    /// The node that it is about, if it is about one.
    fn node(&self) -> Option<&str> {
        None
    }

    /// Breaks it, and waits until it is seen to be broken.
    ///
    /// # Errors
    /// When it could not be broken; nothing is left broken then.
    fn inject<'a>(&'a self, lab: &'a Lab) -> Pending<'a, Active>;
}

/// How to mend what was broken. It must work from a thread of its own while the
/// runtime that injected the fault is unwinding, and so must not wait for it;
/// and it must do no harm where nothing is broken yet.
pub type Mend = Box<dyn FnOnce() -> Result<(), LabError> + Send>;

/// A mending that is written as a future: it gets a runtime of its own.
pub fn mending<F>(work: impl FnOnce() -> F + Send + 'static) -> Mend
where
    F: Future<Output = Result<(), LabError>>,
{
    Box::new(move || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .at("start a runtime to mend a fault", "")?
            .block_on(work())
    })
}

/// A fault that is in force.
#[must_use = "a fault is mended when this is dropped"]
pub struct Active {
    what: String,
    state: State,
    band: Option<OpenBand>,
}

enum State {
    Broken(Mend),
    BeingMended(JoinHandle<Result<(), LabError>>),
    /// Or there never was anything to mend.
    Mended,
}

impl Active {
    /// A fault that is in force from now, and how to mend it; none where nothing
    /// is to be mended, such as a process that was killed.
    ///
    /// Made before anything is broken, it also mends what a fault that fails
    /// half way has broken.
    pub fn new(fault: &dyn Fault, lab: &Lab, mend: Option<Mend>) -> Self {
        Self::on(fault.node(), fault, lab, mend)
    }

    /// As [`new`](Self::new), for a fault that learns only when it is injected
    /// which node it is about.
    pub fn on(node: Option<&str>, fault: &dyn Fault, lab: &Lab, mend: Option<Mend>) -> Self {
        let what = fault.to_string();
        let band = lab.journal().begin(BandKind::Fault, &what, node);
        Self {
            what,
            state: mend.map_or(State::Mended, State::Broken),
            band: Some(band),
        }
    }

    /// Mends it, and waits until that is done. If this is dropped half way, the
    /// mending still goes on to its end.
    ///
    /// # Errors
    /// When it could not be mended.
    pub async fn end(mut self) -> Result<(), LabError> {
        let (done, told) = oneshot::channel();
        self.start(Some(done));
        // An error says that the thread has panicked, and joining it passes
        // that on.
        let _ = told.await;
        self.join()
    }

    /// Starts to mend on a thread of its own, where no runtime is in the way.
    fn start(&mut self, done: Option<oneshot::Sender<()>>) {
        self.state = match std::mem::replace(&mut self.state, State::Mended) {
            State::Broken(mend) => State::BeingMended(std::thread::spawn(move || {
                let mended = mend();
                // Nobody listens any more to one that was dropped.
                let _ = done.map(|done| done.send(()));
                mended
            })),
            other => other,
        };
    }

    /// Waits until it is mended, which was begun.
    fn join(&mut self) -> Result<(), LabError> {
        let State::BeingMended(thread) = std::mem::replace(&mut self.state, State::Mended) else {
            return Ok(());
        };
        let mended = thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        if let (Some(band), Err(error)) = (self.band.take(), &mended) {
            band.end_with(format!("not mended: {error}"));
        }
        mended
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.start(None);
        if let Err(error) = self.join() {
            tracing::error!(fault = self.what, %error, "a fault could not be mended");
        }
    }
}

impl fmt::Debug for Active {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Active").field(&self.what).finish()
    }
}
