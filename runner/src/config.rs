//! The settings. Each has one name in two forms: a flag (`--acme-directory`)
//! and a variable (`ROLLOVER_ACME_DIRECTORY`); defined here and nowhere else.

mod acme;
mod dns;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bollard::auth::DockerCredentials;
use clap::{Args, ValueEnum};

use crate::act::step::HoldAt;
use crate::decide::ByDns;
use crate::docker::{LoginError, login};
use crate::model::{Digest, Schedule, ScheduleError, parse_duration};

pub(crate) use acme::{AcmeSettings, AnswerBy};
pub(crate) use dns::{
    DnsProvider, DnsSettingError, DnsSettings, Httpreq, HttpreqMode, ProviderSettings, Rfc2136,
    TsigAlgorithm, TsigKey,
};

/// The webroot for challenges, below the certificate root: one volume to
/// mount, and every replica sees the answer as soon as it sees certificates.
pub(crate) const WEBROOT: &str = "webroot";

/// Every setting of the runner, as given.
#[derive(Args, Clone, Debug)]
pub(crate) struct Settings {
    /// When certbot is asked whether something is due (engine certbot): the five fields
    /// of crontab(5). The engine acme renews when the authority suggests it, or else by
    /// age, at any hour; the label rollover.window is what keeps replicas untouched at
    /// certain hours. Default: twice a day at a minute of this runner's own
    #[arg(long, env = "ROLLOVER_SCHEDULE", value_name = "CRONTAB")]
    schedule: Option<String>,

    /// The time zone of the schedule: an IANA name. A window names its own, and all that
    /// is printed is in UTC
    #[arg(
        long,
        env = "ROLLOVER_TIME_ZONE",
        value_name = "ZONE",
        default_value = "UTC"
    )]
    time_zone: String,

    /// How often to compare what every replica serves with what is published
    #[arg(long, env = "ROLLOVER_CHECK_INTERVAL", value_name = "DURATION",
          default_value = "1m", value_parser = parse_duration)]
    pub(crate) check_interval: Duration,

    /// The directory that holds live/, archive/ and renewal/, on the volume
    /// that every replica mounts
    #[arg(
        long,
        env = "ROLLOVER_CERTIFICATE_ROOT",
        value_name = "DIR",
        default_value = "/etc/letsencrypt"
    )]
    pub(crate) certificate_root: PathBuf,

    /// What a container on this node mounts to get the certificate root: a
    /// path of the host or a volume's name. Default: what the runner's own
    /// container mounts there
    #[arg(
        long,
        env = "ROLLOVER_CERTIFICATE_SOURCE",
        value_name = "PATH|VOLUME",
        default_value = ""
    )]
    pub(crate) certificate_source: String,

    /// What obtains certificates
    #[arg(long, env = "ROLLOVER_ENGINE", value_enum, default_value = "acme")]
    pub(crate) engine: Engine,

    /// The image that the certbot engine runs
    #[arg(
        long,
        env = "ROLLOVER_CERTBOT_IMAGE",
        value_name = "IMAGE",
        default_value = "certbot/certbot:v5.1.0"
    )]
    pub(crate) certbot_image: String,

    /// How long one run of certbot may take before it is stopped
    #[arg(long, env = "ROLLOVER_CERTBOT_TIMEOUT", value_name = "DURATION",
          default_value = "10m", value_parser = parse_duration)]
    pub(crate) certbot_timeout: Duration,

    /// The directory URL of the ACME server
    #[arg(
        long,
        env = "ROLLOVER_ACME_DIRECTORY",
        value_name = "URL",
        default_value = "https://acme-v02.api.letsencrypt.org/directory"
    )]
    pub(crate) acme_directory: String,

    /// The e-mail address of the ACME account; none if empty
    #[arg(
        long,
        env = "ROLLOVER_ACME_CONTACT",
        value_name = "ADDRESS",
        default_value = ""
    )]
    pub(crate) acme_contact: String,

    /// A PEM file below the certificate root with the authority that signed
    /// the ACME server's own certificate; the system's authorities if empty
    #[arg(
        long,
        env = "ROLLOVER_ACME_CA_FILE",
        value_name = "FILE",
        default_value = ""
    )]
    acme_ca_file: String,

    #[command(flatten)]
    pub(crate) acme: AcmeSettings,

    #[command(flatten)]
    pub(crate) dns: DnsSettings,

    /// The Docker engine of a manager: unix:///path/to/socket or tcp://host:port
    #[arg(
        long,
        env = "ROLLOVER_DOCKER_HOST",
        value_name = "ADDRESS",
        default_value = "unix:///var/run/docker.sock"
    )]
    pub(crate) docker_host: String,

    /// The image that the job that signals runs. Default: the runner's own
    #[arg(
        long,
        env = "ROLLOVER_AGENT_IMAGE",
        value_name = "IMAGE",
        default_value = ""
    )]
    pub(crate) agent_image: String,

    /// A file with the logins of registries, in the form of Docker's config.json, for
    /// the images that are pulled for the runner: the job's and certbot's; none if empty
    #[arg(
        long,
        env = "ROLLOVER_REGISTRY_AUTH_FILE",
        value_name = "FILE",
        default_value = ""
    )]
    registry_auth_file: String,

    /// How long a rollout by signal may take until every replica serves the
    /// published certificate; it includes the lag of the shared volume
    #[arg(long, env = "ROLLOVER_SIGNAL_TIMEOUT", value_name = "DURATION",
          default_value = "2m", value_parser = parse_duration)]
    pub(crate) signal_timeout: Duration,

    /// Where the daemon answers who asks for /metrics, such as 0.0.0.0:9402; nowhere if
    /// empty
    #[arg(
        long,
        env = "ROLLOVER_METRICS_LISTEN",
        value_name = "ADDRESS:PORT",
        default_value = ""
    )]
    metrics_listen: String,

    /// How logs are written to stderr
    #[arg(long, env = "ROLLOVER_LOG_FORMAT", value_enum, default_value = "text")]
    pub(crate) log_format: LogFormat,

    /// How much is logged: error, warn, info, debug
    #[arg(
        long,
        env = "ROLLOVER_LOG_LEVEL",
        value_name = "LEVEL",
        default_value = "info"
    )]
    pub(crate) log_level: tracing::Level,

    /// Stop for ever at the named step, so that a test can break something
    /// just then
    #[arg(long, env = "ROLLOVER_HOLD_AT", value_name = "STEP", hide = true,
          default_value = "", value_parser = HoldAt::parser())]
    pub(crate) hold_at: HoldAt,

    /// How far the runner takes its clock to be ahead
    #[arg(long, env = "ROLLOVER_CLOCK_AHEAD", value_name = "DURATION", hide = true,
          default_value = "0s", value_parser = parse_duration)]
    pub(crate) clock_ahead: Duration,
}

