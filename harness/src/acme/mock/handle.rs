//! What a test holds of a mock.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio_rustls::TlsAcceptor;
use wiremock::{MockServer, matchers::any};

use super::{
    call::Call,
    front::Front,
    journal::Received,
    script::On,
    server::{Responder, Shared},
    settings::Settings,
    world::World,
};
use crate::{
    acme::authority::Identity,
    lab::{At, LabError},
};

/// A running mock; it ends when its last clone is dropped.
#[derive(Clone)]
pub struct Mock(Arc<Parts>);

struct Parts {
    shared: Arc<Shared>,
    server: MockServer,
    /// None while it is stopped.
    front: Mutex<Option<Front>>,
    address: SocketAddr,
    tls: TlsAcceptor,
    ca_pem: String,
}

impl std::fmt::Debug for Mock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mock")
            .field("directory", &self.directory_url())
            .finish_non_exhaustive()
    }
}

impl Mock {
    /// Starts one on the loopback interface, at a port that is free.
    ///
    /// # Errors
    /// When it cannot listen.
    pub async fn start(settings: Settings) -> Result<Self, LabError> {
        Self::launch(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), settings).await
    }

    /// Starts one at an address of this machine.
    pub(crate) async fn launch(address: SocketAddr, settings: Settings) -> Result<Self, LabError> {
        let listener = listen(address)?;
        let address = listener
            .local_addr()
            .at("ask for the address of", "the mock's socket")?;
        let identity = Identity::new("localhost", address.ip())?;
        let tls = identity.acceptor().map_err(|error| LabError::Answer {
            doing: "prepare the mock's TLS",
            address: address.to_string(),
            expected: "a usable certificate",
            found: error.to_string(),
        })?;
        let shared = Arc::new(Shared::new(World::new(settings)?));
        let server = MockServer::builder()
            .disable_request_recording()
            .start()
            .await;
        let responder = Responder(Arc::clone(&shared));
        wiremock::Mock::given(any())
            .respond_with(responder)
            .mount(&server)
            .await;
        let front = Front::start(
            listener,
            tls.clone(),
            *server.address(),
            Arc::clone(&shared),
        )
        .at("start the thread of", "the mock")?;
        Ok(Self(Arc::new(Parts {
            shared,
            server,
            front: Mutex::new(Some(front)),
            address,
            tls,
            ca_pem: identity.ca_pem,
        })))
    }

    /// Where ACME clients start.
    #[must_use]
    pub fn directory_url(&self) -> String {
        format!("https://{}/directory", self.0.address)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// The authority of the server's own TLS certificate; in a lab it is
    /// `acme-ca.pem` on the volume.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.0.ca_pem
    }

    /// The root certificate of what it issues, in PEM; another one after each start.
    #[must_use]
    pub fn roots(&self) -> String {
        self.0.shared.world().authority.root_pem().to_owned()
    }

    /// Makes the name lead to these addresses, and no others, for
    /// [`Validation::Fetch`](super::Validation::Fetch).
    pub fn set_addresses(&self, domain: &str, addresses: &[Ipv4Addr]) {
        let known = &mut self.0.shared.world().addresses;
        known.insert(domain.to_owned(), addresses.to_vec());
    }

    /// Begins a line of the script: what to answer to a call.
    pub fn on(&self, call: Call) -> On<'_> {
        On::new(&self.0.shared.script, call)
    }

    /// Forgets the script: from now on it answers as usual.
    pub fn forget_script(&self) {
        self.0.shared.script().clear();
    }

    /// Changes how it behaves where the script says nothing.
    ///
    /// # Caveats
    /// Requests wait meanwhile, and so would a call of the mock in `change`.
    pub fn configure(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.0.shared.world().settings);
    }

    /// All that it was asked, in order.
    #[must_use]
    pub fn calls(&self) -> Vec<Received> {
        self.0.shared.received().clone()
    }

    /// What it was asked of one kind.
    #[must_use]
    pub fn calls_of(&self, call: Call) -> Vec<Received> {
        let received = self.0.shared.received();
        received
            .iter()
            .filter(|received| received.call == call)
            .cloned()
            .collect()
    }

    /// All that it was asked, a line for each.
    #[must_use]
    pub fn log(&self) -> String {
        let lines = self
            .calls()
            .into_iter()
            .map(|received| format!("{received}\n"));
        lines.collect()
    }

    /// Stops it, as a fault: its address refuses connections.
    pub fn stop(&self) {
        drop(self.front().take());
    }

    /// Starts it again where it was. It has forgotten accounts, orders and its
    /// root, as Pebble would; settings, addresses and script stay.
    ///
    /// # Errors
    /// When it cannot listen there any more.
    pub fn start_again(&self) -> Result<(), LabError> {
        self.stop();
        self.forget()?;
        let listener = listen(self.0.address)?;
        let front = Front::start(
            listener,
            self.0.tls.clone(),
            *self.0.server.address(),
            Arc::clone(&self.0.shared),
        )
        .at("start the thread of", "the mock")?;
        *self.front() = Some(front);
        Ok(())
    }

    fn forget(&self) -> Result<(), LabError> {
        let world = &mut *self.0.shared.world();
        let new = World::new(world.settings.clone())?;
        let addresses = std::mem::take(&mut world.addresses);
        *world = World { addresses, ..new };
        Ok(())
    }

    fn front(&self) -> MutexGuard<'_, Option<Front>> {
        self.0.front.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener, LabError> {
    TcpListener::bind(address).at("listen for ACME clients at", address.to_string())
}
