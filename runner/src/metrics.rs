//! What monitoring asks for: how all stood at the daemon's last look, as OpenMetrics.
//!
//! Each page is made anew from one look, so nothing is told of what is no longer there,
//! and nothing by who does not look: a standby says only that it is one.

use std::collections::BTreeMap;
use std::fmt::{Debug, Error};
use std::hash::Hash;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry, Unit};
use tokio::net::TcpListener;

use crate::decide::{
    Attempted, Memory, Plan, Problem, Standing, standings, target_in_step, waiting,
};
use crate::model::Leaf;
use crate::observe::{CertificateView, Snapshot, TargetView};
use crate::serve::{Answer, bound, serve};

const PATH: &str = "/metrics";
/// Of OpenMetrics 1.0.
const FORM: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

/// The page that is given to who asks.
#[derive(Clone, Debug)]
pub(crate) struct Metrics(Arc<Mutex<String>>);

/// What a page is made from.
pub(crate) struct Looked<'a> {
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) plan: &'a Plan,
    pub(crate) memory: &'a Memory,
    pub(crate) at: Timestamp,
}

impl Metrics {
    /// A socket at that address, and the page of one that has not looked yet.
    ///
    /// # Errors
    /// When nobody can listen there.
    pub(crate) async fn listen(address: SocketAddr) -> io::Result<(Self, TcpListener)> {
        let metrics = Self(Arc::default());
        metrics.stands_by();
        Ok((metrics, bound(address).await?))
    }

    /// Answers who asks, for ever.
    pub(crate) async fn serve(&self, listener: TcpListener) {
        let metrics = self.clone();
        serve(listener, "metrics", move |request| metrics.answer(request)).await;
    }

    /// Shows what was seen, and what is to be done about it.
    pub(crate) fn looked(&self, looked: &Looked<'_>) {
        self.show(looked.page());
    }

    /// Shows no more than that another runner may act.
    pub(crate) fn stands_by(&self) {
        let mut page = Page::default();
        page.leads(false);
        self.show(page.text());
    }

    fn show(&self, page: Result<String, Error>) {
        // Writing to a string cannot fail.
        if let Ok(page) = page {
            *self.page() = page;
        }
    }

    fn page(&self) -> MutexGuard<'_, String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer<B>(&self, request: &Request<B>) -> Answer {
        let (status, body) = match (request.uri().path(), request.method()) {
            (PATH, &Method::GET) => (StatusCode::OK, self.page().clone()),
            (PATH, _) => (StatusCode::METHOD_NOT_ALLOWED, String::new()),
            _ => (StatusCode::NOT_FOUND, format!("metrics are at {PATH}\n")),
        };
        let mut answer = Response::new(Full::new(Bytes::from(body)));
        *answer.status_mut() = status;
        if status == StatusCode::OK {
            answer.headers_mut().insert(CONTENT_TYPE, FORM);
        }
        answer
    }
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfCertificate {
    certificate: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfTarget {
    target: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, PartialOrd, Ord, EncodeLabelSet)]
struct OfBoth {
    target: String,
    certificate: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, PartialOrd, Ord, EncodeLabelSet)]
struct OfStanding {
    target: String,
    certificate: String,
    standing: &'static str,
}

/// Metrics that are being written down.
struct Page(Registry);

impl Default for Page {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("rollover");
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The runner that answers", version);
        Self(registry)
    }
}

impl Page {
    fn leads(&mut self, leads: bool) {
        let help = "Whether this runner holds the lease, and so acts and tells the rest";
        self.single("leads", help, None, i64::from(leads));
    }

    fn single(&mut self, name: &str, help: &str, unit: Option<Unit>, value: i64) {
        let gauge = Gauge::<i64>::default();
        gauge.set(value);
        self.add(name, help, unit, gauge);
    }

