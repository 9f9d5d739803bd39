//! Renewing under traffic.

use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::account::published_at;
use super::{Account, RunnerReport, Site, SiteError};
use crate::lab::wait::until;
use crate::report::attribution::Moment;
use crate::traffic::{Lane, Plan, Record, Target, Traffic};

/// How much traffic there is.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Requests a second in the lanes `new` and `keep-alive`, and streams in
    /// `http2`. The others have fewer, because each of theirs costs more: a tenth
    /// in `resumed`, 3 of 100 in `download` and `upload`.
    pub rate: u32,
    /// Warm connections to each node in the keep-alive lane. With three nodes
    /// each is idle for `3 × connections / rate` seconds between two requests,
    /// which must stay below the load balancer's `keepalive_min_timeout`.
    pub connections: usize,
    /// One-way delay of the warm connections' network: the race between a
    /// request and a close is as wide as this, and on loopback hardly shows.
    pub delay: Duration,
    /// How long traffic runs before the first and after the last renewal.
    pub margin: Duration,
    /// So many requests are sent at least, in all lanes together.
    pub least: u64,
}

impl Default for Load {
    fn default() -> Self {
        Self {
            rate: 100,
            connections: 40,
            delay: Duration::from_millis(25),
            margin: Duration::from_secs(2),
            least: 0,
        }
    }
}

impl Load {
    fn plan(&self, site: &Site<'_>, targets: Vec<Target>) -> Plan {
        /// Streams share them, so that few carry many.
        const HTTP2_CONNECTIONS: usize = 4;
        /// The stack's web server, which sends a file of 1.7 MB no faster.
        const DOWNLOAD: &str = "/download?rate=500k";
        /// A page of PHP, which says how much of an upload has come.
        const UPLOAD: &str = "/index.php";
        const UPLOAD_BYTES: u64 = 200_000;
        /// Longer than a reload, shorter than the stack gives a drain.
        const LASTING: Duration = Duration::from_secs(4);
        let (few, fewest) = (share(self.rate, 10), share(self.rate, 3));
        Plan::new(targets, &site.options().domain)
            .lane(Lane::new_connections("new", self.rate))
            .lane(Lane::keep_alive("keep-alive", self.rate, self.connections).delay(self.delay))
            .lane(Lane::http2("http2", self.rate, HTTP2_CONNECTIONS).delay(self.delay))
            .lane(Lane::resumed("resumed", few))
            .lane(Lane::download("download", fewest, DOWNLOAD).lasting(LASTING))
            .lane(Lane::upload("upload", fewest, UPLOAD, UPLOAD_BYTES).lasting(LASTING))
    }
}

/// So many of 100, one at least.
fn share(rate: u32, of_100: u32) -> u32 {
    (rate * of_100 / 100).max(1)
}

/// At the lowest rate that makes sense, any number that is asked for.
const TO_BE_SENT: Duration = Duration::from_secs(1200);

/// So much traffic two cores carry beside the labs, in requests a second of
/// [`Load::rate`]. More would keep each other from their schedules, and then none
/// would count, or what they ask from its answers: it waits for its turn.
const AT_ONCE: u32 = 130;
static ROOM: Semaphore = Semaphore::const_new(AT_ONCE as usize);

/// Traffic through a site, from its start to its record.
///
/// # Guarantees
/// In one process there is no more at a time than two cores carry, whatever labs
/// stand side by side; what is more than that by itself runs alone.
#[derive(Debug)]
pub struct TrafficRun<'site, 'lab> {
    site: &'site Site<'lab>,
    load: Load,
    traffic: Traffic,
    _room: Option<SemaphorePermit<'static>>,
}

impl<'site, 'lab> TrafficRun<'site, 'lab> {
    /// Starts traffic, once there is room for it, and lets it run for the margin.
    ///
    /// # Errors
    /// When it cannot be started.
    pub async fn start(site: &'site Site<'lab>, load: Load) -> Result<Self, SiteError> {
        // It is never closed, so there comes to be room.
        let room = ROOM.acquire_many(load.rate.min(AT_ONCE)).await.ok();
        let targets = site.targets().await?;
        let traffic = Traffic::start(load.plan(site, targets))?;
        traffic.begun().await;
        let run = Self {
            site,
            load,
            traffic,
            _room: room,
        };
        run.margin().await;
        Ok(run)
    }

    /// Lets it run for the margin and ends it.
    ///
    /// # Errors
    /// When the client could not keep its schedule: then nothing is proved.
    pub async fn stop(self) -> Result<Record, SiteError> {
        let least = self.load.least;
        let what = format!("{least} requests be sent");
        until(what, TO_BE_SENT, async || match self.traffic.counts().due {
            due if due >= least => Ok(()),
            due => Err(format!("{due} are")),
        })
        .await?;
        self.margin().await;
        let record = self.traffic.stop().await?;
        record.honest()?;
        Ok(record)
    }

    /// Time itself is the subject here: traffic before and after.
    async fn margin(&self) {
        tokio::time::sleep(self.load.margin).await;
    }

    /// What was sent and lost so far.
    #[must_use]
    pub fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// The site that it goes through.
    #[must_use]
    pub fn site(&self) -> &'site Site<'lab> {
        self.site
    }
}

/// A renewal of a site's certificate, so and so many times in a row.
#[derive(Debug, Clone, Copy)]
pub struct Renewal {
    /// The traffic meanwhile.
    pub load: Load,
    /// How many renewals.
    pub times: u32,
}

impl Renewal {
    /// Renews the certificate under traffic, by `rollover once`, and waits
    /// until the runner says that every replica serves the new one.
    ///
    /// # Errors
    /// When something failed. Lost requests are no error: see the account.
    pub async fn run(&self, site: &Site<'_>) -> Result<Account, SiteError> {
        let begun = crate::clock::now();
        let before = site.seen().await?;
        let traffic = TrafficRun::start(site, self.load).await?;
        let mut reports: Vec<RunnerReport> = Vec::new();
        let mut published: Vec<Timestamp> = Vec::new();
        for _ in 0..self.times {
            reports.push(site.renew(&[]).await?.succeeded()?);
            published.push(published_at(site)?);
        }
        let record = traffic.stop().await?;
        let after = site.seen().await?;
        Ok(Account {
            strategy: site.options().strategy,
            before,
            after,
            moments: moments(site, begun),
            reports,
            published,
            record,
        })
    }
}

/// What happened to the load balancer's containers since `begun`.
pub(crate) fn moments(site: &Site<'_>, begun: Timestamp) -> Vec<Moment> {
    let name = site.load_balancer().name().to_owned();
    let events = site.lab().timeline().into_iter();
    events
        .filter(|event| event.at >= begun && event.service.as_ref() == Some(&name))
        .map(Moment::from)
        .collect()
}
