//! The network that a lab's containers share.

use std::{fs, net::Ipv4Addr};

use bollard::{
    models::{Ipam, IpamConfig, NetworkCreateRequest},
    query_parameters::ListNetworksOptions,
};

use super::{Engine, LabError, error::Doing, owner::Owner};

/// A block of IPv4 addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Subnet {
    address: Ipv4Addr,
    prefix: u8,
}

impl Subnet {
    /// The block of `address` with that many leading bits.
    pub(crate) fn new(address: Ipv4Addr, prefix: u8) -> Self {
        Self { address, prefix }
    }

    /// Reads `172.28.0.0/24`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/')?;
        let prefix = prefix.parse().ok().filter(|&prefix| prefix <= 32)?;
        Some(Self::new(address.parse().ok()?, prefix))
    }

    fn overlaps(self, other: Self) -> bool {
        let shorter = self.prefix.min(other.prefix);
        let mask = u32::MAX.checked_shl(32 - u32::from(shorter)).unwrap_or(0);
        u32::from(self.address) & mask == u32::from(other.address) & mask
    }
}

/// Where each container of a lab lives: fixed, so that one that is stopped and
/// started again is found where it was.
#[derive(Debug, Clone)]
pub(crate) struct LabNetwork {
    pub(crate) name: String,
    third: u8,
}

impl LabNetwork {
    fn address(&self, last: u8) -> Ipv4Addr {
        Ipv4Addr::new(172, 28, self.third, last)
    }

    pub(crate) fn registry(&self) -> Ipv4Addr {
        self.address(2)
    }

    pub(crate) fn acme(&self) -> Ipv4Addr {
        self.address(3)
    }

    pub(crate) fn challenge_server(&self) -> Ipv4Addr {
        self.address(4)
    }

    /// The address of the node with that number, from 1.
    pub(crate) fn node(&self, number: u8) -> Ipv4Addr {
        self.address(10 + number)
    }
}

/// The subnets that a lab may take, those first that nobody seems to use.
fn free_subnets(taken: &[Subnet]) -> impl Iterator<Item = u8> {
    (0..=u8::MAX).filter(|&third| {
        let candidate = Subnet::new(Ipv4Addr::new(172, 28, third, 0), 24);
        !taken.iter().any(|taken| taken.overlaps(candidate))
    })
}

/// Makes the lab's network in the first subnet that is free.
pub(crate) async fn create(engine: &Engine, owner: &Owner) -> Result<LabNetwork, LabError> {
    let name = format!("rollover-lab-{}", owner.run);
    let mut taken = subnets_of_engine(engine).await?;
    taken.extend(routes_of_host());
    for third in free_subnets(&taken) {
        let request = request(&name, third, owner);
        match engine.docker().create_network(request).await {
            Ok(_) => return Ok(LabNetwork { name, third }),
            // Another lab was quicker.
            Err(error) if is_overlap(&error) => {}
            Err(error) => return Err(error).doing(|| format!("create the network {name}")),
        }
    }
    Err(LabError::NoSubnet)
}

fn request(name: &str, third: u8, owner: &Owner) -> NetworkCreateRequest {
    let config = IpamConfig {
        subnet: Some(format!("172.28.{third}.0/24")),
        gateway: Some(format!("172.28.{third}.1")),
        // What the engine gives by itself stays out of the lab's fixed addresses.
        ip_range: Some(format!("172.28.{third}.128/25")),
        ..Default::default()
    };
    NetworkCreateRequest {
        name: name.to_owned(),
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
        .filter_map(|config| Subnet::parse(&config.subnet?))
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
        texts
            .iter()
            .map(|text| Subnet::parse(text).unwrap())
            .collect()
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
        let free: Vec<u8> = free_subnets(&taken).take(2).collect();
        assert_eq!(free, [2, 4]);
        assert_eq!(free_subnets(&subnets(&["172.16.0.0/12"])).count(), 0);
    }

    #[test]
    fn reads_the_kernels_routes_but_for_the_default() {
        let table = "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n\
                     eth0 00000000 01020A0A 0003 0 0 0 00000000 0 0 0\n\
                     br0 00001CAC 00000000 0001 0 0 0 0000FFFF 0 0 0\n";
        assert_eq!(parse_routes(table), subnets(&["172.28.0.0/16"]));
    }
}
