//! The settings of the challenge dns-01.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, ValueEnum};
use hyper::Uri;

use crate::model::parse_duration;

/// The port of DNS.
const PORT: u16 = 53;

/// What only the challenge dns-01 needs.
#[derive(Args, Clone, Debug)]
pub(crate) struct DnsSettings {
    /// Who writes the records of the challenge dns-01 (engine acme; docs/dns.md)
    #[arg(
        long = "dns-provider",
        env = "ROLLOVER_DNS_PROVIDER",
        value_enum,
        default_value = "none"
    )]
    pub(crate) provider: DnsProvider,

    /// The resolvers that are asked for the zone of a name and for its servers, as
    /// a comma list of ADDRESS[:PORT]. Default: those of /etc/resolv.conf
    #[arg(
        long = "dns-resolver",
        env = "ROLLOVER_DNS_RESOLVER",
        value_name = "ADDRESSES",
        default_value = ""
    )]
    resolvers: String,

    /// How long all servers of a zone may take until they show a record that was
    /// written; the order goes on when they do
    #[arg(id = "dns_timeout", long = "dns-timeout", env = "ROLLOVER_DNS_TIMEOUT",
          value_name = "DURATION", default_value = "2m", value_parser = parse_duration)]
    pub(crate) timeout: Duration,

    #[command(flatten)]
    rfc2136: Rfc2136Settings,

    #[command(flatten)]
    httpreq: HttpreqSettings,

    /// The port at which the servers of a zone are asked
    #[arg(long = "dns-port", env = "ROLLOVER_DNS_PORT", value_name = "PORT",
          hide = true, default_value_t = PORT)]
    pub(crate) port: u16,
}

/// Who writes records.
#[derive(Clone, Copy, Debug, ValueEnum, PartialEq, Eq)]
pub(crate) enum DnsProvider {
    /// Nobody
    None,
    /// The zone's primary server, by a dynamic update (RFC 2136)
    Rfc2136,
    /// A web hook, as lego's provider httpreq has it
    Httpreq,
}

#[derive(Args, Clone, Debug)]
struct Rfc2136Settings {
    /// The primary server of the zone, as HOST[:PORT] (provider rfc2136)
    #[arg(
        long = "rfc2136-nameserver",
        env = "ROLLOVER_RFC2136_NAMESERVER",
        value_name = "HOST",
        default_value = ""
    )]
    nameserver: String,

    /// The zone in which the records are written. Default: the nearest one at or
    /// above the record's name, as the resolver tells (provider rfc2136)
    #[arg(
        long = "rfc2136-zone",
        env = "ROLLOVER_RFC2136_ZONE",
        value_name = "ZONE",
        default_value = ""
    )]
    zone: String,

    /// The name of the TSIG key that signs updates; they are not signed without
    /// one (provider rfc2136)
    #[arg(
        long = "rfc2136-tsig-key",
        env = "ROLLOVER_RFC2136_TSIG_KEY",
        value_name = "NAME",
        default_value = ""
    )]
    tsig_key: String,

    /// The algorithm of the TSIG key (provider rfc2136)
    #[arg(
        long = "rfc2136-tsig-algorithm",
        env = "ROLLOVER_RFC2136_TSIG_ALGORITHM",
        value_name = "ALGORITHM",
        value_enum,
        default_value = "hmac-sha256"
    )]
    tsig_algorithm: TsigAlgorithm,

    /// A file, such as a secret, with the secret of the TSIG key as base64
    /// (provider rfc2136)
    #[arg(
        long = "rfc2136-tsig-secret-file",
        env = "ROLLOVER_RFC2136_TSIG_SECRET_FILE",
        value_name = "FILE",
        default_value = ""
    )]
    tsig_secret_file: String,
}

/// A keyed hash that signs updates (RFC 8945).
#[derive(Clone, Copy, Debug, ValueEnum, PartialEq, Eq)]
pub(crate) enum TsigAlgorithm {
    /// HMAC with SHA-256
    HmacSha256,
    /// HMAC with SHA-384
    HmacSha384,
    /// HMAC with SHA-512
    HmacSha512,
}

