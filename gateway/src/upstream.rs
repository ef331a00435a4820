//! Registries' servers: which one gets the next request, and how to reach it.
//!
//! Requests go round over the peers that are well. A peer with a health check is asked in its interval; any peer to
//! which no connection comes about is passed over by the retry of that request. Each registry has a bound on requests under
//! way, so that one slow backend cannot take all of the gateway.
//!
//! Connections are kept per server of a registry ([`kept`]), those of HTTP/2 by pingora. TLS towards a backend is always
//! verified.

mod backend;
mod kept;

pub use backend::{Backend, Event};

use kept::Kept;

use crate::route::{Peer, Protocol, Registry, RegistryId, Routes};
use pingora::connectors::http::v2;
use pingora::connectors::{ConnectorOptions, TransportConnector};
use pingora::lb::health_check::HttpHealthCheck;
use pingora::lb::{self, Backends, discovery};
use pingora::protocols::http::client::HttpSession;
use pingora::protocols::http::v1::client::HttpSession as Http1Session;
use pingora::protocols::{ALPN, Stream};
use pingora::upstreams::peer::HttpPeer;
use pingora::utils::tls::{CertKey, WrappedX509, parse_x509};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::collections::BTreeSet;
use std::net::ToSocketAddrs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// Why a registry cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// The peer's name does not resolve, or its socket path is of no use.
    #[error("registry {registry}: the peer {peer} cannot be resolved")]
    Peer {
        /// The registry.
        registry: String,
        /// The peer.
        peer: String,
    },
    /// A certificate or key file cannot be read.
    #[error("registry {registry}: {path} has no certificate or key that can be read")]
    Pem {
        /// The registry.
        registry: String,
        /// The file.
        path: PathBuf,
    },
}

/// The most idle connections of HTTP/2 that are kept, to all servers together.
const HTTP2_KEPT_MAX: usize = 2048;

/// How long a connection is kept unless the settings say.
const IDLE_MAX: Duration = Duration::from_mins(1);

/// The servers of all registries, by the registry's number.
pub struct Upstreams {
    pools: Vec<Arc<Pool>>,
    http1: TransportConnector,
    http2: v2::Connector,
}

/// The servers of one registry.
pub struct Pool {
    name: String,
    /// Their health.
    backends: Backends,
    servers: Vec<Server>,
    /// Whose turn it is.
    turn: AtomicUsize,
    places: Arc<Semaphore>,
    check_every: Option<Duration>,
}

/// One server of a registry.
pub struct Server {
    /// Among the registry's.
    number: usize,
    peer: HttpPeer,
    kept: Kept,
    /// Who takes or gives back a stream of HTTP/2. pingora takes a connection out of its pool for that moment: another who
    /// looks just then would open one more.
    door: tokio::sync::Mutex<()>,
    /// At the last look.
    well: AtomicBool,
}

impl Upstreams {
    /// Sets up every registry's servers: resolves names, reads certificates.
    pub fn new(routes: &Routes) -> Result<Self, UpstreamError> {
        let pools = routes.registries().iter().map(|registry| Pool::new(registry).map(Arc::new));
        let options = ConnectorOptions::new(HTTP2_KEPT_MAX);
        Ok(Self {
            pools: pools.collect::<Result<_, _>>()?,
            http1: TransportConnector::new(Some(options.clone())),
            http2: v2::Connector::new(Some(options)),
        })
    }

    /// A connection to this server, kept or new, for one request.
    pub async fn connect(&self, server: &Server) -> pingora::Result<Backend> {
        let peer = &server.peer;
        let kept = match peer.options.alpn {
            ALPN::H2 => {
                let _alone = server.door.lock().await;
                self.http2.reused_http_session(peer).await?.map(HttpSession::H2)
            }
            _ => server.kept.take().map(|stream| http1(stream, peer)),
        };
        let (mut session, reused) = match kept {
            Some(session) => (session, true),
            // Boxed: a new connection is rare, and a task that might make one would be three times as large.
            None => (Box::pin(self.connected(peer)).await?, false),
        };
        session.set_read_timeout(peer.options.read_timeout);
        session.set_write_timeout(peer.options.write_timeout);
        Ok(Backend::new(session, reused))
    }

