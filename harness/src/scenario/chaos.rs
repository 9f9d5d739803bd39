//! A random walk over faults.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::Duration;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use tokio::time::{Instant, sleep};

use super::{Control, Kind, Parameters, Scenario, Stage};
use crate::acme::Done;
use crate::event::{LogLine, Sighting};
use crate::fault::catalogue::{self, Named};
use crate::fault::{Fault, FirstProcessStopped, Replica};
use crate::lab::Lab;
use crate::lab::wait::until;
use crate::probe::{self, Unseen};
use crate::site::{Due, Site, SiteError, SiteOptions};

/// Faults in an order of chance, with renewals among them.
pub(super) const SCENARIO: Scenario = Scenario {
    name: "chaos",
    about: "Faults come in an order of chance, with renewals among them. All the time no replica \
            serves a certificate that is expired, foreign or mismatched, none is ordered twice, \
            and after the last fault all converge without a person.",
    control: Control {
        wrong: "a certificate that nobody signed is put in place, and every replica told; one \
                is ordered that is not due; a replica never loads another",
        found_by: &[Kind::Foreign, Kind::OrderedTwice, Kind::Stuck],
    },
    parameters: || Parameters {
        // What is lost while a node is away is no finding here; traffic is there
        // to be disturbed, and to be seen in the report.
        rate: 20,
        length: LENGTH,
        seed: *SEED,
        ..Parameters::default()
    },
    play: |stage| Box::pin(play(stage)),
};

/// Another walk each time; one for each process, so that the one that is told of is the
/// one that was played.
static SEED: LazyLock<u64> = LazyLock::new(|| {
    let nanoseconds = crate::clock::now().subsec_nanosecond();
    u64::from(nanoseconds.unsigned_abs()) % 100_000
});
const LENGTH: Duration = Duration::from_secs(3 * 60);
/// Between two looks at all replicas.
const LOOK: Duration = Duration::from_millis(500);
/// A rollout that failed is tried again after a minute, then after ten.
const TO_CONVERGE: Duration = Duration::from_secs(12 * 60);
/// Longer than that takes where it can be.
const CONTROLS: Duration = Duration::from_secs(15);

async fn play(stage: &Stage<'_>) -> Result<(), SiteError> {
    let site = stage
        .site_with(SiteOptions {
            // What is due is renewed within the minute.
            schedule: "* * * * *".to_owned(),
            ..stage.options()?
        })
        .await?;
    let lab = stage.lab();
    let watch = Watch {
        stage,
        site: &site,
        roots: probe::Roots::Only(lab.acme().roots().await?),
        done: done(lab).await?,
        renewals: Cell::new(0),
        due: RefCell::default(),
        said: RefCell::default(),
    };
    let traffic = stage.traffic(&site).await?;
    let walked = tokio::select! {
        walked = walk(&watch) => walked,
        never = watch.look_on() => match never {},
    };
    stage.record(traffic.stop().await?);
    watch.nothing_twice().await;
    watch.figures().await?;
    // What fell due, and spent what a week allows, is not to be found by another.
    stage.empty().await?;
    walked
}

/// What the authority has done; none where it does not tell.
async fn done(lab: &Lab) -> Result<Option<Done>, SiteError> {
    match lab.pebble() {
        Some(pebble) => Ok(Some(pebble.done().await?)),
        None => Ok(None),
    }
}

/// Breaks and mends until the time is over, then waits until all is well again.
async fn walk(watch: &Watch<'_, '_>) -> Result<(), SiteError> {
    let stage = watch.stage;
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(stage.parameters().seed);
    let end = Instant::now() + stage.parameters().length;
    if stage.is_control() {
        return all_wrong(watch).await;
    }
    while Instant::now() < end {
        let Some(named) = catalogue::random(stage.lab(), &mut rng).await? else {
            break;
        };
        let (renew, before) = (rng.random_bool(0.5), rng.random_range(0..3000));
        let gap = Duration::from_millis(rng.random_range(500..3000));
        if renew {
            watch.make_due().await?;
        }
        // Where in a renewal the fault falls is left to chance.
        sleep(Duration::from_millis(before)).await;
        watch.say(&named);
        let active = named.fault.inject(stage.lab()).await?;
        sleep(named.kept).await;
        active.end().await?;
        sleep(gap).await;
    }
    watch.never_mind();
    converged(watch).await
}

/// Each invariant is broken, one after the other.
async fn all_wrong(watch: &Watch<'_, '_>) -> Result<(), SiteError> {
    let site = watch.site;
    foreign(site).await?;
    site.renew(&[]).await?.succeeded()?;
    let deaf = FirstProcessStopped::of(Replica::in_slot(site.load_balancer().name(), 1));
    let deaf = deaf.inject(watch.stage.lab()).await?;
    watch.make_due().await?;
    let issued = until("another certificate", TO_CONVERGE, async || {
        watch.no_longer_due();
        let due = watch.due.borrow().is_some();
        if due { Err("it is due") } else { Ok(()) }
    });
    issued.await?;
    let ended = converged(watch).await;
    deaf.end().await?;
    ended
}

/// Every replica that should be is there, and serves what is published.
async fn converged(watch: &Watch<'_, '_>) -> Result<(), SiteError> {
    let _step = watch.stage.step("after the last fault, all converge");
    let begun = Instant::now();
    let what = "every replica serve what is published";
    let patience = watch.stage.patience(TO_CONVERGE, CONTROLS);
    until(what, patience, async || {
        let published = watch.site.published().map_err(|error| error.to_string())?;
        let served = watch.site.served().await?;
        let behind = served.iter().find(|serves| serves.fingerprint != published);
        behind.map_or(Ok(()), |behind| {
            Err(format!("{published} is published, and {behind:?}"))
        })
    })
    .await?;
    let took = begun.elapsed().as_secs_f64();
    watch
        .stage
        .figure("from the last fault to all well", took, "s");
    Ok(())
}