/// What obtains certificates.
#[derive(Clone, Copy, Debug, ValueEnum, PartialEq, Eq)]
pub(crate) enum Engine {
    /// The runner itself, without another image or container
    Acme,
    /// The certbot image in a container that runs once
    Certbot,
}

/// The form of the logs.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum LogFormat {
    /// Lines for people
    Text,
    /// One JSON object a line
    Json,
}

/// A setting with which nothing can be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingError {
    #[error("--schedule / ROLLOVER_SCHEDULE: {0}")]
    Schedule(#[source] ScheduleError),
    #[error("--time-zone / ROLLOVER_TIME_ZONE: {0}")]
    TimeZone(#[source] ScheduleError),
    #[error("--certificate-root / ROLLOVER_CERTIFICATE_ROOT: {path}: expected a directory on the \
             volume that every replica mounts, found {found}", path = path.display())]
    CertificateRoot { path: PathBuf, found: String },
    #[error("--acme-directory / ROLLOVER_ACME_DIRECTORY: {0:?}: expected an https:// URL")]
    AcmeDirectory(String),
    #[error("--acme-ca-file / ROLLOVER_ACME_CA_FILE: {file:?}: expected a file below the \
             certificate root {root}, so that certbot's container can read it too",
             root = root.display())]
    AcmeCaFile { file: String, root: PathBuf },
    #[error(
        "--docker-host / ROLLOVER_DOCKER_HOST: {0:?}: expected unix:///path/to/socket or \
             tcp://host:port"
    )]
    DockerHost(String),
    #[error(
        "--metrics-listen / ROLLOVER_METRICS_LISTEN: {0:?}: expected an IP address and a port, \
         such as 0.0.0.0:9402"
    )]
    MetricsListen(String),
    #[error(
        "--acme-eab-key-id / ROLLOVER_ACME_EAB_KEY_ID and --acme-eab-hmac-key-file / \
         ROLLOVER_ACME_EAB_HMAC_KEY_FILE: expected both or none, found one"
    )]
    HalfExternal,
    #[error(
        "--acme-eab-hmac-key-file / ROLLOVER_ACME_EAB_HMAC_KEY_FILE: {file}: {why}",
        file = file.display()
    )]
    ExternalKey { file: PathBuf, why: String },
    #[error("--registry-auth-file / ROLLOVER_REGISTRY_AUTH_FILE: {file}: {why}")]
    RegistryAuth {
        file: String,
        #[source]
        why: LoginError,
    },
    #[error(transparent)]
    Dns(#[from] DnsSettingError),
}

