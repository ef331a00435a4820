//! One connection of a device: what its requests need to know of it, and the handle to cut it.
//!
//! The connection's task carries its [`Client`] with it ([`Client::here`]), so that a request finds its own without
//! pingora's help. [`Clients`] knows all of them: when a device is revoked its connections are cut at once, and a
//! WebSocket or long transfer is cut when the right behind it ends.

use contract::id::{CertFingerprint, SessionKey};
use contract::record::Origin;
use contract::{Micros, Text};
use dashmap::DashMap;
use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::Instant;
use tokio_util::sync::CancellationToken;

/// A connection.
#[derive(Debug)]
pub struct Client {
    /// Counted from 1 since the start.
    pub id: u64,
    /// The peer's address.
    pub address: IpAddr,
    /// Where that is.
    pub origin: Origin,
    /// SHA-256 of the certificate shown.
    pub fingerprint: CertFingerprint,
    /// The server name of the handshake, lower case.
    pub server_name: Option<Text>,
    /// HTTP/2 was agreed.
    pub http2: bool,
    cut: CancellationToken,
    busy: AtomicU32,
    began: Instant,
    /// Milliseconds since `began`: the last request's end.
    idle_since: AtomicU64,
    /// Milliseconds since `began`, plus one: the first byte of a head that is not whole yet; 0: none.
    head_since: AtomicU64,
    /// HTTP/1: the request line that came last and was not asked for yet. 0: none, 1: as it must be, 2: odd.
    line: AtomicU8,
}

tokio::task_local! {
    static HERE: Arc<Client>;
}

impl Client {
    /// A new connection.
    pub fn new(
        id: u64,
        address: IpAddr,
        origin: Origin,
        fingerprint: CertFingerprint,
        server_name: Option<Text>,
        http2: bool,
    ) -> Self {
        Self {
            id,
            address,
            origin,
            fingerprint,
            server_name,
            http2,
            cut: CancellationToken::new(),
            busy: AtomicU32::new(0),
            began: Instant::now(),
            idle_since: AtomicU64::new(0),
            head_since: AtomicU64::new(0),
            line: AtomicU8::new(0),
        }
    }

    /// The connection whose task this is.
    pub fn here() -> Option<Arc<Self>> {
        HERE.try_with(Arc::clone).ok()
    }

    /// Runs a connection's work as its task.
    pub async fn scope<F: Future>(self: Arc<Self>, work: F) -> F::Output {
        HERE.scope(self, work).await
    }

    /// Cuts the connection.
    pub fn cut(&self) {
        self.cut.cancel();
    }

    /// Ends when the connection is cut.
    pub async fn was_cut(&self) {
        self.cut.cancelled().await;
    }

    /// Whether no request is under way.
    pub fn is_idle(&self) -> bool {
        self.busy.load(Ordering::Acquire) == 0
    }

    /// A request's head has arrived.
    pub fn request_began(&self) {
        self.busy.fetch_add(1, Ordering::AcqRel);
        self.head_since.store(0, Ordering::Release);
    }

    /// A request is over.
    pub fn request_ended(&self) {
        self.idle_since.store(self.elapsed_ms(), Ordering::Release);
        self.busy.fetch_sub(1, Ordering::AcqRel);
    }

    /// Bytes came while no request was under way; whether they are a head's first.
    pub fn head_bytes_came(&self) -> bool {
        let first = self.head_since.load(Ordering::Relaxed) == 0;
        if first {
            self.head_since.store(self.elapsed_ms() + 1, Ordering::Release);
        }
        first
    }

    /// A head's first line came.
    pub fn line_came(&self, clean: bool) {
        self.line.store(if clean { 1 } else { 2 }, Ordering::Release);
    }

    /// Whether the request line that came last is as it must be. It can be asked for once: a request whose line was
    /// not seen has none.
    pub fn take_clean_line(&self) -> bool {
        self.line.swap(0, Ordering::AcqRel) == 1
    }

    /// For how many milliseconds the connection has been idle, and a head been on its way.
    pub fn waiting_ms(&self) -> (Option<u64>, Option<u64>) {
        if !self.is_idle() {
            return (None, None);
        }
        let now = self.elapsed_ms();
        let head = match self.head_since.load(Ordering::Acquire) {
            0 => None,
            since => Some(now.saturating_sub(since - 1)),
        };
        (Some(now.saturating_sub(self.idle_since.load(Ordering::Acquire))), head)
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// A long exchange: what its right rests on, and since when.
#[derive(Debug, Clone)]
pub struct Long {
    /// Its connection.
    pub client: Arc<Client>,
    /// Its session, if it has one.
    pub session: Option<SessionKey>,
    /// Asks the policy again: true while it may go on.
    pub allowed: Allowed,
}

/// A question to the policy that can be asked again and again.
#[derive(Clone)]
pub struct Allowed(pub Arc<dyn Fn(Micros) -> bool + Send + Sync>);

impl std::fmt::Debug for Allowed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Allowed")
    }
}

/// All connections.
#[derive(Debug, Default)]
pub struct Clients {
    next: AtomicU64,
    next_long: AtomicU64,
    open: DashMap<u64, Arc<Client>>,
    per_address: DashMap<IpAddr, usize>,
    long: DashMap<u64, Long>,
}

impl Clients {
    /// How many connections are open.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// The next connection's number.
    pub fn next_id(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Keeps a connection until the guard is dropped.
    pub fn keep(self: &Arc<Self>, client: &Arc<Client>) -> Kept {
        self.open.insert(client.id, Arc::clone(client));
        Kept { clients: Arc::clone(self), id: client.id }
    }

    /// A place for one more connection from an address; `None`: it has `max` already.
    pub fn place(self: &Arc<Self>, address: IpAddr, max: usize) -> Option<Place> {
        let mut count = self.per_address.entry(address).or_insert(0);
        if *count >= max {
            return None;
        }
        *count += 1;
        Some(Place { clients: Arc::clone(self), address })
    }

    /// Watches a long exchange until the guard is dropped.
    pub fn watch(self: &Arc<Self>, long: Long) -> Watched {
        let id = self.next_long.fetch_add(1, Ordering::Relaxed);
        self.long.insert(id, long);
        Watched { clients: Arc::clone(self), id }
    }

    /// Cuts what has lost its right: connections of devices for which `device_ok` is false, and long exchanges that
    /// policy no longer allows. Gives how many were cut.
    pub fn cut_unentitled(&self, device_ok: impl Fn(&CertFingerprint) -> bool, now: Micros) -> usize {
        let mut cut = 0;
        for client in &self.open {
            if !device_ok(&client.fingerprint) {
                client.cut();
                cut += 1;
            }
        }
        for long in &self.long {
            if !(long.allowed.0)(now) {
                long.client.cut();
                cut += 1;
            }
        }
        cut
    }
}

/// Keeps a connection known.
#[derive(Debug)]
pub struct Kept {
    clients: Arc<Clients>,
    id: u64,
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.clients.open.remove(&self.id);
    }
}

/// A place taken by a connection from an address.
#[derive(Debug)]
pub struct Place {
    clients: Arc<Clients>,
    address: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(mut count) = self.clients.per_address.get_mut(&self.address) {
            *count = count.saturating_sub(1);
        }
        self.clients.per_address.remove_if(&self.address, |_, count| *count == 0);
    }
}

/// Keeps a long exchange watched.
#[derive(Debug)]
pub struct Watched {
    clients: Arc<Clients>,
    id: u64,
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.clients.long.remove(&self.id);
    }
}