    fn each<L>(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<Unit>,
        values: impl IntoIterator<Item = (L, i64)>,
    ) where
        L: EncodeLabelSet + Clone + Debug + Hash + Eq + Send + Sync + 'static,
    {
        let family = Family::<L, Gauge>::default();
        for (labels, value) in values {
            family.get_or_create(&labels).set(value);
        }
        self.add(name, help, unit, family);
    }

    fn add(&mut self, name: &str, help: &str, unit: Option<Unit>, metric: impl Metric) {
        match unit {
            Some(unit) => self.0.register_with_unit(name, help, unit, metric),
            None => self.0.register(name, help, metric),
        }
    }

    fn text(&self) -> Result<String, Error> {
        let mut text = String::new();
        encode(&mut text, &self.0)?;
        Ok(text)
    }
}

impl Looked<'_> {
    fn page(&self) -> Result<String, Error> {
        let mut page = Page::default();
        page.leads(true);
        page.single(
            "looked_timestamp",
            "When all was looked at last",
            Some(Unit::Seconds),
            self.at.as_second(),
        );
        page.single(
            "problems",
            "What a person may have to do something about; `rollover plan` names it",
            None,
            count(self.plan.problems.len()),
        );
        self.certificates(&mut page);
        self.targets(&mut page);
        page.text()
    }

    fn certificates(&self, page: &mut Page) {
        let (snapshot, memory) = (self.snapshot, self.memory);
        let all = || {
            let named = |name: &dyn ToString| OfCertificate {
                certificate: name.to_string(),
            };
            let certificates = snapshot.certificates.iter();
            certificates.map(move |(name, view)| (named(name), name, view))
        };
        let leaves = || all().filter_map(|(of, _, view)| Some((of, view.published.leaf()?)));
        page.each(
            "certificate_not_before_timestamp",
            "From when what is published is valid",
            Some(Unit::Seconds),
            leaves().map(|(of, leaf)| (of, leaf.not_before.as_second())),
        );
        page.each(
            "certificate_not_after_timestamp",
            "Until when what is published is valid",
            Some(Unit::Seconds),
            leaves().map(|(of, leaf)| (of, leaf.not_after.as_second())),
        );
        let real =
            |view: &CertificateView| view.published.leaf().is_some_and(|leaf| !leaf.placeholder);
        page.each(
            "certificate_published",
            "Whether a whole pair is published that is no placeholder",
            None,
            all().map(|(of, _, view)| (of, i64::from(real(view)))),
        );
        page.each(
            "certificate_failing",
            "Whether the last attempt to obtain it failed",
            None,
            all().map(|(of, name, _)| {
                let attempted = Attempted::Certificate(name.clone());
                (of, i64::from(memory.why(&attempted).is_some()))
            }),
        );
        page.each(
            "certificate_held_back",
            "Whether a newer one waits to be tried again, because no replica came to serve it",
            None,
            all().map(|(of, name, _)| {
                let held_back = waiting(snapshot, name, memory, self.at);
                (of, i64::from(held_back.is_some()))
            }),
        );
    }

    fn targets(&self, page: &mut Page) {
        let targets = || {
            let named = |view: &TargetView| OfTarget {
                target: view.target.name.clone(),
            };
            let targets = self.snapshot.targets.iter();
            targets.map(move |view| (named(view), view))
        };
        page.each(
            "target_in_step",
            "Whether every replica that is wanted was seen to serve what is published",
            None,
            targets().map(|(of, view)| {
                let in_step = target_in_step(self.snapshot, view, self.at);
                (of, i64::from(in_step))
            }),
        );
        page.each(
            "target_replicas_wanted",
            "How many replicas swarm is to keep; none told where it is one for each node",
            None,
            targets()
                .filter_map(|(of, view)| Some((of, i64::try_from(view.target.desired?).ok()?))),
        );
        page.each(
            "target_rollout_failed",
            "Whether a rollout that failed waits to be tried again",
            None,
            targets().map(|(of, view)| (of, i64::from(self.rollout_failed(view)))),
        );
        let of_replicas = "How many replicas serve what is published, or do not";
        page.each("replicas", of_replicas, None, self.replicas());
        let first = self.first_to_expire();
        let dates = |date: fn(&Leaf) -> Timestamp| {
            let first = first.iter();
            first.map(move |(of, leaf)| (of.clone(), date(leaf).as_second()))
        };
        page.each(
            "served_not_after_timestamp",
            "When the first certificate expires of those that replicas were seen to serve",
            Some(Unit::Seconds),
            dates(|leaf| leaf.not_after),
        );
        page.each(
            "served_not_before_timestamp",
            "From when that one is valid",
            Some(Unit::Seconds),
            dates(|leaf| leaf.not_before),
        );
    }

    fn rollout_failed(&self, view: &TargetView) -> bool {
        self.plan.problems.iter().any(|problem| {
            matches!(problem, Problem::RolloutHeld { target, .. } if *target == view.target.name)
        })
    }

    /// How many there are of each standing, zeroes too: what is not told cannot be told
    /// from what is not there.
    fn replicas(&self) -> BTreeMap<OfStanding, i64> {
        let mut replicas = BTreeMap::new();
        for view in &self.snapshot.targets {
            let of = |certificate: &dyn ToString, standing| OfStanding {
                target: view.target.name.clone(),
                certificate: certificate.to_string(),
                standing,
            };
            for wanted in &view.target.certificates {
                for standing in Standing::NAMES {
                    replicas.insert(of(&wanted.name, standing), 0);
                }
            }
            for (_, name, standing) in standings(self.snapshot, view, self.at) {
                *replicas.entry(of(name, standing.name())).or_default() += 1;
            }
        }
        replicas
    }

    fn first_to_expire(&self) -> BTreeMap<OfBoth, &Leaf> {
        let mut first = BTreeMap::new();
        for view in &self.snapshot.targets {
            let served = view.replicas.iter().flat_map(|replica| &replica.serving);
            for (name, leaf) in served.filter_map(|(name, it)| Some((name, it.leaf()?))) {
                let of = OfBoth {
                    target: view.target.name.clone(),
                    certificate: name.to_string(),
                };
                let first = first.entry(of).or_insert(leaf);
                if leaf.not_after < first.not_after {
                    *first = leaf;
                }
            }
        }
        first
    }
}

