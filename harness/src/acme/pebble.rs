//! Pebble, Let's Encrypt's test server, with its challenge test server.

use std::{
    collections::BTreeMap,
    fs, io,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use serde_json::json;
use testcontainers::core::Mount;
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::authority::{self, Identity, connector_to};
use crate::lab::{At, Container, LabError, LabNetwork, Recipe, Resources, Response, request, wait};

const DIRECTORY_PORT: u16 = 14000;
const MANAGEMENT_PORT: u16 = 15000;
const CHALLENGE_MANAGEMENT_PORT: u16 = 8055;
const DNS_PORT: u16 = 8053;
const DEADLINE: Duration = Duration::from_secs(30);
const FILES_IN_CONTAINER: &str = "/run/rollover-lab";
/// A file that says that it shall not run.
const STOPPED: &str = "stopped";
/// Within the lab's directory: who finds the lab again must trust the server.
const CA_FILE: &str = "pebble/ca.pem";
/// The names of the two containers.
pub(crate) const SERVER: &str = "pebble";
pub(crate) const CHALLENGE_SERVER: &str = "pebble-challtestsrv";
const PID_IN_CONTAINER: &str = "/run/pebble.pid";

/// In its log: an order is taken (`wfe/wfe.go`), a certificate is made (`ca/ca.go`).
const ORDERED: &str = "Added order ";
const ISSUED: &str = "Issued certificate serial ";

const DAY: u64 = 24 * 60 * 60;

/// What a Pebble shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PebbleOptions {
    /// The port at which it fetches the files of http-01: 80 by default.
    pub http_port: u16,
    /// Names that it does not issue for.
    pub forbidden: Vec<String>,
    /// Keys of external accounts, as base64url, by their identifier. A new
    /// account may be bound to one, and need not.
    pub external_accounts: BTreeMap<String, String>,
    /// How many nonces in a hundred it refuses, by chance: none by default.
    pub refused_nonces: u8,
    /// How many further chains it offers for each certificate.
    pub alternate_roots: u8,
    /// The DNS server that it asks; by default it is the challenge test server, to
    /// which [`Pebble::set_addresses`] speaks.
    pub dns_server: Option<SocketAddr>,
    /// The seconds that it asks clients to wait between two looks: one by default.
    pub retry_after: u8,
}

impl Default for PebbleOptions {
    fn default() -> Self {
        Self {
            http_port: 80,
            forbidden: Vec::new(),
            external_accounts: BTreeMap::new(),
            refused_nonces: 0,
            alternate_roots: 0,
            dns_server: None,
            retry_after: 1,
        }
    }
}

/// What a Pebble has done for whoever asked it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Done {
    /// Orders that it has taken, whatever became of them.
    pub orders: usize,
    /// Certificates that it has issued.
    pub certificates: usize,
}

/// A running Pebble.
///
/// It verifies challenges on the usual ports (80 and 443) at the addresses that
/// [`set_addresses`](Self::set_addresses) gives its DNS server.
#[derive(Clone)]
pub struct Pebble {
    server: Container,
    challenges: Container,
    files: PathBuf,
    ca_pem: String,
    tls: TlsConnector,
}

impl std::fmt::Debug for Pebble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pebble")
            .field("directory", &self.directory_url())
            .finish_non_exhaustive()
    }
}

impl Pebble {
    /// Starts both servers, and waits until they answer.
    pub(crate) async fn launch(
        resources: &Resources,
        network: &LabNetwork,
        options: &PebbleOptions,
    ) -> Result<Self, LabError> {
        let identity = Identity::new("pebble", network.acme().into())?;
        let tls = identity.connector().map_err(|error| LabError::Answer {
            doing: "prepare to speak TLS",
            address: network.acme().to_string(),
            expected: "a usable certificate",
            found: error.to_string(),
        })?;
        let files = resources.make_directory("pebble")?;
        resources.write(
            "pebble/certificate.pem",
            identity.certificate_pem.as_bytes(),
        )?;
        resources.write("pebble/key.pem", identity.key_pem.as_bytes())?;
        resources.write(CA_FILE, identity.ca_pem.as_bytes())?;
        resources.write("pebble/config.json", config(options).to_string().as_bytes())?;
        let mount = Mount::bind_mount(files.display().to_string(), FILES_IN_CONTAINER);

        let (server, challenges) = futures_util::join!(
            Container::start(resources, network, server(network, options).mounts([mount])),
            Container::start(resources, network, challenge_server(network)),
        );
        let pebble = Self {
            server: server?,
            challenges: challenges?,
            files,
            ca_pem: identity.ca_pem,
            tls,
        };
        pebble.wait_ready().await?;
        Ok(pebble)
    }