/// A pair that nobody signed is where the certificate is, for as long as it takes
/// to be seen.
async fn foreign(site: &Site<'_>) -> Result<(), SiteError> {
    let own = rcgen::generate_simple_self_signed([site.options().domain.clone()])
        .map_err(crate::lab::LabError::from)?;
    let files = site.lab().volume().certificates();
    let (chain, key) = (
        site.live_file("fullchain.pem")?,
        site.live_file("privkey.pem")?,
    );
    let (right_chain, right_key) = (files.read(&chain)?, files.read(&key)?);
    files.write(&chain, own.cert.pem())?;
    files.write(&key, own.signing_key.serialize_pem())?;
    told(site).await?;
    // Also longer than a second, by which nginx tells that a file has changed.
    sleep(LOOK * 6).await;
    files.write(&chain, right_chain)?;
    files.write(&key, right_key)?;
    told(site).await
}

/// Every replica reads its files again.
async fn told(site: &Site<'_>) -> Result<(), SiteError> {
    for replica in site.load_balancer().running().await? {
        replica.kill("HUP").await?;
    }
    Ok(())
}

/// Looks at every node all the time, whatever is broken.
struct Watch<'stage, 'lab> {
    stage: &'stage Stage<'lab>,
    site: &'stage Site<'lab>,
    roots: probe::Roots,
    /// What the authority had done before.
    done: Option<Done>,
    /// How often a renewal was due.
    renewals: Cell<usize>,
    /// The certificate is due, and was at that version.
    due: RefCell<Option<(u32, Due)>>,
    /// What was said already: a certificate that is wrong is one finding.
    said: RefCell<BTreeSet<String>>,
}

impl Watch<'_, '_> {
    /// Tells which fault comes next: the same seed tells the same.
    fn say(&self, named: &Named) {
        let text = format!("{} for {:?}", named.fault, named.kept);
        tracing::info!(seed = self.stage.parameters().seed, "{text}");
        self.stage.lab().journal().log(LogLine {
            at: crate::clock::now(),
            source: "chaos".to_owned(),
            text,
        });
    }

    async fn look_on(&self) -> std::convert::Infallible {
        loop {
            for node in self.stage.lab().nodes() {
                self.look_at(node).await;
            }
            self.nothing_twice().await;
            self.no_longer_due();
            sleep(LOOK).await;
        }
    }

    async fn look_at(&self, node: &crate::lab::Node) {
        let domain = &self.site.options().domain;
        let served = probe::probe(
            crate::site::https(node.address().into()),
            domain,
            &self.roots,
        )
        .await;
        if let Err(Unseen::NotTrusted(why)) = &served {
            let text = format!("{} serves what nobody should trust: {why}", node.name());
            self.found_once(Kind::Foreign, text);
        }
        self.stage.lab().journal().sighting(Sighting {
            at: crate::clock::now(),
            node: node.name().to_owned(),
            task: None,
            served: served.map_err(|unseen| unseen.to_string()),
        });
    }

    fn found_once(&self, kind: Kind, text: String) {
        if self.said.borrow_mut().insert(text.clone()) {
            self.stage.found(kind, text);
        }
    }

    /// What the authority has done since.
    async fn since(&self) -> Result<Option<Done>, SiteError> {
        let (Some(before), Some(now)) = (self.done, done(self.stage.lab()).await?) else {
            return Ok(None);
        };
        Ok(Some(Done {
            orders: now.orders.saturating_sub(before.orders),
            certificates: now.certificates.saturating_sub(before.certificates),
        }))
    }

    /// By the authority's own word, so that one counts that was thrown away too. An
    /// order alone is no such thing: of one whose answer was lost nobody knows.
    async fn nothing_twice(&self) {
        // While the engine is busy it may not tell; it does later.
        let Ok(Some(since)) = self.since().await else {
            return;
        };
        let (issued, due) = (since.certificates, self.renewals.get());
        if issued > due {
            let text = format!("expected {due} new certificates at most, found {issued}");
            self.found_once(Kind::OrderedTwice, text);
        }
    }

    async fn figures(&self) -> Result<(), SiteError> {
        let mut figures = vec![("renewals that were due", self.renewals.get())];
        if let Some(since) = self.since().await? {
            figures.push(("orders at the authority", since.orders));
            figures.push(("certificates issued", since.certificates));
        }
        for (name, value) in figures {
            self.stage.figure(name, value as f64, "");
        }
        Ok(())
    }

    /// Makes the certificate due until another is issued, unless it still is.
    async fn make_due(&self) -> Result<(), SiteError> {
        self.no_longer_due();
        if self.due.borrow().is_some() {
            return Ok(());
        }
        let version = self.site.versions()?;
        self.renewals.update(|renewals| renewals + 1);
        let due = self.site.make_due().await?;
        *self.due.borrow_mut() = Some((version, due));
        Ok(())
    }

    fn no_longer_due(&self) {
        let issued = |(version, _): &mut (u32, Due)| {
            self.site.versions().is_ok_and(|newest| newest > *version)
        };
        drop(self.due.borrow_mut().take_if(issued));
    }

    fn never_mind(&self) {
        drop(self.due.take());
    }
}