#[derive(Args, Clone, Debug)]
struct HttpreqSettings {
    /// The URL of the web hook, below which are /present and /cleanup (provider
    /// httpreq)
    #[arg(
        long = "httpreq-endpoint",
        env = "ROLLOVER_HTTPREQ_ENDPOINT",
        value_name = "URL",
        default_value = ""
    )]
    endpoint: String,

    /// What the web hook is told (provider httpreq)
    #[arg(
        long = "httpreq-mode",
        env = "ROLLOVER_HTTPREQ_MODE",
        value_name = "MODE",
        value_enum,
        default_value = "default"
    )]
    mode: HttpreqMode,

    /// The user name for the web hook (provider httpreq)
    #[arg(
        long = "httpreq-user",
        env = "ROLLOVER_HTTPREQ_USER",
        value_name = "NAME",
        default_value = ""
    )]
    user: String,

    /// A file, such as a secret, with the password for the web hook (provider
    /// httpreq)
    #[arg(
        long = "httpreq-password-file",
        env = "ROLLOVER_HTTPREQ_PASSWORD_FILE",
        value_name = "FILE",
        default_value = ""
    )]
    password_file: String,
}

/// What a web hook is told.
#[derive(Clone, Copy, Debug, ValueEnum, PartialEq, Eq)]
pub(crate) enum HttpreqMode {
    /// The record's name and value
    Default,
    /// The domain, the token and the key authorization, from which the hook makes
    /// the record
    Raw,
}

/// A provider with all that it needs. It has no `Debug`, for a secret is in it.
pub(crate) enum ProviderSettings {
    Rfc2136(Rfc2136),
    Httpreq(Httpreq),
}

pub(crate) struct Rfc2136 {
    /// A host and a port.
    pub(crate) nameserver: String,
    pub(crate) zone: Option<String>,
    pub(crate) key: Option<TsigKey>,
}

/// A TSIG key. It has no `Debug`, for its secret is in it.
pub(crate) struct TsigKey {
    pub(crate) name: String,
    pub(crate) algorithm: TsigAlgorithm,
    pub(crate) secret: Vec<u8>,
}

pub(crate) struct Httpreq {
    /// Without a slash at its end.
    pub(crate) endpoint: String,
    pub(crate) mode: HttpreqMode,
    /// Name and password.
    pub(crate) user: Option<(String, String)>,
}

/// A setting of the challenge dns-01 that is wrong.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DnsSettingError {
    #[error(
        "--dns-resolver / ROLLOVER_DNS_RESOLVER: {0:?}: expected an IP address, and perhaps a port, \
         such as 192.0.2.53 or [2001:db8::53]:5353"
    )]
    Resolver(String),
    #[error(
        "--rfc2136-nameserver / ROLLOVER_RFC2136_NAMESERVER: {0:?}: expected a host, and perhaps a \
         port, such as ns1.example.org or [2001:db8::53]:5353; --dns-provider rfc2136 needs it"
    )]
    Nameserver(String),
    #[error("--rfc2136-zone / ROLLOVER_RFC2136_ZONE: {0:?}: expected a domain name")]
    Zone(String),
    #[error("--rfc2136-tsig-key / ROLLOVER_RFC2136_TSIG_KEY: {0:?}: expected a domain name")]
    TsigKey(String),
    #[error(
        "--rfc2136-tsig-key / ROLLOVER_RFC2136_TSIG_KEY and --rfc2136-tsig-secret-file / \
         ROLLOVER_RFC2136_TSIG_SECRET_FILE: expected both or none, found one"
    )]
    HalfTsig,
    #[error(
        "--rfc2136-tsig-secret-file / ROLLOVER_RFC2136_TSIG_SECRET_FILE: {file}: {why}",
        file = file.display()
    )]
    TsigSecret { file: PathBuf, why: String },
    #[error(
        "--httpreq-endpoint / ROLLOVER_HTTPREQ_ENDPOINT: expected an http:// or https:// URL without \
         user, password and query; --dns-provider httpreq needs it"
    )]
    Endpoint,
    #[error(
        "--httpreq-user / ROLLOVER_HTTPREQ_USER and --httpreq-password-file / \
         ROLLOVER_HTTPREQ_PASSWORD_FILE: expected both or none, found one"
    )]
    HalfUser,
    #[error(
        "--httpreq-password-file / ROLLOVER_HTTPREQ_PASSWORD_FILE: {file}: {why}",
        file = file.display()
    )]
    Password { file: PathBuf, why: String },
}

impl DnsSettings {
    /// Checks what can be checked before anything is started.
    pub(super) fn check(&self) -> Result<(), DnsSettingError> {
        self.resolvers()?;
        self.provider().map(|_| ())
    }

