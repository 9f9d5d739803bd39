//! Ports that two services want.

use super::convert::{Around, Published, published};
use super::service::WrongIn;
use crate::gate::stack::{Entry, Wrong};

/// Who publishes a port.
struct Holder<'a> {
    service: &'a str,
    published: Published,
}

/// What a swarm refuses of the ports, or may (swarmkit,
/// `manager/controlapi/service.go`, `checkPortConflicts`).
pub(super) fn refused_ports(old: &Around<'_>, new: &Around<'_>) -> Result<Vec<String>, WrongIn> {
    let before = old.stack.services().map_err(WrongIn::Old)?;
    let after = new.stack.services().map_err(WrongIn::New)?;
    let wanted = holders(after).map_err(WrongIn::New)?;
    let held = holders(before).map_err(WrongIn::Old)?;
    let mut refused = Vec::new();
    for (index, one) in wanted.iter().enumerate() {
        let twice = wanted[..index].iter().filter(|it| clash(it, one));
        refused.extend(twice.map(|other| {
            let (service, other) = (one.service, other.service);
            format!(
                "service {service}: {} is published by {other} too",
                port(one)
            )
        }));
        let is_held = |it: &&Holder<'_>| clash(it, one) && !wanted.iter().any(|now| same(it, now));
        let held = held.iter().filter(is_held);
        refused.extend(held.map(|other| still_held(one, other, after)));
    }
    Ok(refused)
}

fn still_held(one: &Holder<'_>, other: &Holder<'_>, after: &[Entry]) -> String {
    let (service, holder) = (one.service, other.service);
    let port = port(one);
    if after.iter().any(|it| it.key == holder) {
        format!(
            "service {service}: {port} is given up by {holder} in the same deploy, which updates \
             services in no certain order: it fails if {service} comes first"
        )
    } else {
        format!("service {service}: {port} is published by {holder}, which is left as it is")
    }
}

fn holders(services: &[Entry]) -> Result<Vec<Holder<'_>>, Wrong> {
    let mut holders = Vec::new();
    for service in services {
        let published = published(&service.node)?.into_iter();
        // One that swarm draws is free.
        let fixed = published.filter(|it| it.port != "0");
        holders.extend(fixed.map(|published| Holder {
            service: &service.key,
            published,
        }));
    }
    Ok(holders)
}

/// Two services can have one port only if both have it on each node by itself.
fn clash(one: &Holder<'_>, other: &Holder<'_>) -> bool {
    let (one_has, other_has) = (&one.published, &other.published);
    one.service != other.service
        && one_has.port == other_has.port
        && one_has.protocol == other_has.protocol
        && (one_has.is_ingress() || other_has.is_ingress())
}

fn same(before: &Holder<'_>, now: &Holder<'_>) -> bool {
    before.service == now.service && before.published == now.published
}

fn port(holder: &Holder<'_>) -> String {
    let Published { port, protocol, .. } = &holder.published;
    format!("port {port}/{protocol}")
}