    /// Gives a connection back. It is kept for others only if its request went through as a whole.
    pub async fn release(&self, backend: Backend, server: &Server) {
        let whole = backend.is_reusable();
        match backend.session {
            HttpSession::H1(mut session) if whole => {
                session.respect_keepalive();
                let idle_max = server.peer.options.idle_timeout.unwrap_or(IDLE_MAX);
                let idle_max = announced(&session).map_or(idle_max, |announced| idle_max.min(announced));
                if let Some(stream) = session.reuse().await {
                    server.kept.give(stream, idle_max);
                }
            }
            // A stream ends by itself; its connection is not its own.
            HttpSession::H2(session) => {
                let _alone = server.door.lock().await;
                self.http2.release_http_session(session, &server.peer, server.peer.options.idle_timeout);
            }
            _ => {}
        }
    }

    /// Closes connections that nobody has needed for a while. To be called each second.
    pub fn tidy(&self) {
        for server in self.pools.iter().flat_map(|pool| &pool.servers) {
            server.kept.tidy();
        }
    }

    async fn connected(&self, peer: &HttpPeer) -> pingora::Result<HttpSession> {
        match peer.options.alpn {
            ALPN::H2 => self.http2.new_http_session(peer).await,
            _ => Ok(http1(self.http1.new_stream(peer).await?, peer)),
        }
    }

    /// The servers of a registry.
    pub fn pool(&self, registry: RegistryId) -> Option<&Arc<Pool>> {
        self.pools.get(registry.index())
    }

    /// Checks the peers' health until told to stop.
    pub fn watch(&self, stop: &watch::Receiver<bool>) {
        for pool in &self.pools {
            let Some(every) = pool.check_every else { continue };
            let (pool, mut stop) = (Arc::clone(pool), stop.clone());
            crate::task::vital("health check", async move {
                loop {
                    pool.check().await;
                    tokio::select! {
                        () = tokio::time::sleep(every) => {}
                        _ = stop.wait_for(|stop| *stop) => return,
                    }
                }
            });
        }
    }

    /// Peers that are well, and all, of each registry: for metrics.
    pub fn health(&self) -> impl Iterator<Item = (&str, usize, usize)> {
        self.pools.iter().map(|pool| (pool.name.as_str(), pool.well(), pool.servers.len()))
    }
}

impl Server {
    fn new(number: usize, peer: HttpPeer) -> Self {
        let (kept, door) = (Kept::default(), tokio::sync::Mutex::default());
        Self { number, peer, kept, door, well: AtomicBool::new(true) }
    }

    /// Which of its registry's servers it is.
    pub fn number(&self) -> usize {
        self.number
    }
}

impl Pool {
    fn new(registry: &Registry) -> Result<Self, UpstreamError> {
        let peers: Vec<HttpPeer> =
            registry.peers.iter().map(|peer| http_peer(registry, peer)).collect::<Result<_, _>>()?;
        let backends: BTreeSet<lb::Backend> = peers
            .iter()
            .map(|peer| lb::Backend { addr: peer._address.clone(), weight: 1, ext: http::Extensions::new() })
            .collect();
        let mut backends = Backends::new(discovery::Static::new(backends));
        if let (Some(health), Some(first)) = (&registry.health, peers.first()) {
            let host = registry.hosts.first().map_or("localhost", AsRef::as_ref);
            let mut check = HttpHealthCheck::new(host, false);
            check.peer_template = first.clone();
            check.peer_template.options.connection_timeout = Some(health.timeout);
            check.peer_template.options.total_connection_timeout = Some(health.timeout);
            check.peer_template.options.read_timeout = Some(health.timeout);
            if let Ok(path) = health.path.parse() {
                check.req.set_uri(path);
            }
            check.consecutive_success = health.healthy_after as usize;
            check.consecutive_failure = health.unhealthy_after as usize;
            backends.set_health_check(Box::new(check));
        }
        Ok(Self {
            name: registry.name.to_string(),
            places: Arc::new(Semaphore::new(registry.connections_max as usize)),
            check_every: registry.health.as_ref().map(|health| health.interval),
            turn: AtomicUsize::new(0),
            servers: peers.into_iter().enumerate().map(|(number, peer)| Server::new(number, peer)).collect(),
            backends,
        })
    }