    /// The provider that is set; none if none is.
    ///
    /// # Errors
    /// When something that it needs is missing or is not what it has to be.
    pub(crate) fn provider(&self) -> Result<Option<ProviderSettings>, DnsSettingError> {
        Ok(match self.provider {
            DnsProvider::None => None,
            DnsProvider::Rfc2136 => Some(ProviderSettings::Rfc2136(self.rfc2136.read()?)),
            DnsProvider::Httpreq => Some(ProviderSettings::Httpreq(self.httpreq.read()?)),
        })
    }

    /// The resolvers that are set; none: those of the system.
    pub(crate) fn resolvers(&self) -> Result<Vec<SocketAddr>, DnsSettingError> {
        let given = self.resolvers.split(',').map(str::trim);
        let given = given.filter(|text| !text.is_empty());
        given
            .map(|text| resolver(text).ok_or_else(|| DnsSettingError::Resolver(text.to_owned())))
            .collect()
    }
}

fn resolver(text: &str) -> Option<SocketAddr> {
    let alone = |text: &str| text.parse::<IpAddr>().ok().map(|it| (it, PORT).into());
    text.parse().ok().or_else(|| alone(text))
}

impl Rfc2136Settings {
    fn read(&self) -> Result<Rfc2136, DnsSettingError> {
        let nameserver = with_port(self.nameserver.trim())
            .ok_or_else(|| DnsSettingError::Nameserver(self.nameserver.clone()))?;
        let zone = Some(self.zone.trim()).filter(|zone| !zone.is_empty());
        if zone.is_some_and(|zone| !is_name(zone)) {
            return Err(DnsSettingError::Zone(self.zone.clone()));
        }
        Ok(Rfc2136 {
            nameserver,
            zone: zone.map(str::to_owned),
            key: self.key()?,
        })
    }

    fn key(&self) -> Result<Option<TsigKey>, DnsSettingError> {
        let (name, file) = (self.tsig_key.trim(), self.tsig_secret_file.as_str());
        match (name.is_empty(), file.is_empty()) {
            (true, true) => Ok(None),
            (false, false) if !is_name(name) => Err(DnsSettingError::TsigKey(name.to_owned())),
            (false, false) => Ok(Some(TsigKey {
                name: name.to_owned(),
                algorithm: self.tsig_algorithm,
                secret: tsig_secret(Path::new(file))?,
            })),
            _ => Err(DnsSettingError::HalfTsig),
        }
    }
}

fn tsig_secret(file: &Path) -> Result<Vec<u8>, DnsSettingError> {
    let failed = |why: String| DnsSettingError::TsigSecret {
        file: file.to_owned(),
        why,
    };
    let text = fs::read_to_string(file).map_err(|error| failed(error.to_string()))?;
    let secret = STANDARD.decode(text.trim()).ok();
    // What it is instead is not shown.
    let secret = secret.filter(|secret| !secret.is_empty());
    secret.ok_or_else(|| failed("expected a secret as base64, found something else".to_owned()))
}

impl HttpreqSettings {
    fn read(&self) -> Result<Httpreq, DnsSettingError> {
        let endpoint = self.endpoint.trim().trim_end_matches('/');
        if !is_endpoint(endpoint) {
            return Err(DnsSettingError::Endpoint);
        }
        Ok(Httpreq {
            endpoint: endpoint.to_owned(),
            mode: self.mode,
            user: self.user()?,
        })
    }

    fn user(&self) -> Result<Option<(String, String)>, DnsSettingError> {
        let (user, file) = (self.user.trim(), self.password_file.as_str());
        match (user.is_empty(), file.is_empty()) {
            (true, true) => Ok(None),
            (false, false) => Ok(Some((user.to_owned(), password(Path::new(file))?))),
            _ => Err(DnsSettingError::HalfUser),
        }
    }
}

fn password(file: &Path) -> Result<String, DnsSettingError> {
    let failed = |why: String| DnsSettingError::Password {
        file: file.to_owned(),
        why,
    };
    let text = fs::read_to_string(file).map_err(|error| failed(error.to_string()))?;
    // The end of a line is the editor's, not the password's.
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(failed("expected a password, found nothing".to_owned())),
        password => Ok(password.to_owned()),
    }
}

/// A user or a password in it would be told with each error.
fn is_endpoint(text: &str) -> bool {
    let Ok(url) = text.parse::<Uri>() else {
        return false;
    };
    let plain = url.authority().is_some_and(|it| !it.as_str().contains('@'));
    let spoken = matches!(url.scheme_str(), Some("http" | "https"));
    plain && spoken && url.query().is_none()
}

