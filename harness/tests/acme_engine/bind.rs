//! A real BIND on addresses of this machine, in a directory of its own.

use std::{
    fs,
    io::Write,
    net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    process::{Child, Command, Stdio},
    time::Duration,
};

use rollover_lab::lab::wait::until;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(120);

/// The key that may change the zones that say so, and its secret.
pub(crate) const KEY: &str = "rollover";
pub(crate) const SECRET: &str = "a6hch0X2QW83/zGvEVzg1+Dt/akQB2gNyVcleB06vWw=";
/// One by another algorithm, that may do the same.
pub(crate) const LONG_KEY: &str = "rollover-512";
/// One that may change nothing.
pub(crate) const POOR_KEY: &str = "poor";

/// A zone as a primary or a secondary server has it.
pub(crate) struct Zone {
    name: &'static str,
    content: String,
    clause: String,
}

impl Zone {
    /// At a primary server; the first of `servers` is that one.
    pub(crate) fn primary(name: &'static str, servers: &[Ipv4Addr], more: &str) -> Self {
        let mut content =
            format!("$ORIGIN {name}.\n$TTL 60\n@ SOA ns1 admin 1 86400 86400 864000 60\n{more}\n");
        for (number, address) in (1..).zip(servers) {
            content.push_str(&format!("@ NS ns{number}\nns{number} A {address}\n"));
        }
        let policy = [KEY, LONG_KEY].map(|key| format!("grant {key} zonesub TXT;"));
        let clause = format!(
            "type primary; file \"{name}.zone\"; update-policy {{ {} }};",
            policy.concat()
        );
        Self {
            name,
            content,
            clause,
        }
    }

    /// The same at another server, which gets changes when it is told to.
    pub(crate) fn secondary(&self, primary: &Bind) -> Self {
        let (address, port) = (primary.address.ip(), primary.address.port());
        let name = self.name;
        Self {
            name,
            content: String::new(),
            clause: format!(
                "type secondary; file \"{name}.copy\"; primaries {{ {address} port {port}; }};"
            ),
        }
    }
}

/// A running server. It ends when it is dropped.
pub(crate) struct Bind {
    pub(crate) address: SocketAddr,
    directory: TempDir,
    control: u16,
    process: Child,
}

impl Drop for Bind {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A port that is free at all of these addresses.
pub(crate) fn free_port(addresses: &[Ipv4Addr]) -> u16 {
    let is_free = |port: u16| {
        addresses.iter().all(|&address| {
            TcpListener::bind((address, port)).is_ok() && UdpSocket::bind((address, port)).is_ok()
        })
    };
    let mut drawn = std::iter::repeat_with(|| crate::setting::free(addresses[0]).port());
    drawn.find(|&port| is_free(port)).unwrap()
}

impl Bind {
    /// Starts it, and waits until it has all of `zones`.
    pub(crate) async fn start(address: Ipv4Addr, port: u16, zones: &[Zone]) -> Self {
        Self::start_as(address, port, zones, "no").await
    }

    /// The same, which besides follows aliases from one of its zones to another, as a
    /// resolver.
    pub(crate) async fn resolver(address: Ipv4Addr, port: u16, zones: &[Zone]) -> Self {
        Self::start_as(address, port, zones, "yes").await
    }

    async fn start_as(address: Ipv4Addr, port: u16, zones: &[Zone], recursion: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let control = crate::setting::free(address).port();
        let address = SocketAddr::from((address, port));
        for zone in zones.iter().filter(|zone| !zone.content.is_empty()) {
            let file = directory.path().join(format!("{}.zone", zone.name));
            fs::write(file, &zone.content).unwrap();
        }
        let path = directory.path().display().to_string();
        let conf = directory.path().join("named.conf");
        fs::write(
            &conf,
            configuration(&path, address, control, zones, recursion),
        )
        .unwrap();
        fs::write(
            directory.path().join("rndc.key"),
            key("control", "hmac-sha256"),
        )
        .unwrap();
        let log = fs::File::create(directory.path().join("log")).unwrap();
        let process = tool("named")
            .args(["-g", "-n", "1", "-c"])
            .arg(&conf)
            .stderr(log)
            .stdout(Stdio::null())
            .spawn()
            .expect("named is installed: ci/bind");
        let mut bind = Self {
            address,
            directory,
            control,
            process,
        };
        for zone in zones {
            bind.wait_for(zone.name).await;
        }
        bind
    }