fn count(of: usize) -> i64 {
    i64::try_from(of).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::tests::{all, leaf, name, now, plan_of, world};
    use crate::model::{Published, Serving};

    /// What is told of a world, without what it means and in the order of its names: a
    /// family keeps none.
    fn told(snapshot: &Snapshot, memory: &Memory) -> String {
        let plan = plan_of(snapshot, memory);
        let looked = Looked {
            snapshot,
            plan: &plan,
            memory,
            at: now(),
        };
        sorted(&looked.page().unwrap())
    }

    fn sorted(page: &str) -> String {
        let mut lines: Vec<&str> = page.lines().filter(|it| !it.starts_with('#')).collect();
        lines.sort_unstable();
        lines.join("\n")
    }

    #[test]
    fn replicas_are_counted_by_what_they_were_seen_to_do() {
        let serving = [
            Serving::Leaf(leaf(2)),
            Serving::Leaf(leaf(1)),
            Serving::Unreachable("connect to 10.0.1.13:443: Connection refused".into()),
        ];
        let world = world(Published::Pair(leaf(2)), serving);
        insta::assert_snapshot!(told(&world, &Memory::default()), @r#"
        rollover_build_info{version="0.1.0"} 1
        rollover_certificate_failing{certificate="example.org"} 0
        rollover_certificate_held_back{certificate="example.org"} 0
        rollover_certificate_not_after_timestamp_seconds{certificate="example.org"} 1796558400
        rollover_certificate_not_before_timestamp_seconds{certificate="example.org"} 1787054400
        rollover_certificate_published{certificate="example.org"} 1
        rollover_leads 1
        rollover_looked_timestamp_seconds 1795521600
        rollover_problems 1
        rollover_replicas{target="patch_loadbalancer",certificate="example.org",standing="serving"} 1
        rollover_replicas{target="patch_loadbalancer",certificate="example.org",standing="stale"} 1
        rollover_replicas{target="patch_loadbalancer",certificate="example.org",standing="unreachable"} 1
        rollover_replicas{target="patch_loadbalancer",certificate="example.org",standing="wrong"} 0
        rollover_served_not_after_timestamp_seconds{target="patch_loadbalancer",certificate="example.org"} 1796472000
        rollover_served_not_before_timestamp_seconds{target="patch_loadbalancer",certificate="example.org"} 1786968000
        rollover_target_in_step{target="patch_loadbalancer"} 0
        rollover_target_replicas_wanted{target="patch_loadbalancer"} 3
        rollover_target_rollout_failed{target="patch_loadbalancer"} 0
        "#);
    }

    #[test]
    fn what_fails_is_told_and_what_is_missing_has_no_dates() {
        let world = world(Published::Missing, all(&leaf(1)));
        let mut memory = Memory::default();
        let attempted = Attempted::Certificate(name());
        memory.record(attempted, now(), Some("no answer".into()));
        insta::assert_snapshot!(told(&world, &memory), @r#"
        rollover_build_info{version="0.1.0"} 1
        rollover_certificate_failing{certificate="example.org"} 1
        rollover_certificate_held_back{certificate="example.org"} 0
        rollover_certificate_published{certificate="example.org"} 0
        rollover_leads 1
        rollover_looked_timestamp_seconds 1795521600
        rollover_problems 1
        rollover_replicas{target="patch_loadbalancer",certificate="example.org",standing="serving"} 0
        rollover_replicas{target="patch_loadbalancer",certificate="example.org",standing="stale"} 0
        rollover_replicas{target="patch_loadbalancer",certificate="example.org",standing="unreachable"} 0
        rollover_replicas{target="patch_loadbalancer",certificate="example.org",standing="wrong"} 3
        rollover_served_not_after_timestamp_seconds{target="patch_loadbalancer",certificate="example.org"} 1796472000
        rollover_served_not_before_timestamp_seconds{target="patch_loadbalancer",certificate="example.org"} 1786968000
        rollover_target_in_step{target="patch_loadbalancer"} 0
        rollover_target_replicas_wanted{target="patch_loadbalancer"} 3
        rollover_target_rollout_failed{target="patch_loadbalancer"} 0
        "#);
    }

    #[tokio::test]
    async fn who_asks_gets_the_last_page_and_nothing_of_an_earlier_one() {
        let any = "127.0.0.1:0".parse().unwrap();
        let (metrics, _listener) = Metrics::listen(any).await.unwrap();
        let page = || {
            let page = metrics.page().clone();
            sorted(&page)
        };
        let standby = page();
        insta::assert_snapshot!(standby, @r#"
        rollover_build_info{version="0.1.0"} 1
        rollover_leads 0
        "#);
        let world = world(Published::Pair(leaf(2)), all(&leaf(2)));
        let memory = Memory::default();
        metrics.looked(&Looked {
            snapshot: &world,
            plan: &plan_of(&world, &memory),
            memory: &memory,
            at: now(),
        });
        assert!(page().contains("rollover_target_in_step"));
        metrics.stands_by();
        assert_eq!(page(), standby);

        let asked = |method, path: &str| {
            let request = Request::builder().method(method).uri(path).body(());
            metrics.answer(&request.unwrap()).status().as_u16()
        };
        assert_eq!(asked(Method::GET, "/metrics"), 200);
        assert_eq!(asked(Method::POST, "/metrics"), 405);
        assert_eq!(asked(Method::GET, "/"), 404);
    }
}
