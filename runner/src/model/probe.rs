//! How a replica is asked for its certificate.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The port on which each replica is probed, and what its server expects
/// before or within the handshake: `443`, `8443/h2`, `443/proxy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProbePort {
    pub(crate) port: u16,
    /// Only HTTP/2 is offered (ALPN), and has to be agreed on.
    pub(crate) h2: bool,
    /// The PROXY protocol's header comes first.
    pub(crate) proxy: bool,
}

impl FromStr for ProbePort {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.split('/');
        let port = parts.next().and_then(|port| port.parse().ok());
        let mut probe = Self {
            port: port.filter(|&port| port != 0).ok_or(())?,
            h2: false,
            proxy: false,
        };
        for part in parts {
            let option = match part {
                "h2" => &mut probe.h2,
                "proxy" => &mut probe.proxy,
                _ => return Err(()),
            };
            // A word that stands twice is a slip of the pen.
            if std::mem::replace(option, true) {
                return Err(());
            }
        }
        Ok(probe)
    }
}

/// An address at which the public reaches a target: `www.example.org:443`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct PublicAddress(String);

impl PublicAddress {
    /// As it was given.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PublicAddress {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (host, port) = text.rsplit_once(':').ok_or(())?;
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
        let port: u16 = port.parse().map_err(|_| ())?;
        // An IPv6 address is written in brackets, or its port could not be told.
        let colons_in_brackets = bare.len() + 2 == host.len() || !bare.contains(':');
        if port == 0 || bare.is_empty() || !bare.chars().all(plain) || !colons_in_brackets {
            return Err(());
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_may_name_what_the_server_expects() {
        let probe = |text: &str| text.parse::<ProbePort>();
        let told = |text: &str| {
            let ProbePort { port, h2, proxy } = probe(text).unwrap();
            (port, h2, proxy)
        };
        assert_eq!(told("443"), (443, false, false));
        assert_eq!(told("8443/h2"), (8443, true, false));
        assert_eq!(told("443/proxy"), (443, false, true));
        assert_eq!(told("443/proxy/h2"), (443, true, true));
        for text in [
            "",
            "0",
            "https",
            "70000",
            "443/",
            "443/h3",
            "443/h2/h2",
            "/h2",
        ] {
            assert!(probe(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_public_address_is_a_host_and_a_port() {
        for text in [
            "www.example.org:443",
            "patch_loadbalancer:443",
            "192.0.2.7:8443",
            "[2001:db8::7]:443",
        ] {
            assert_eq!(text.parse::<PublicAddress>().unwrap().as_str(), text);
        }
        for text in [
            "",
            ":443",
            "example.org",
            "example.org:0",
            "2001:db8::7:443",
            "a b:443",
            "https://example.org:443",
        ] {
            assert!(text.parse::<PublicAddress>().is_err(), "{text}");
        }
    }
}
