//! Where a record belongs, as a resolver tells.

use std::fs;
use std::net::{IpAddr, SocketAddr};

use domain::base::Rtype;
use domain::base::iana::Rcode;

use super::error::DnsError;
use super::exchange::ask;
use super::message::{Answer, Name, Question};

const SYSTEM: &str = "/etc/resolv.conf";
const PORT: u16 = 53;
/// More aliases than that are a circle.
const ALIASES: usize = 10;

/// The resolvers that are asked, each when the one before it does not answer.
#[derive(Clone, Debug)]
pub(super) struct Resolver(Vec<SocketAddr>);

/// A server of a zone.
#[derive(Clone, Debug)]
pub(super) struct Server {
    pub(super) name: Name,
    /// None: the resolver knows no address of it.
    pub(super) addresses: Vec<IpAddr>,
}

impl Resolver {
    /// Those that are given; those of the system if none are.
    pub(super) fn new(given: Vec<SocketAddr>) -> Result<Self, DnsError> {
        if !given.is_empty() {
            return Ok(Self(given));
        }
        let failed = |why: String| DnsError::NoResolver { why };
        let text = fs::read_to_string(SYSTEM);
        let text = text.map_err(|error| failed(format!("{SYSTEM}: {error}")))?;
        match of_the_system(&text) {
            none if none.is_empty() => Err(failed(format!("{SYSTEM} names none"))),
            found => Ok(Self(found)),
        }
    }

    /// Where the aliases of `name` lead to in the end: itself if it is none.
    pub(super) async fn behind_aliases(&self, name: &Name) -> Result<Name, DnsError> {
        let mut at = name.clone();
        for _ in 0..ALIASES {
            let (answer, _) = self.ask("the alias (CNAME)", &at, Rtype::CNAME).await?;
            match answer.alias(&at) {
                Some(next) => at = next,
                None => return Ok(at),
            }
        }
        Err(DnsError::EndlessAlias { name: name.clone() })
    }

    /// The nearest zone at or above `name`.
    pub(super) async fn zone_of(&self, name: &Name) -> Result<Name, DnsError> {
        let mut last = None;
        for above in name.iter_suffixes().filter(|it| !it.is_root()) {
            let above: Name = domain::base::ToName::to_name(&above);
            let (answer, resolver) = self.ask("the zone (SOA)", &above, Rtype::SOA).await?;
            if answer.has_soa(&above) {
                return Ok(above);
            }
            last = Some(resolver);
        }
        Err(match last {
            Some(resolver) => DnsError::NoZone {
                name: name.clone(),
                resolver,
            },
            None => DnsError::Name(name.to_string()),
        })
    }

    /// The servers of `zone`, with all their addresses.
    pub(super) async fn servers_of(&self, zone: &Name) -> Result<Vec<Server>, DnsError> {
        let (answer, resolver) = self.ask("the servers (NS)", zone, Rtype::NS).await?;
        let mut servers = Vec::new();
        for name in answer.servers(zone) {
            let addresses = self.addresses_of(&name).await?;
            servers.push(Server { name, addresses });
        }
        if servers.is_empty() {
            let zone = zone.clone();
            return Err(DnsError::NoServers { zone, resolver });
        }
        Ok(servers)
    }

    async fn addresses_of(&self, server: &Name) -> Result<Vec<IpAddr>, DnsError> {
        let mut addresses = Vec::new();
        for kind in [Rtype::A, Rtype::AAAA] {
            let (answer, _) = self.ask("an address", server, kind).await?;
            addresses.extend(answer.addresses());
        }
        Ok(addresses)
    }

    /// The answer, and who gave it. That there is no such name is one.
    async fn ask(
        &self,
        what: &'static str,
        name: &Name,
        kind: Rtype,
    ) -> Result<(Answer, SocketAddr), DnsError> {
        let question = Question {
            name,
            kind,
            recursive: true,
        };
        let mut why = Vec::new();
        for &resolver in &self.0 {
            let said = match ask(resolver, question).await {
                Ok(answer) => match answer.rcode() {
                    Rcode::NOERROR | Rcode::NXDOMAIN => return Ok((answer, resolver)),
                    rcode => rcode.to_string(),
                },
                Err(error) => error.to_string(),
            };
            why.push(format!("{resolver}: {said}"));
        }
        Err(DnsError::Lookup {
            what,
            name: name.clone(),
            why: why.join("; "),
        })
    }
}

/// The resolvers of resolv.conf(5). An interface after an address (`fe80::1%eth0`)
/// is not understood; such a line is passed over.
fn of_the_system(text: &str) -> Vec<SocketAddr> {
    let lines = text.lines().map(str::split_whitespace);
    let addresses = lines.filter_map(|mut words| match words.next() {
        Some("nameserver") => words.next()?.parse::<IpAddr>().ok(),
        _ => None,
    });
    addresses.map(|address| (address, PORT).into()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_s_resolvers_are_read() {
        let text = "# Docker's\nsearch example.org\nnameserver 127.0.0.11\nnameserver  2001:db8::53\n\
                    nameserver fe80::1%eth0\noptions ndots:0\n";
        let found: Vec<String> = of_the_system(text)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(found, ["127.0.0.11:53", "[2001:db8::53]:53"]);
        assert!(of_the_system("").is_empty());
    }
}
