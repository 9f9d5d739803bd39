//! Renewing under traffic.

use std::time::Duration;

use jiff::Timestamp;

use super::account::published_at;
use super::{Account, RunnerReport, ScenarioError, Serves, Site};
use crate::lab::wait::until;
use crate::report::attribution::Moment;
use crate::traffic::{Lane, Plan, Record, Traffic};

/// How much traffic there is.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Requests a second in each lane.
    pub rate: u32,
    /// Warm connections to each node in the keep-alive lane. With three nodes
    /// each is idle for `3 × connections / rate` seconds between two requests,
    /// which must stay below the load balancer's `keepalive_min_timeout`.
    pub connections: usize,
    /// One-way delay of the keep-alive lane's network: the race between a
    /// request and a close is as wide as this, and on loopback hardly shows.
    pub delay: Duration,
    /// How long traffic runs before the first and after the last renewal.
    pub margin: Duration,
}

impl Default for Load {
    fn default() -> Self {
        Self {
            rate: 100,
            connections: 40,
            delay: Duration::from_millis(25),
            margin: Duration::from_secs(2),
        }
    }
}

impl Load {
    fn plan(&self, site: &Site<'_>) -> Plan {
        Plan::new(site.targets(), &site.options().domain)
            .lane(Lane::new_connections("new", self.rate))
            .lane(Lane::keep_alive("keep-alive", self.rate, self.connections).delay(self.delay))
    }
}

/// Traffic through a site, from its start to its record.
#[derive(Debug)]
pub struct TrafficRun<'site, 'lab> {
    site: &'site Site<'lab>,
    load: Load,
    traffic: Traffic,
}

impl<'site, 'lab> TrafficRun<'site, 'lab> {
    /// Starts traffic and lets it run for the margin.
    ///
    /// # Errors
    /// When it cannot be started.
    pub async fn start(site: &'site Site<'lab>, load: Load) -> Result<Self, ScenarioError> {
        let traffic = Traffic::start(load.plan(site))?;
        traffic.begun().await;
        let run = Self {
            site,
            load,
            traffic,
        };
        run.margin().await;
        Ok(run)
    }

    /// Lets it run for the margin and ends it.
    ///
    /// # Errors
    /// When the client could not keep its schedule: then nothing is proved.
    pub async fn stop(self) -> Result<Record, ScenarioError> {
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

/// A renewal of a site's due certificate, so and so many times in a row.
#[derive(Debug, Clone, Copy)]
pub struct Renewal {
    /// The traffic meanwhile.
    pub load: Load,
    /// How many renewals.
    pub times: u32,
}

impl Renewal {
    /// Renews a due certificate under traffic, by `rollover once`, and waits
    /// until the runner says that every replica serves the new one.
    ///
    /// # Errors
    /// When something failed. Lost requests are no error: see the account.
    pub async fn run(&self, site: &Site<'_>) -> Result<Account, ScenarioError> {
        let begun = crate::clock::now();
        let before = seen(site).await?;
        let traffic = TrafficRun::start(site, self.load).await?;
        let mut reports: Vec<RunnerReport> = Vec::new();
        let mut published: Vec<Timestamp> = Vec::new();
        {
            let _due = site.make_due()?;
            for _ in 0..self.times {
                reports.push(site.once(&[]).await?.succeeded()?);
                published.push(published_at(&site.lineage())?);
            }
        }
        let record = traffic.stop().await?;
        let after = seen(site).await?;
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

/// What every replica serves, once all of them can be seen.
async fn seen(site: &Site<'_>) -> Result<Vec<Serves>, ScenarioError> {
    let deadline = Duration::from_secs(30);
    Ok(until("every replica be seen", deadline, async || {
        site.served().await
    })
    .await?)
}

/// What happened to the load balancer's containers since `begun`.
pub(super) fn moments(site: &Site<'_>, begun: Timestamp) -> Vec<Moment> {
    let name = site.load_balancer().name().to_owned();
    let events = site.lab().timeline().into_iter();
    events
        .filter(|event| event.at >= begun && event.service.as_ref() == Some(&name))
        .map(|event| Moment {
            at: event.at,
            node: event.node,
            replica: event.task,
            what: event.what.to_string(),
        })
        .collect()
}