    async fn wait_for(&mut self, zone: &str) {
        let ready = until(format!("named have {zone}"), PATIENCE, async || {
            let found = self.dig(zone, "SOA").await;
            if found.contains("admin") {
                Ok(())
            } else {
                Err(found)
            }
        });
        if let Err(late) = ready.await {
            let log = fs::read_to_string(self.directory.path().join("log"));
            panic!("{late}; its log:\n{}", log.unwrap());
        }
    }

    /// What it answers, without resolving further.
    pub(crate) async fn dig(&self, name: &str, kind: &str) -> String {
        let SocketAddr::V4(address) = self.address else {
            unreachable!("it listens on IPv4")
        };
        let (at, port) = (format!("@{}", address.ip()), address.port().to_string());
        let mut dig = tokio::process::Command::from(tool("dig"));
        dig.args([
            &at,
            "-p",
            &port,
            "+short",
            "+norecurse",
            "+time=10",
            "+tries=3",
        ])
        .args([name, kind]);
        let output = dig.output().await.expect("dig is installed: ci/bind");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The TXT records of that name.
    pub(crate) async fn texts(&self, name: &str) -> Vec<String> {
        let found = self.dig(name, "TXT").await;
        // What it says besides answers begins so.
        assert!(!found.contains(";;"), "{found}");
        let texts = found.lines().map(|line| line.trim_matches('"').to_owned());
        let mut texts: Vec<String> = texts.collect();
        texts.sort();
        texts
    }

    /// Changes a zone, as a person does: `add NAME 60 TXT …`.
    pub(crate) fn change(&self, line: &str) -> Result<(), String> {
        let SocketAddr::V4(address) = self.address else {
            unreachable!("it listens on IPv4")
        };
        let mut process = tool("nsupdate")
            .args(["-y", &format!("hmac-sha256:{KEY}:{SECRET}")])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("nsupdate is installed: ci/bind");
        let script = format!(
            "server {} {}\nupdate {line}\nsend\n",
            address.ip(),
            address.port()
        );
        let mut stdin = process.stdin.take().unwrap();
        stdin.write_all(script.as_bytes()).unwrap();
        drop(stdin);
        let output = process.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        output.status.success().then_some(()).ok_or(said)
    }

    /// Has it get a zone from its primary now.
    pub(crate) fn catch_up(&self, zone: &str) {
        let output = tool("rndc")
            .arg("-k")
            .arg(self.directory.path().join("rndc.key"))
            .args(["-s", &self.address.ip().to_string()])
            .args(["-p", &self.control.to_string(), "retransfer", zone])
            .output()
            .expect("rndc is installed: ci/bind");
        assert!(output.status.success(), "{output:?}");
    }
}

/// A program of BIND's; Debian has servers where not everybody looks.
fn tool(name: &str) -> Command {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new(name);
    command.env("PATH", format!("{path}:/usr/sbin"));
    command
}

fn key(name: &str, algorithm: &str) -> String {
    format!("key \"{name}\" {{ algorithm {algorithm}; secret \"{SECRET}\"; }};\n")
}

fn configuration(
    path: &str,
    address: SocketAddr,
    control: u16,
    zones: &[Zone],
    recursion: &str,
) -> String {
    let (ip, port) = (address.ip(), address.port());
    let keys = [
        ("control", "hmac-sha256"),
        (KEY, "hmac-sha256"),
        (LONG_KEY, "hmac-sha512"),
        (POOR_KEY, "hmac-sha256"),
    ];
    let keys = keys.map(|(name, algorithm)| key(name, algorithm)).concat();
    let zones = zones
        .iter()
        .map(|zone| format!("zone \"{}\" {{ {} }};\n", zone.name, zone.clause));
    let zones: String = zones.collect();
    format!(
        "options {{
            directory \"{path}\"; pid-file none; lock-file none;
            session-keyfile \"{path}/session.key\";
            listen-on port {port} {{ {ip}; }}; listen-on-v6 {{ none; }};
            recursion {recursion}; allow-recursion {{ any; }}; dnssec-validation no; notify no;
            allow-query {{ any; }}; allow-transfer {{ any; }};
        }};
        {keys}
        controls {{ inet {ip} port {control} allow {{ any; }} keys {{ control; }}; }};
        {zones}"
    )
}
