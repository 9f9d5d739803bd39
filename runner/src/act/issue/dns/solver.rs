//! The way of the records that answer challenges.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tracing::{debug, warn};

use super::error::{DnsError, DnsErrorClass};
use super::httpreq::Httpreq;
use super::message::{Change, Name};
use super::record::{Proof, Record};
use super::resolver::{Resolver, Server};
use super::rfc2136::{Rfc2136, name};
use super::servers::lacking;
use crate::act::wait::{Seen, until};
use crate::config::{DnsSettings, ProviderSettings};

/// RFC 8555, section 8.4.
const LABEL: &str = "_acme-challenge";
const INTERVAL: Duration = Duration::from_secs(1);
/// All of the removal. The certificate does not wait longer for it.
const REMOVAL: Duration = Duration::from_secs(30);

/// What answers challenges by records.
pub(crate) struct Solver {
    provider: Provider,
    resolver: Resolver,
    timeout: Duration,
    port: u16,
}

enum Provider {
    Rfc2136(Rfc2136),
    Httpreq(Httpreq),
}

/// The records that were written, or may have been.
#[derive(Debug, Default)]
#[must_use = "they stay until they are removed"]
pub(crate) struct Written(Vec<Record>);

impl Solver {
    /// # Errors
    /// When no provider is set, or something that it needs is missing.
    pub(crate) fn new(settings: &DnsSettings) -> Result<Self, DnsError> {
        let provider = match settings.provider()? {
            None => return Err(DnsError::NoProvider),
            Some(ProviderSettings::Rfc2136(it)) => Provider::Rfc2136(Rfc2136::new(it)?),
            Some(ProviderSettings::Httpreq(it)) => Provider::Httpreq(Httpreq::new(it)),
        };
        Ok(Self {
            provider,
            resolver: Resolver::new(settings.resolvers()?)?,
            timeout: settings.timeout,
            port: settings.port,
        })
    }

    /// Writes a record for each proof, and waits until every server of their zones
    /// shows all of them, but no longer than `limit`.
    ///
    /// Guarantees: other records of the same name are left alone, so that what a
    /// crash left, or another order needs, is in nobody's way. What may have been
    /// written is in `written`, also on failure.
    pub(crate) async fn present(
        &self,
        proofs: Vec<Proof>,
        written: &mut Written,
        limit: Duration,
    ) -> Result<(), DnsError> {
        for proof in proofs {
            let record = self.locate(proof).await?;
            debug!(name = %record.name, zone = %record.zone, "writing a record");
            written.0.push(record.clone());
            let result = self.change(&record, Change::Add).await;
            // Then there is nothing to remove.
            if result.as_ref().is_err_and(is_refused) {
                written.0.pop();
            }
            result?;
        }
        self.until_seen(&written.0, limit.min(self.timeout)).await
    }

    /// Removes what was written. What stays is told, and does no harm.
    pub(crate) async fn remove(&self, written: Written) {
        let end = Instant::now() + REMOVAL;
        for record in &written.0 {
            let removed = timeout_at(end, self.change(record, Change::Remove)).await;
            let why = match removed {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => error.to_string(),
                Err(_) => format!("not within {} s", REMOVAL.as_secs()),
            };
            let Record { name, proof, .. } = record;
            warn!("the TXT record {name} with {:?} stays: {why}", proof.value);
        }
    }

    async fn locate(&self, proof: Proof) -> Result<Record, DnsError> {
        let asked = name(&format!("{LABEL}.{}", proof.domain))?;
        let name = self.resolver.behind_aliases(&asked).await?;
        let zone = match &self.provider {
            Provider::Rfc2136(Rfc2136 {
                zone: Some(zone), ..
            }) => zone.clone(),
            _ => self.resolver.zone_of(&name).await?,
        };
        if !name.ends_with(&zone) {
            return Err(DnsError::OtherZone { zone, name });
        }
        Ok(Record { proof, name, zone })
    }

    async fn change(&self, record: &Record, change: Change) -> Result<(), DnsError> {
        match &self.provider {
            Provider::Rfc2136(server) => server.change(record, change).await,
            Provider::Httpreq(hook) => hook.change(record, change).await,
        }
    }

    /// An authority asks any of the servers, and from several places: so all of
    /// them have to show it.
    async fn until_seen(&self, records: &[Record], deadline: Duration) -> Result<(), DnsError> {
        let mut zones: BTreeMap<&Name, Vec<Server>> = BTreeMap::new();
        let mut values: BTreeMap<(&Name, &Name), Vec<&str>> = BTreeMap::new();
        for Record { proof, name, zone } in records {
            if !zones.contains_key(zone) {
                zones.insert(zone, self.resolver.servers_of(zone).await?);
            }
            values.entry((zone, name)).or_default().push(&proof.value);
        }
        for ((zone, name), values) in values {
            let servers = zones.get(zone).map(Vec::as_slice).unwrap_or_default();
            let what = format!("all servers of the zone {zone} show the new record {name}");
            until(what, deadline, INTERVAL, async || {
                match lacking(servers, self.port, name, &values).await {
                    none if none.is_empty() => Seen::Done(()),
                    some => Seen::NotYet(some.join("; ")),
                }
            })
            .await?;
        }
        Ok(())
    }
}

fn is_refused(error: &DnsError) -> bool {
    error.class() == DnsErrorClass::Refused
}