    /// Both servers of a lab that stands.
    pub(crate) fn again(
        resources: &Resources,
        server: Container,
        challenges: Container,
    ) -> Result<Self, LabError> {
        let file = resources.directory().join(CA_FILE);
        let ca_pem = fs::read_to_string(&file).at("read", &file)?;
        let tls = connector_to(&ca_pem).map_err(|found| LabError::Answer {
            doing: "prepare to speak TLS",
            address: server.address.to_string(),
            expected: "a usable certificate authority",
            found,
        })?;
        Ok(Self {
            server,
            challenges,
            files: resources.directory().join("pebble"),
            ca_pem,
            tls,
        })
    }

    /// Where ACME clients start.
    #[must_use]
    pub fn directory_url(&self) -> String {
        format!("https://{}:{DIRECTORY_PORT}/dir", self.server.address)
    }

    /// The authority of the server's own TLS certificate; on the volume it is
    /// `acme-ca.pem`.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// Makes the name resolve to these addresses, and no others, for Pebble.
    ///
    /// # Errors
    /// When the challenge test server does not take it.
    pub async fn set_addresses(
        &self,
        domain: &str,
        addresses: &[Ipv4Addr],
    ) -> Result<(), LabError> {
        self.challenge("POST /clear-a", &json!({ "host": domain }))
            .await?;
        if addresses.is_empty() {
            return Ok(());
        }
        self.challenge(
            "POST /add-a",
            &json!({ "host": domain, "addresses": addresses }),
        )
        .await
    }

    /// The root certificate of what it issues, in PEM; another one after each start.
    ///
    /// # Errors
    /// When Pebble does not answer.
    pub async fn roots(&self) -> Result<String, LabError> {
        self.root(0).await
    }

    /// One of its root certificates, in PEM: 0 is the usual one, above are those of
    /// the further chains that it offers.
    ///
    /// # Errors
    /// When Pebble does not answer, or has none of that number.
    pub async fn root(&self, number: u8) -> Result<String, LabError> {
        self.get(MANAGEMENT_PORT, &format!("/roots/{number}")).await
    }

    /// Stops it, as a fault: its address refuses connections, as that of a machine
    /// whose server has crashed. Names keep their addresses.
    ///
    /// # Errors
    /// When it could not be stopped.
    pub async fn stop(&self) -> Result<(), LabError> {
        let marker = self.files.join(STOPPED);
        fs::write(&marker, "").at("write", &marker)?;
        let kill = format!("kill -9 $(cat {PID_IN_CONTAINER})");
        let killed = self.server.exec(&["sh", "-c", &kill]).await?;
        if !killed.success() {
            return Err(self.server.not_ready(killed.stderr).await);
        }
        let server = SocketAddr::from((self.server.address, DIRECTORY_PORT));
        Ok(wait::until(
            "pebble refuse connections",
            DEADLINE,
            async || match TcpStream::connect(server).await {
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
                Err(error) => Err(error.to_string()),
                Ok(_) => Err("it takes them".to_owned()),
            },
        )
        .await?)
    }

    /// Starts it again where it was, and waits until it answers. It has forgotten
    /// accounts, orders and its root.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn start(&self) -> Result<(), LabError> {
        let marker = self.files.join(STOPPED);
        match fs::remove_file(&marker) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other.at("remove", &marker)?,
        }
        self.wait_ready().await
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        self.server.address
    }

    /// What it wrote.
    ///
    /// # Errors
    /// When the engine does not give it.
    pub async fn log(&self) -> Result<String, LabError> {
        self.server.log(None).await
    }

    /// How many orders it has taken, and how many certificates it has issued, since it
    /// was made; it counts them only in what it [wrote](Self::log).
    ///
    /// # Errors
    /// When the engine does not give it.
    pub async fn done(&self) -> Result<Done, LabError> {
        let log = self.log().await?;
        let count = |line: &str| log.matches(line).count();
        Ok(Done {
            orders: count(ORDERED),
            certificates: count(ISSUED),
        })
    }

    /// Where its directory is.
    pub(crate) fn directory_address(&self) -> SocketAddr {
        SocketAddr::from((self.server.address, DIRECTORY_PORT))
    }

    /// What it takes to stand in for it: to be taken for it, and to connect to it.
    pub(crate) fn both_ends(&self) -> Result<(TlsAcceptor, TlsConnector), LabError> {
        let acceptor = authority::acceptor(
            &self.files.join("certificate.pem"),
            &self.files.join("key.pem"),
        );
        let acceptor = acceptor.map_err(|error| LabError::Answer {
            doing: "prepare to stand in for Pebble",
            address: self.server.address.to_string(),
            expected: "a usable certificate",
            found: error.to_string(),
        })?;
        Ok((acceptor, self.tls.clone()))
    }

    async fn wait_ready(&self) -> Result<(), LabError> {
        let server = wait::until("pebble answer", DEADLINE, async || {
            self.get(DIRECTORY_PORT, "/dir").await
        });
        if let Err(timed_out) = server.await {
            return Err(self.server.not_ready(timed_out).await);
        }
        let challenges = wait::until("the challenge test server answer", DEADLINE, async || {
            self.challenge("POST /clear-a", &json!({ "host": "nobody.test" }))
                .await
        });
        if let Err(timed_out) = challenges.await {
            return Err(self.challenges.not_ready(timed_out).await);
        }
        Ok(())
    }

    async fn get(&self, port: u16, path: &str) -> Result<String, LabError> {
        let server = SocketAddr::from((self.server.address, port));
        let answer = request(server, Some(self.tls.clone()), &format!("GET {path}"), "").await;
        expect_ok("ask Pebble", server, answer)
    }

    async fn challenge(&self, head: &str, body: &serde_json::Value) -> Result<(), LabError> {
        let server = SocketAddr::from((self.challenges.address, CHALLENGE_MANAGEMENT_PORT));
        let answer = request(server, None, head, &body.to_string()).await;
        expect_ok("instruct the challenge test server", server, answer).map(|_| ())
    }
}