    /// A place for one more request; `None`: the registry has as many under way as it may.
    pub fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// The server for the next request: each in its turn, of those that are well, and not one of these. `None`: there
    /// is none.
    pub fn next(&self, but: &[usize]) -> Option<&Server> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % self.servers.len().max(1);
        let (before, from) = self.servers.split_at_checked(turn)?;
        from.iter().chain(before).find(|server| server.well.load(Ordering::Relaxed) && !but.contains(&server.number))
    }

    fn well(&self) -> usize {
        self.servers.iter().filter(|server| server.well.load(Ordering::Relaxed)).count()
    }

    /// Sets up the looks at the peers' health; to be awaited once before the first.
    pub async fn prepare(&self) {
        if let Err(error) = self.backends.update(|_| ()).await {
            tracing::error!(registry = self.name, error = error.etype().as_str(), "the peers could not be set up");
        }
    }

    async fn check(&self) {
        self.backends.run_health_check(true).await;
        let backends = self.backends.get_backend();
        for server in &self.servers {
            let address = &server.peer._address;
            let is = backends.iter().any(|b| b.addr == *address && self.backends.ready(b));
            if is != server.well.swap(is, Ordering::Relaxed) {
                let peer = address.to_string();
                if is {
                    tracing::info!(registry = self.name, peer, "the peer is well again");
                } else {
                    tracing::warn!(registry = self.name, peer, "the peer is not well; it gets no requests");
                }
            }
        }
    }
}

impl Upstreams {
    /// Sets up the looks at all peers' health.
    pub async fn prepare(&self) {
        for pool in &self.pools {
            pool.prepare().await;
        }
    }
}

/// For how long a server says that it keeps a connection (`Keep-Alive: timeout=5`), less a second for what is on its way.
fn announced(session: &Http1Session) -> Option<Duration> {
    let parameters = session.get_header("keep-alive")?.to_str().ok()?;
    let timeout = parameters.split(',').find_map(|parameter| parameter.trim().strip_prefix("timeout="))?;
    Some(Duration::from_secs(timeout.trim().parse::<u64>().ok()?.saturating_sub(1)))
}

fn http1(stream: Stream, peer: &HttpPeer) -> HttpSession {
    HttpSession::H1(Http1Session::new_with_options(stream, peer))
}

fn http_peer(registry: &Registry, peer: &Peer) -> Result<HttpPeer, UpstreamError> {
    let unresolved = || UpstreamError::Peer { registry: registry.name.to_string(), peer: peer.to_string() };
    let server_name = registry.tls.as_ref().map_or(String::new(), |tls| tls.server_name.to_string());
    let secured = registry.tls.is_some();
    let mut http_peer = match peer {
        Peer::Tcp { host, port } => {
            let address = (host.as_ref(), *port).to_socket_addrs().ok().and_then(|mut all| all.next());
            HttpPeer::new(address.ok_or_else(unresolved)?, secured, server_name)
        }
        Peer::Unix(path) => {
            HttpPeer::new_uds(&path.to_string_lossy(), secured, server_name).map_err(|_| unresolved())?
        }
    };
    // pingora tells connections apart by address, name and client certificate, and not by whom they trust: one that a
    // registry has opened is of no use to another.
    http_peer.group_key = registry.id.index() as u64;
    let options = &mut http_peer.options;
    options.connection_timeout = Some(registry.connect_timeout);
    options.total_connection_timeout = Some(registry.connect_timeout);
    options.read_timeout = Some(registry.read_timeout);
    options.write_timeout = Some(registry.write_timeout);
    options.idle_timeout = Some(registry.idle_timeout);
    options.verify_cert = true;
    options.verify_hostname = true;
    options.alpn = match registry.protocol {
        Protocol::Http1 => ALPN::H1,
        Protocol::Http2 => ALPN::H2,
    };
    options.max_h2_streams = 64;
    if let Some(tls) = &registry.tls {
        let pem = |path: &Path| UpstreamError::Pem { registry: registry.name.to_string(), path: path.into() };
        let authorities: Vec<WrappedX509> = certificates(&tls.ca)
            .ok_or_else(|| pem(&tls.ca))?
            .into_iter()
            .map(|der| WrappedX509::new(der, parse_x509))
            .collect();
        http_peer.options.ca = Some(Arc::from(authorities));
        if let Some(client) = &tls.client {
            let chain = certificates(&client.certificate).ok_or_else(|| pem(&client.certificate))?;
            let key = PrivateKeyDer::from_pem_file(&client.key).map_err(|_| pem(&client.key))?;
            http_peer.client_cert_key = Some(Arc::new(CertKey::new(chain, key.secret_der().to_vec())));
        }
    }
    Ok(http_peer)
}

/// The certificates of a PEM file, each one checked to be a certificate: pingora panics on others.
fn certificates(path: &Path) -> Option<Vec<Vec<u8>>> {
    let chain: Vec<Vec<u8>> = CertificateDer::pem_file_iter(path)
        .ok()?
        .map(|der| der.map(|der| der.to_vec()))
        .collect::<Result<_, _>>()
        .ok()?;
    let sound = !chain.is_empty() && chain.iter().all(|der| x509_parser::parse_x509_certificate(der).is_ok());
    sound.then_some(chain)
}
