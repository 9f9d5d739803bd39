//! The proxy itself, on a thread of its own.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::oneshot;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::Rule;
use super::exchange::{Stream, carry_out};
use super::rule::Judge;
use crate::lab::{At, LabError, wait};

const TO_CONNECT: Duration = Duration::from_secs(10);

/// The server behind a proxy.
#[derive(Clone)]
pub(in crate::fault) enum Server {
    /// At a unix socket, plain.
    Socket(PathBuf),
    /// At an address, by TLS: the proxy shows what the server would.
    Tls {
        address: SocketAddr,
        acceptor: TlsAcceptor,
        connector: TlsConnector,
    },
}

/// A proxy that runs until it is dropped, whatever becomes of the runtime in
/// which it was started.
pub(in crate::fault) struct Proxy {
    address: SocketAddr,
    judge: Arc<Judge>,
    connections: Arc<AtomicU64>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Listens on a free port of an address of this machine.
    pub(in crate::fault) fn start(
        address: Ipv4Addr,
        server: Server,
        rule: Rule,
    ) -> Result<Self, LabError> {
        let failed = "start a proxy at";
        let place = || PathBuf::from(address.to_string());
        let listener = std::net::TcpListener::bind((address, 0)).at(failed, place())?;
        listener.set_nonblocking(true).at(failed, place())?;
        let address = listener.local_addr().at(failed, place())?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .at(failed, place())?;
        let judge = Arc::new(Judge::new(rule));
        let (stop, stopped) = oneshot::channel();
        let judges = Arc::clone(&judge);
        let connections = Arc::<AtomicU64>::default();
        let counted = Arc::clone(&connections);
        let thread = std::thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    ended = accept(listener, server, judges, &counted) => {
                        if let Err(error) = ended {
                            tracing::error!(%error, "a proxy has ended");
                        }
                    }
                    // Also when the sender is gone.
                    _ = stopped => {}
                }
            });
            // Whoever is stalled is cut off.
            runtime.shutdown_background();
        });
        Ok(Self {
            address,
            judge,
            connections,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Where it listens.
    pub(in crate::fault) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections it was given.
    pub(in crate::fault) fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// Waits until it has been given more than so many.
    pub(in crate::fault) async fn connected_since(&self, before: u64) -> Result<(), LabError> {
        Ok(wait::until(
            "the proxy be connected to",
            TO_CONNECT,
            async || match self.connections() {
                now if now > before => Ok(()),
                now => Err(format!("it was, {now} times")),
            },
        )
        .await?)
    }

    /// How many calls were answered wrongly.
    pub(in crate::fault) fn broken(&self) -> u64 {
        self.judge.broken()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // Its panic was printed, and there is nobody here to pass it on to.
            let _ = thread.join();
        }
    }
}

async fn accept(
    listener: std::net::TcpListener,
    server: Server,
    judge: Arc<Judge>,
    connections: &AtomicU64,
) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (client, _) = listener.accept().await?;
        connections.fetch_add(1, Ordering::Relaxed);
        let (server, judge) = (server.clone(), Arc::clone(&judge));
        tokio::spawn(async move {
            // A connection that breaks is the client's to complain of.
            let served = serve(client, &server, &judge).await;
            tracing::debug!(?served, "a proxied connection has ended");
        });
    }
}

async fn serve(client: TcpStream, server: &Server, judge: &Judge) -> io::Result<()> {
    match server {
        Server::Socket(path) => {
            carry_out(Box::new(client), judge, async || {
                Ok(Box::new(UnixStream::connect(path).await?) as Box<dyn Stream>)
            })
            .await
        }
        Server::Tls {
            address,
            acceptor,
            connector,
        } => {
            let client = acceptor.accept(client).await?;
            carry_out(Box::new(client), judge, async || {
                let stream = TcpStream::connect(address).await?;
                let stream = connector.connect(address.ip().into(), stream).await?;
                Ok(Box::new(stream) as Box<dyn Stream>)
            })
            .await
        }
    }
}
