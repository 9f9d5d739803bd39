//! The network that a lab's containers share.

use std::{fmt, fs, net::Ipv4Addr, str::FromStr};

use bollard::{
    models::{Ipam, IpamConfig, NetworkCreateRequest},
    query_parameters::ListNetworksOptions,
};

use super::{Engine, LabError, error::Doing, owner::Owner};

/// Where labs take their subnets from, unless this variable says otherwise.
const RANGE: &str = "172.28.0.0/16";
const RANGE_VARIABLE: &str = "ROLLOVER_LAB_NETWORK";
/// A lab's own part of it.
const PREFIX: u8 = 24;

/// A block of IPv4 addresses, such as `172.28.0.0/24`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subnet {
    address: Ipv4Addr,
    prefix: u8,
}

/// What is no subnet, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no subnet: expected an address and the bits that count, such as 10.99.0.0/16")]
pub struct NoSubnet {
    text: String,
}

impl Subnet {
    /// The block of `address` with that many leading bits, 32 at most.
    #[must_use]
    pub fn new(address: Ipv4Addr, prefix: u8) -> Self {
        let prefix = prefix.min(32);
        Self {
            address: (u32::from(address) & mask(prefix)).into(),
            prefix,
        }
    }

    fn overlaps(self, other: Self) -> bool {
        let mask = mask(self.prefix.min(other.prefix));
        u32::from(self.address) & mask == u32::from(other.address) & mask
    }

    /// The parts of it that have room for one lab each.
    fn parts(self) -> impl Iterator<Item = Self> {
        let count = 1_u32 << PREFIX.saturating_sub(self.prefix).min(16);
        let first = u32::from(self.address);
        (0..count).map(move |number| {
            let address = Ipv4Addr::from(first + (number << (32 - PREFIX)));
            Self::new(address, PREFIX)
        })
    }

    /// The address that has this last number.
    fn host(self, last: u8) -> Ipv4Addr {
        (u32::from(self.address) + u32::from(last)).into()
    }
}

fn mask(prefix: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0)
}

impl FromStr for Subnet {
    type Err = NoSubnet;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (address, prefix) = text.split_once('/')?;
            let prefix = prefix.parse().ok().filter(|&prefix| prefix <= 32)?;
            Some(Self::new(address.parse().ok()?, prefix))
        };
        parse().ok_or_else(|| NoSubnet {
            text: text.to_owned(),
        })
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// Where each container of a lab lives: fixed, so that one that is stopped and
/// started again is found where it was.
#[derive(Debug, Clone)]
pub(crate) struct LabNetwork {
    pub(crate) name: String,
    pub(crate) subnet: Subnet,
}

impl LabNetwork {
    /// The network of that run, which is up.
    pub(crate) fn of(owner: &Owner, subnet: Subnet) -> Self {
        let name = format!("rollover-lab-{}", owner.run);
        Self { name, subnet }
    }

    /// This machine's own.
    pub(crate) fn gateway(&self) -> Ipv4Addr {
        self.subnet.host(1)
    }

    pub(crate) fn registry(&self) -> Ipv4Addr {
        self.subnet.host(2)
    }

    pub(crate) fn acme(&self) -> Ipv4Addr {
        self.subnet.host(3)
    }

    pub(crate) fn challenge_server(&self) -> Ipv4Addr {
        self.subnet.host(4)
    }

    /// The address of the client with that number, from 1: above those of nodes.
    pub(crate) fn client(&self, number: u8) -> Ipv4Addr {
        self.subnet.host(110 + number)
    }

    /// The address of the node with that number, from 1.
    pub(crate) fn node(&self, number: u8) -> Ipv4Addr {
        self.subnet.host(10 + number)
    }
}

/// The parts of `range` that nobody seems to use.
fn free_subnets(range: Subnet, taken: &[Subnet]) -> impl Iterator<Item = Subnet> {
    range
        .parts()
        .filter(|part| !taken.iter().any(|taken| taken.overlaps(*part)))
}

/// Where labs of this machine take their subnets from.
fn range() -> Result<Subnet, LabError> {
    let said = std::env::var(RANGE_VARIABLE).ok();
    let said = said.as_deref().filter(|range| !range.is_empty());
    Ok(said.unwrap_or(RANGE).parse()?)
}

/// How many more labs find a subnet.
pub(crate) async fn room(engine: &Engine) -> Result<usize, LabError> {
    Ok(free_subnets(range()?, &taken(engine).await?).count())
}

/// Makes the lab's network in the first free part of `wanted`, or else of the
/// range of all labs.
pub(crate) async fn create(
    engine: &Engine,
    owner: &Owner,
    wanted: Option<Subnet>,
) -> Result<LabNetwork, LabError> {
    let range = match wanted {
        Some(range) => range,
        None => range()?,
    };
    for subnet in free_subnets(range, &taken(engine).await?) {
        let network = LabNetwork::of(owner, subnet);
        let request = request(&network, owner);
        match engine.docker().create_network(request).await {
            Ok(_) => return Ok(network),
            // Another lab was quicker.
            Err(error) if is_overlap(&error) => {}
            Err(error) => {
                return Err(error).doing(|| format!("create the network {}", network.name));
            }
        }
    }
    Err(LabError::NoRoom { range })
}

