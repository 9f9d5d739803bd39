//! What a scenario plays on, and where it says what it found.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use jiff::Timestamp;

use super::{Finding, Kind, Parameters};
use crate::clock;
use crate::event::OpenBand;
use crate::lab::Lab;
use crate::report::Figure;
use crate::site::{Once, Renewal, Serves, Site, SiteError, SiteOptions, TrafficRun, told};
use crate::traffic::Record;

/// What a scenario plays on, and where it says what it found.
#[derive(Debug)]
pub struct Stage<'lab> {
    lab: &'lab Lab,
    parameters: &'lab Parameters,
    control: bool,
    pub(super) begun: Timestamp,
    pub(super) findings: RefCell<Vec<Finding>>,
    pub(super) traffic: RefCell<Vec<Record>>,
    pub(super) figures: RefCell<Vec<Figure>>,
    pub(super) deployed: Cell<bool>,
}

impl<'lab> Stage<'lab> {
    pub(super) fn new(lab: &'lab Lab, parameters: &'lab Parameters, control: bool) -> Self {
        Self {
            lab,
            parameters,
            control,
            begun: clock::now(),
            findings: RefCell::default(),
            traffic: RefCell::default(),
            figures: RefCell::default(),
            deployed: Cell::new(false),
        }
    }

    /// The lab.
    #[must_use]
    pub fn lab(&self) -> &'lab Lab {
        self.lab
    }

    /// What it is played with.
    #[must_use]
    pub fn parameters(&self) -> &'lab Parameters {
        self.parameters
    }

    /// Whether this is the control: then the scenario makes wrong what its
    /// [`Control`](super::Control) says, and is to be found out.
    #[must_use]
    pub fn is_control(&self) -> bool {
        self.control
    }

    /// A deadline: a control, which waits for what will not come, waits no
    /// longer than `control`.
    #[must_use]
    pub fn patience(&self, usual: Duration, control: Duration) -> Duration {
        if self.control { control } else { usual }
    }

    /// Begins a step, which the report shows as a band.
    pub fn step(&self, name: impl Into<String>) -> OpenBand {
        self.lab.journal().step(name)
    }

    /// How the stack is deployed with these parameters.
    ///
    /// # Errors
    /// When there is no `stack.yml` here or above.
    pub fn options(&self) -> Result<SiteOptions, SiteError> {
        Ok(SiteOptions {
            strategy: self.parameters.strategy,
            engine: self.parameters.engine,
            replicas: self.parameters.replicas,
            ..SiteOptions::find()?
        })
    }

    /// The swarm and its volume as if nothing had ever been deployed.
    ///
    /// # Errors
    /// What could not be removed.
    pub async fn empty(&self) -> Result<(), SiteError> {
        let _step = self.step("the swarm is emptied");
        Site::remove(self.lab).await
    }

    /// The stack as [`options`](Self::options) have it, settled, and every
    /// replica serving a certificate of the lab's authority.
    ///
    /// # Errors
    /// What did not come to pass.
    pub async fn site(&self) -> Result<Site<'lab>, SiteError> {
        self.site_with(self.options()?).await
    }

    /// The stack as `options` have it, settled, and every replica serving a
    /// certificate of the lab's authority.
    ///
    /// # Errors
    /// What did not come to pass.
    pub async fn site_with(&self, options: SiteOptions) -> Result<Site<'lab>, SiteError> {
        let _step = self.step("the stack is deployed and serves");
        let site = self.deploy(options).await?;
        site.ready().await?;
        Ok(site)
    }

    /// Deploys the stack and waits for nothing.
    ///
    /// # Errors
    /// What `docker stack deploy` wrote.
    pub async fn deploy(&self, options: SiteOptions) -> Result<Site<'lab>, SiteError> {
        self.deployed.set(true);
        Site::deploy(self.lab, options).await
    }

    /// Starts the usual traffic.
    ///
    /// # Errors
    /// When it cannot be started.
    pub async fn traffic<'site>(
        &self,
        site: &'site Site<'lab>,
    ) -> Result<TrafficRun<'site, 'lab>, SiteError> {
        TrafficRun::start(site, self.parameters.load()).await
    }

    /// As many renewals under the usual traffic as the parameters say.
    #[must_use]
    pub fn renewal(&self) -> Renewal {
        Renewal {
            load: self.parameters.load(),
            times: self.parameters.renewals,
        }
    }

    /// Keeps what traffic saw, for the report.
    pub fn record(&self, record: Record) {
        self.traffic.borrow_mut().push(record);
    }

    /// Keeps a figure, for the report.
    pub fn figure(&self, name: impl Into<String>, value: f64, unit: &str) {
        self.figures.borrow_mut().push(Figure {
            name: name.into(),
            value,
            unit: unit.to_owned(),
        });
    }

    /// Says what must not be, and was.
    pub fn found(&self, kind: Kind, text: impl Into<String>) {
        let finding = Finding {
            kind,
            text: text.into(),
        };
        tracing::info!(%finding, "found");
        self.findings.borrow_mut().push(finding);
    }

    /// Checks what must hold; says what was found instead, if it does not.
    pub fn check(&self, holds: bool, kind: Kind, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.found(kind, otherwise());
        }
    }

    /// Keeps a record in which nothing may be lost.
    pub fn nothing_lost(&self, record: Record) {
        let lost = record.lost();
        self.check(lost == 0, Kind::Lost, || {
            format!(
                "expected no lost request, found {lost}\n{}",
                record.summary()
            )
        });
        self.record(record);
    }

    /// Checks that all replicas serve one and the same certificate.
    pub fn one_certificate(&self, served: &[Serves]) -> Option<String> {
        let first = served.first().map(|serves| serves.fingerprint.clone());
        let same = served
            .iter()
            .all(|serves| Some(&serves.fingerprint) == first.as_ref());
        self.check(same && first.is_some(), Kind::Stale, || {
            format!(
                "expected one certificate on all replicas, found {}",
                told(served)
            )
        });
        first
    }

    /// Checks that the runner failed, with each of these in what it gave as reasons.
    pub fn failed_with(&self, once: &Once, expected: &[&str]) {
        self.check(once.output.code == 1, Kind::Accepted, || {
            format!("expected exit code 1, found {once}")
        });
        let errors = once.errors().join("\n");
        for part in expected {
            self.check(errors.contains(part), Kind::Unclear, || {
                format!("expected an error with {part:?}, found: {errors}")
            });
        }
    }

    /// Checks that nothing was touched: the same tasks serve the same.
    ///
    /// # Errors
    /// When it cannot be seen.
    pub async fn untouched(&self, site: &Site<'_>, before: &[Serves]) -> Result<(), SiteError> {
        let now = site.seen().await?;
        self.check(now == before, Kind::Touched, || {
            format!(
                "expected what was before, {}; found {}",
                told(before),
                told(&now)
            )
        });
        Ok(())
    }
}