fn expect_ok(
    doing: &'static str,
    server: SocketAddr,
    answer: std::io::Result<Response>,
) -> Result<String, LabError> {
    let found = match answer {
        Ok(response) if response.status == 200 => return Ok(response.body),
        Ok(response) => format!("{}: {}", response.status, response.body),
        Err(error) => error.to_string(),
    };
    Err(LabError::Answer {
        doing,
        address: server.to_string(),
        expected: "200",
        found,
    })
}

/// A container that is stopped takes its address with it, and then packets to it
/// vanish; so it is the process alone that stops, and comes back when its marker
/// is gone.
fn server(network: &LabNetwork, options: &PebbleOptions) -> Recipe {
    let script = format!(
        "trap exit TERM
         while :; do
             if [ ! -e {FILES_IN_CONTAINER}/{STOPPED} ]; then
                 \"$@\" & echo $! > {PID_IN_CONTAINER}; wait
             fi
             sleep 0.1
         done"
    );
    let usual = SocketAddr::from((network.challenge_server(), DNS_PORT));
    let dns_server = options.dns_server.unwrap_or(usual);
    Recipe::new(SERVER, "pebble", network.acme())
        .command([
            "sh".to_owned(),
            "-c".to_owned(),
            script,
            "sh".to_owned(),
            "pebble".to_owned(),
            "-config".to_owned(),
            format!("{FILES_IN_CONTAINER}/config.json"),
            "-dnsserver".to_owned(),
            dns_server.to_string(),
        ])
        // It would sleep up to 15 s before each validation.
        .environment("PEBBLE_VA_NOSLEEP", "1")
        // Of itself it refuses one nonce in twenty, by chance. certbot asks again
        // once, so that one order in fifty fails on two refusals in a row.
        .environment("PEBBLE_WFE_NONCEREJECT", options.refused_nonces.to_string())
        .environment(
            "PEBBLE_ALTERNATE_ROOTS",
            options.alternate_roots.to_string(),
        )
        // By default every other order is granted on an earlier validation,
        // by chance: a challenge that must fail would fail now and then.
        .environment("PEBBLE_AUTHZREUSE", "0")
}

/// Only DNS: the challenges themselves are answered by the swarm.
fn challenge_server(network: &LabNetwork) -> Recipe {
    let dns = format!(":{DNS_PORT}");
    let management = format!(":{CHALLENGE_MANAGEMENT_PORT}");
    let command = [
        "pebble-challtestsrv",
        "-dnsserver",
        &dns,
        "-management",
        &management,
        "-http01",
        "",
        "-https01",
        "",
        "-tlsalpn01",
        "",
        "-doh",
        "",
        // A name that nobody has set does not resolve.
        "-defaultIPv4",
        "",
        "-defaultIPv6",
        "",
    ];
    Recipe::new(CHALLENGE_SERVER, "pebble", network.challenge_server()).command(command)
}

fn config(options: &PebbleOptions) -> serde_json::Value {
    json!({ "pebble": {
        "listenAddress": format!("0.0.0.0:{DIRECTORY_PORT}"),
        "managementListenAddress": format!("0.0.0.0:{MANAGEMENT_PORT}"),
        "certificate": format!("{FILES_IN_CONTAINER}/certificate.pem"),
        "privateKey": format!("{FILES_IN_CONTAINER}/key.pem"),
        "httpPort": options.http_port,
        "tlsPort": 443,
        "ocspResponderURL": "",
        "externalAccountBindingRequired": false,
        "externalAccountMACKeys": options.external_accounts,
        "domainBlocklist": options.forbidden,
        "retryAfter": { "authz": options.retry_after, "order": options.retry_after },
        "profiles": {
            "default": { "description": "as Let's Encrypt's classic", "validityPeriod": 90 * DAY },
            "shortlived": { "description": "160 hours", "validityPeriod": 160 * 60 * 60 },
        },
    }})
}
