//! The engine with a certificate root of its own.

use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    sync::atomic::{AtomicU16, Ordering},
};

use rollover::acme::{AcmeError, Engine, Obtained};
use rollover_lab::acme::mock::Mock;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use tempfile::TempDir;
use x509_parser::{
    prelude::{FromDer, X509Certificate},
    public_key::PublicKey,
};

pub(crate) const NAME: &str = "one.test";

/// A certificate root, and where its authority is.
pub(crate) struct Setting {
    pub(crate) root: TempDir,
    directory: String,
}

impl Setting {
    pub(crate) fn new(directory: String, ca_pem: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("acme-ca.pem"), ca_pem).unwrap();
        Self { root, directory }
    }

    pub(crate) fn of(mock: &Mock) -> Self {
        Self::new(mock.directory_url(), mock.ca_pem())
    }

    /// A new process, as it were: only files are shared with an earlier one.
    pub(crate) fn engine(&self, more: &[&str]) -> Engine {
        let (root, ca) = (self.path(""), self.path("acme-ca.pem"));
        let (root, ca) = (root.to_string_lossy(), ca.to_string_lossy());
        let common = [
            "--engine=acme",
            "--certificate-root",
            &root,
            "--acme-ca-file",
            &ca,
            "--acme-directory",
            &self.directory,
        ];
        // Nobody looks, unless a test says where.
        let mut engine = common.to_vec();
        for (setting, value) in [
            ("--challenge-listen", "127.0.0.1:0"),
            ("--acme-timeout", "12s"),
        ] {
            if !more.iter().any(|given| given.starts_with(setting)) {
                engine.extend([setting, value]);
            }
        }
        engine.extend(more);
        Engine::new(&engine).unwrap()
    }

    pub(crate) async fn obtain(&self) -> Result<Obtained, AcmeError> {
        obtain(&self.engine(&[])).await
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    pub(crate) fn live(&self, file: &str) -> String {
        self.live_of(NAME, file)
    }

    pub(crate) fn live_of(&self, name: &str, file: &str) -> String {
        fs::read_to_string(self.path("live").join(name).join(file)).unwrap()
    }

    /// The key of the certificate that is published under that name: `RSA` or
    /// `ECDSA`.
    pub(crate) fn kind_of(&self, name: &str) -> &'static str {
        let chain = self.live_of(name, "fullchain.pem");
        let leaf = CertificateDer::from_pem_slice(chain.as_bytes()).unwrap();
        let (_, leaf) = X509Certificate::from_der(&leaf).unwrap();
        match leaf.public_key().parsed().unwrap() {
            PublicKey::RSA(_) => "RSA",
            PublicKey::EC(_) => "ECDSA",
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn is_pending(&self) -> bool {
        self.path("archive")
            .join(NAME)
            .join(".pending/order.json")
            .exists()
    }

    /// The file of the account, of which there is one.
    pub(crate) fn account(&self) -> PathBuf {
        let accounts = fs::read_dir(self.path("accounts/rollover")).unwrap();
        let mut accounts: Vec<_> = accounts.map(|it| it.unwrap().path()).collect();
        assert_eq!(accounts.len(), 1);
        accounts.remove(0).join("account.json")
    }
}

/// The time: what the servers say of times is said of this one.
#[expect(clippy::disallowed_methods, reason = "nothing here is decided by it")]
pub(crate) fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

pub(crate) fn mode(path: &std::path::Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

pub(crate) async fn obtain(engine: &Engine) -> Result<Obtained, AcmeError> {
    engine.obtain(&[NAME], "ecdsa", None, &[]).await
}

/// An address of `host` at which nobody listens. Its port is below those that the
/// kernel gives to connections: one of them could else have it before it is used.
pub(crate) fn free(host: std::net::Ipv4Addr) -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(20_000);
    loop {
        let address = SocketAddr::from((host, NEXT.fetch_add(1, Ordering::Relaxed)));
        if std::net::TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}