/// A host with its port, DNS's if it has none.
fn with_port(text: &str) -> Option<String> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(SocketAddr::from((address, PORT)).to_string());
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(address.to_string());
    }
    match text.rsplit_once(':') {
        None => is_name(text).then(|| format!("{text}:{PORT}")),
        Some((host, port)) => {
            let is_port = port.parse::<u16>().is_ok_and(|port| port > 0);
            (is_name(host) && is_port).then(|| text.to_owned())
        }
    }
}

/// A name as DNS has it; a key's or a service's may have underscores.
fn is_name(text: &str) -> bool {
    let name = text.strip_suffix('.').unwrap_or(text);
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let mut labels = name.split('.');
    name.len() <= 253 && labels.all(|it| (1..=63).contains(&it.len()) && it.chars().all(plain))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Given {
        #[command(flatten)]
        dns: DnsSettings,
    }

    fn check(settings: &[&str]) -> Result<(), String> {
        let words = std::iter::once(&"rollover").chain(settings);
        let given = Given::try_parse_from(words).unwrap();
        given.dns.check().map_err(|error| error.to_string())
    }

    #[test]
    fn a_host_has_a_port() {
        for (text, expected) in [
            ("192.0.2.53", Some("192.0.2.53:53")),
            ("192.0.2.53:5353", Some("192.0.2.53:5353")),
            ("2001:db8::53", Some("[2001:db8::53]:53")),
            ("[2001:db8::53]:5353", Some("[2001:db8::53]:5353")),
            ("ns1.example.org", Some("ns1.example.org:53")),
            ("tasks.bind_dns:5353", Some("tasks.bind_dns:5353")),
            ("", None),
            ("ns1.example.org:dns", None),
            ("ns1 example", None),
        ] {
            assert_eq!(with_port(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn what_a_provider_lacks_is_said_before_anything_is_started() {
        assert_eq!(check(&[]), Ok(()));
        let rfc2136 = ["--dns-provider=rfc2136", "--rfc2136-nameserver=ns1"];
        assert_eq!(check(&rfc2136), Ok(()));
        let said = |more: &[&str]| check(&[&rfc2136, more].concat()).unwrap_err();
        insta::assert_snapshot!(check(&rfc2136[..1]).unwrap_err(), @r#"--rfc2136-nameserver / ROLLOVER_RFC2136_NAMESERVER: "": expected a host, and perhaps a port, such as ns1.example.org or [2001:db8::53]:5353; --dns-provider rfc2136 needs it"#);
        insta::assert_snapshot!(said(&["--rfc2136-tsig-key=key"]), @"--rfc2136-tsig-key / ROLLOVER_RFC2136_TSIG_KEY and --rfc2136-tsig-secret-file / ROLLOVER_RFC2136_TSIG_SECRET_FILE: expected both or none, found one");
        insta::assert_snapshot!(said(&["--rfc2136-zone=a..b"]), @r#"--rfc2136-zone / ROLLOVER_RFC2136_ZONE: "a..b": expected a domain name"#);
        insta::assert_snapshot!(check(&["--dns-resolver=192.0.2.53,dns"]).unwrap_err(), @r#"--dns-resolver / ROLLOVER_DNS_RESOLVER: "dns": expected an IP address, and perhaps a port, such as 192.0.2.53 or [2001:db8::53]:5353"#);
        insta::assert_snapshot!(check(&["--dns-provider=httpreq"]).unwrap_err(), @"--httpreq-endpoint / ROLLOVER_HTTPREQ_ENDPOINT: expected an http:// or https:// URL without user, password and query; --dns-provider httpreq needs it");
    }

    #[test]
    fn a_secret_is_told_by_no_error() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("secret");
        fs::write(&file, "hunter2 is no base64\n").unwrap();
        let file = file.display().to_string();
        let rfc2136 = ["--dns-provider=rfc2136", "--rfc2136-nameserver=ns1"];
        let key = [
            "--rfc2136-tsig-key=key",
            "--rfc2136-tsig-secret-file",
            &file,
        ];
        let said = check(&[&rfc2136[..], &key].concat()).unwrap_err();
        assert!(said.contains("expected a secret as base64"), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
        let endpoint = "--httpreq-endpoint=https://user:hunter2@hook.example";
        let said = check(&["--dns-provider=httpreq", endpoint]).unwrap_err();
        assert!(!said.contains("hunter2"), "{said}");
    }
}