impl Settings {
    /// The authority for which the runner decides what is due; none where the
    /// engine decides it.
    pub(crate) fn own_policy(&self) -> Option<Digest> {
        match self.engine {
            Engine::Certbot => None,
            Engine::Acme => Some(Digest::of_authority(&self.acme_directory)),
        }
    }

    /// What becomes of a certificate that asks for the challenge dns-01.
    pub(crate) fn by_dns(&self) -> ByDns {
        match (self.engine, self.dns.provider) {
            (Engine::Certbot, _) => ByDns::LeftToCertbot,
            (Engine::Acme, DnsProvider::None) => ByDns::NoProvider,
            (Engine::Acme, _) => ByDns::Answered,
        }
    }

    /// Checks what can be checked before anything is started.
    pub(crate) fn check(&self) -> Result<(), SettingError> {
        self.schedule()?;
        self.acme_ca_file()?;
        self.metrics_listen()?;
        self.acme.check()?;
        self.dns.check()?;
        if !self.agent_image.is_empty() {
            self.login(&self.agent_image)?;
        }
        if self.engine == Engine::Certbot {
            self.login(&self.certbot_image)?;
        }
        if !self.acme_directory.starts_with("https://") {
            return Err(SettingError::AcmeDirectory(self.acme_directory.clone()));
        }
        let found = match std::fs::metadata(&self.certificate_root) {
            Ok(meta) if meta.is_dir() => return Ok(()),
            Ok(_) => "something else".to_owned(),
            Err(error) => error.to_string(),
        };
        Err(SettingError::CertificateRoot {
            path: self.certificate_root.clone(),
            found,
        })
    }

    /// The login for the registry of `image`, if there is one. It is read each time,
    /// for what it is read from may change.
    pub(crate) fn login(&self, image: &str) -> Result<Option<DockerCredentials>, SettingError> {
        let file = &self.registry_auth_file;
        if file.is_empty() {
            return Ok(None);
        }
        login(Path::new(file), image).map_err(|why| SettingError::RegistryAuth {
            file: file.clone(),
            why,
        })
    }

    /// Where to answer who asks for metrics, if anywhere.
    pub(crate) fn metrics_listen(&self) -> Result<Option<SocketAddr>, SettingError> {
        let given = Some(self.metrics_listen.trim()).filter(|given| !given.is_empty());
        let address = given.map(str::parse).transpose();
        address.map_err(|_| SettingError::MetricsListen(self.metrics_listen.clone()))
    }

    /// The schedule of renewals.
    pub(crate) fn schedule(&self) -> Result<Schedule, SettingError> {
        let given = self
            .schedule
            .as_deref()
            .filter(|text| !text.trim().is_empty());
        let text = given.map_or_else(default_schedule, str::to_owned);
        // A stack file can only set a variable to nothing, not leave it out.
        let zone = Some(self.time_zone.trim()).filter(|zone| !zone.is_empty());
        Schedule::parse(&text, zone.unwrap_or("UTC")).map_err(|error| match error {
            ScheduleError::Zone(_) => SettingError::TimeZone(error),
            _ => SettingError::Schedule(error),
        })
    }

    /// The file with the authority for the ACME server's certificate.
    pub(crate) fn acme_roots(&self) -> Option<&Path> {
        Some(Path::new(&self.acme_ca_file)).filter(|file| !file.as_os_str().is_empty())
    }

    /// How many certificates are obtained at the same time: certbot keeps its
    /// files to one run of it.
    pub(crate) fn certificates_at_once(&self) -> usize {
        match self.engine {
            Engine::Certbot => 1,
            Engine::Acme => self.acme.certificates_at_once,
        }
    }

    /// The authority for the ACME server's certificate, relative to the root.
    pub(crate) fn acme_ca_file(&self) -> Result<Option<&Path>, SettingError> {
        if self.acme_ca_file.is_empty() {
            return Ok(None);
        }
        let file = Path::new(&self.acme_ca_file);
        let relative = file.strip_prefix(&self.certificate_root);
        relative.map(Some).map_err(|_| SettingError::AcmeCaFile {
            file: self.acme_ca_file.clone(),
            root: self.certificate_root.clone(),
        })
    }
}

/// Twice a day, at a minute drawn at each start, so that not all the world
/// asks its authority on the hour.
fn default_schedule() -> String {
    use std::hash::{BuildHasher, RandomState};
    let drawn = RandomState::new().hash_one(());
    let (minute, hour) = (drawn % 60, (drawn / 60) % 12);
    format!("{minute} {hour},{} * * *", hour + 12)
}