fn request(network: &LabNetwork, owner: &Owner) -> NetworkCreateRequest {
    let subnet = network.subnet;
    let config = IpamConfig {
        subnet: Some(subnet.to_string()),
        gateway: Some(subnet.host(1).to_string()),
        // What the engine gives by itself stays out of the lab's fixed addresses.
        ip_range: Some(Subnet::new(subnet.host(128), PREFIX + 1).to_string()),
        ..Default::default()
    };
    NetworkCreateRequest {
        name: network.name.clone(),
        driver: Some("bridge".to_owned()),
        ipam: Some(Ipam {
            config: Some(vec![config]),
            ..Default::default()
        }),
        labels: Some(owner.labels()),
        ..Default::default()
    }
}

fn is_overlap(error: &bollard::errors::Error) -> bool {
    // The engine has no code for it: 403 in 20.10, 400 and 500 in others.
    matches!(
        error,
        bollard::errors::Error::DockerResponseServerError { message, .. } if message.contains("overlap")
    )
}

/// What the engine and this machine use already.
async fn taken(engine: &Engine) -> Result<Vec<Subnet>, LabError> {
    let mut taken = subnets_of_engine(engine).await?;
    taken.extend(routes_of_host());
    Ok(taken)
}

async fn subnets_of_engine(engine: &Engine) -> Result<Vec<Subnet>, LabError> {
    let networks = engine
        .docker()
        .list_networks(None::<ListNetworksOptions>)
        .await
        .doing(|| "list the engine's networks".to_owned())?;
    Ok(networks
        .into_iter()
        .filter_map(|network| network.ipam?.config)
        .flatten()
        .filter_map(|config| config.subnet?.parse().ok())
        .collect())
}

/// What this machine already has a route to (a company's network, a VPN).
fn routes_of_host() -> Vec<Subnet> {
    fs::read_to_string("/proc/net/route")
        .map(|table| parse_routes(&table))
        .unwrap_or_default()
}

fn parse_routes(table: &str) -> Vec<Subnet> {
    let little_endian = |field: &str| u32::from_str_radix(field, 16).ok().map(u32::swap_bytes);
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let address = little_endian(fields.get(1)?)?;
            let mask = little_endian(fields.get(7)?)?;
            // The default route is a route to everything.
            (mask != 0).then(|| {
                Subnet::new(
                    address.into(),
                    u8::try_from(mask.count_ones()).unwrap_or(32),
                )
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnets(texts: &[&str]) -> Vec<Subnet> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn overlap_is_judged_by_the_shorter_prefix() {
        let overlap = |one, other| {
            let [one, other] = subnets(&[one, other])[..] else {
                unreachable!()
            };
            one.overlaps(other)
        };
        assert!(overlap("172.28.3.0/24", "172.28.0.0/16"));
        assert!(overlap("172.16.0.0/12", "172.28.3.0/24"));
        assert!(overlap("0.0.0.0/0", "172.28.3.0/24"));
        assert!(!overlap("172.28.3.0/24", "172.28.4.0/24"));
    }

    #[test]
    fn takes_the_first_that_nobody_has() {
        let taken = subnets(&[
            "172.17.0.0/16",
            "172.28.0.0/24",
            "172.28.1.128/25",
            "172.28.3.7/32",
        ]);
        let range = RANGE.parse().unwrap();
        let free: Vec<Subnet> = free_subnets(range, &taken).take(2).collect();
        assert_eq!(free, subnets(&["172.28.2.0/24", "172.28.4.0/24"]));
        let all = subnets(&["172.16.0.0/12"]);
        assert_eq!(free_subnets(range, &all).count(), 0);
        assert_eq!(free_subnets(range, &[]).count(), 256);
    }

    #[test]
    fn a_range_of_one_lab_is_that_lab_s() {
        let parts: Vec<Subnet> = subnets(&["10.9.8.0/24"])[0].parts().collect();
        assert_eq!(parts, subnets(&["10.9.8.0/24"]));
        assert_eq!(parts[0].host(11), Ipv4Addr::new(10, 9, 8, 11));
    }

    #[test]
    fn what_is_no_subnet_is_named() {
        for text in ["10.0.0.0", "10.0.0/8", "10.0.0.0/33", ""] {
            let error = text.parse::<Subnet>().unwrap_err();
            assert!(error.to_string().contains(&format!("{text:?}")), "{error}");
        }
    }

    #[test]
    fn reads_the_kernels_routes_but_for_the_default() {
        let table = "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n\
                     eth0 00000000 01020A0A 0003 0 0 0 00000000 0 0 0\n\
                     br0 00001CAC 00000000 0001 0 0 0 0000FFFF 0 0 0\n";
        assert_eq!(parse_routes(table), subnets(&["172.28.0.0/16"]));
    }
}
