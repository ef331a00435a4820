//! One connection of a device: what its requests need to know of it, and the handle to cut it.
//!
//! The connection's task carries its [`Client`] with it ([`Client::here`]), so that a request finds its own without
//! pingora's help. [`Clients`] knows all of them: when a device is revoked its connections are cut at once, and a
//! WebSocket or long transfer is cut when the right behind it ends.

use contract::id::{CertFingerprint, RequestId, SessionKey};
use contract::record::Origin;
use contract::{Micros, Text};
use dashmap::DashMap;
use futures_util::future::{AbortHandle, Abortable};
use http::{HeaderValue, StatusCode};
use std::future::Future;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// A connection.
#[derive(Debug)]
pub struct Client {
    /// Counted from 1 since the start.
    pub id: u64,
    /// The peer's address, as backends get it.
    pub address: HeaderValue,
    /// Where that is.
    pub origin: Origin,
    /// SHA-256 of the certificate shown.
    pub fingerprint: CertFingerprint,
    /// The server name of the handshake, lower case.
    pub server_name: Option<Text>,
    /// HTTP/2 was agreed.
    pub http2: bool,
    /// Ends the connection's task. Set when it begins.
    handle: OnceLock<AbortHandle>,
    /// Why it was cut: a [`Cut`]'s number, 0: it was not.
    cut: AtomicU8,
    busy: AtomicU32,
    began: Instant,
    /// Milliseconds since `began`: the last request's end.
    idle_since: AtomicU64,
    /// Milliseconds since `began`, plus one: the first byte of a head that is not whole yet; 0: none.
    head_since: AtomicU64,
    /// HTTP/1: the request line that came last and was not asked for yet. 0: none, 1: as it must be, 2: odd.
    line: AtomicU8,
    /// The answer to something that was no request.
    unread: OnceLock<Unread>,
}

/// The answer to something that was no request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unread {
    /// The id that the answer names, and its record.
    pub request: RequestId,
    /// Its status.
    pub status: StatusCode,
}

/// Why a connection was cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Cut {
    /// The right behind a long exchange ended.
    RightEnded = 1,
    /// Nothing was asked on it for too long.
    Idle = 2,
    /// A head was too long on its way.
    SlowHead = 3,
    /// Its device was revoked.
    DeviceRevoked = 4,
    /// The gateway stops, and has waited long enough.
    Stopping = 5,
}

impl Cut {
    /// Its name in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RightEnded => "right_ended",
            Self::Idle => "idle",
            Self::SlowHead => "slow_head",
            Self::DeviceRevoked => "device_revoked",
            Self::Stopping => "stopping",
        }
    }
}

/// Digits, dots, letters and colons: always a header value.
fn address_value(address: IpAddr) -> HeaderValue {
    HeaderValue::from_str(&address.to_string()).unwrap_or_else(|_| HeaderValue::from_static("unknown"))
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
            address: address_value(address),
            origin,
            fingerprint,
            server_name,
            http2,
            handle: OnceLock::new(),
            cut: AtomicU8::new(0),
            busy: AtomicU32::new(0),
            began: Instant::now(),
            idle_since: AtomicU64::new(0),
            head_since: AtomicU64::new(0),
            line: AtomicU8::new(0),
            unread: OnceLock::new(),
        }
    }

    /// The connection whose task this is.
    pub fn here() -> Option<Arc<Self>> {
        HERE.try_with(Arc::clone).ok()
    }

    /// Runs a piece of the connection's work, such as one of its streams, so that it finds the connection.
    pub async fn scope<F: Future>(self: Arc<Self>, work: F) -> F::Output {
        HERE.scope(self, work).await
    }

    /// Runs the connection's work until it ends, or is cut: then it is dropped, wherever it waits.
    pub async fn run<F: Future<Output = ()>>(self: Arc<Self>, work: F) -> Option<Cut> {
        let (handle, registration) = AbortHandle::new_pair();
        let _once = self.handle.set(handle);
        // Cut before it began: by then there was no handle.
        if self.why_cut().is_none() {
            let _cut = Abortable::new(HERE.scope(Arc::clone(&self), work), registration).await;
        }
        self.why_cut()
    }

    /// Cuts the connection. The first reason stands.
    pub fn cut(&self, why: Cut) {
        let _first = self.cut.compare_exchange(0, why as u8, Ordering::AcqRel, Ordering::Acquire);
        if let Some(handle) = self.handle.get() {
            handle.abort();
        }
    }

    /// Why it was cut, if it was.
    fn why_cut(&self) -> Option<Cut> {
        let cut = self.cut.load(Ordering::Acquire);
        [Cut::RightEnded, Cut::Idle, Cut::SlowHead, Cut::DeviceRevoked, Cut::Stopping]
            .into_iter()
            .find(|why| *why as u8 == cut)
    }

    /// Notes the answer to something that was no request: there is one at most, for the connection ends with it.
    pub fn note_unread(&self, unread: Unread) {
        let _first = self.unread.set(unread);
    }

    /// The answer to something that was no request.
    pub fn unread(&self) -> Option<Unread> {
        self.unread.get().copied()
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

    /// Whether it has waited too long for a head to come, or for one to become whole.
    pub fn overdue(&self, idle_max: Duration, head_max: Duration) -> Option<Cut> {
        if !self.is_idle() {
            return None;
        }
        let waited = |since: u64, max: Duration| u128::from(self.elapsed_ms().saturating_sub(since)) >= max.as_millis();
        match self.head_since.load(Ordering::Acquire) {
            0 => waited(self.idle_since.load(Ordering::Acquire), idle_max).then_some(Cut::Idle),
            since => waited(since - 1, head_max).then_some(Cut::SlowHead),
        }
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

    /// Cuts connections that idle, or whose head dribbles in. To be called now and then: one look at all of them is
    /// cheaper than a timer for each.
    pub fn cut_overdue(&self, idle_max: Duration, head_max: Duration) {
        for client in &self.open {
            if let Some(why) = client.overdue(idle_max, head_max) {
                client.cut(why);
            }
        }
    }

    /// Cuts all, when the gateway stops.
    pub fn cut_all(&self) {
        self.open.iter().for_each(|client| client.cut(Cut::Stopping));
    }

    /// Cuts what has lost its right: connections of devices for which `device_ok` is false, and long exchanges that
    /// policy no longer allows. Gives how many were cut.
    pub fn cut_unentitled(&self, device_ok: impl Fn(&CertFingerprint) -> bool, now: Micros) -> usize {
        let mut cut = 0;
        for client in &self.open {
            if !device_ok(&client.fingerprint) {
                client.cut(Cut::DeviceRevoked);
                cut += 1;
            }
        }
        for long in &self.long {
            if !(long.allowed.0)(now) {
                long.client.cut(Cut::RightEnded);
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
