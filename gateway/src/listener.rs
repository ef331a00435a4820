//! The listener: accepts connections, does TLS, and hands each to the proxy as a [`Client`]'s task.
//!
//! It is our own and not pingora's, for what that one leaves open: a handshake that is refused is recorded with its
//! reason; handshakes and connections are limited per address; a head that dribbles in and a connection that idles are
//! cut; and a connection can be cut from outside the moment its device is revoked.
//!
//! Memory: an idle HTTP/1.1 connection takes about 16 KiB, most of it TLS state, one of HTTP/2 about 45
//! (`loadtest bench --idle 10000`), and there are at most `connections_max`.

mod line;
pub mod metrics;
mod serve;
pub mod stream;
mod unread;

pub use metrics::Metrics;

use crate::client::{Client, Clients};
use crate::clock;
use crate::config::Limits;
use crate::geo::Geo;
use crate::recorder::flood::Floods;
use crate::tls::{self, Refused};
use contract::Text;
use contract::id::{CertFingerprint, RequestId};
use contract::pseudonym::PatientRef;
use contract::record::{Actor, AuthEvent, AuthEventKind, AuthMethod, Reason};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use rustls::{AlertDescription, CertificateError, Error as TlsError};
use std::error::Error;
use std::io;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;
use stream::Stream;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use uuid::Uuid;

pub use serve::Application;

/// What all listeners share.
pub struct Listener<A> {
    acceptor: TlsAcceptor,
    application: Arc<A>,
    clients: Arc<Clients>,
    floods: Arc<Floods>,
    geo: Geo,
    limits: Limits,
    handshake_timeout: Duration,
    handshakes: DefaultKeyedRateLimiter<IpAddr>,
    places: Arc<Semaphore>,
    metrics: Metrics,
}

/// What a listener is made of.
pub struct Parts<A> {
    /// TLS.
    pub tls: rustls::ServerConfig,
    /// Serves the requests.
    pub application: Arc<A>,
    /// All connections.
    pub clients: Arc<Clients>,
    /// Where refused handshakes are told.
    pub floods: Arc<Floods>,
    /// Country data.
    pub geo: Geo,
    /// What one client may take.
    pub limits: Limits,
    /// How long a handshake may take.
    pub handshake_timeout: Duration,
    /// What operators see.
    pub metrics: Metrics,
}

impl<A: Application> Listener<A> {
    /// Puts a listener together.
    pub fn new(parts: Parts<A>) -> Arc<Self> {
        let per_second = NonZeroU32::new(parts.limits.handshakes_per_address_per_s).unwrap_or(NonZeroU32::MIN);
        Arc::new(Self {
            acceptor: TlsAcceptor::from(Arc::new(parts.tls)),
            application: parts.application,
            clients: parts.clients,
            floods: parts.floods,
            geo: parts.geo,
            handshake_timeout: parts.handshake_timeout,
            handshakes: RateLimiter::keyed(Quota::per_second(per_second)),
            places: Arc::new(Semaphore::new(parts.limits.connections_max)),
            limits: parts.limits,
            metrics: parts.metrics,
        })
    }

    /// Accepts connections until told to stop. Those that are open go on.
    pub async fn run(self: Arc<Self>, socket: TcpListener, mut stop: watch::Receiver<bool>) {
        loop {
            let accepted = tokio::select! {
                accepted = socket.accept() => accepted,
                _ = stop.wait_for(|stop| *stop) => return,
            };
            match accepted {
                Ok((stream, peer)) => self.take(stream, peer.ip(), &stop),
                Err(error) => {
                    tracing::error!(error = &error as &dyn Error, "a connection could not be accepted");
                    // Out of file descriptors, say: without a pause this would spin.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    /// Cuts connections that idle, and forgets addresses that have not come for a while. To be called each second: a
    /// connection may wait that much longer than it may.
    pub fn tidy(&self) {
        self.clients.cut_overdue(self.limits.idle_timeout, self.limits.head_timeout);
        self.handshakes.retain_recent();
    }

    fn take(self: &Arc<Self>, stream: TcpStream, address: IpAddr, stop: &watch::Receiver<bool>) {
        let Ok(permit) = Arc::clone(&self.places).try_acquire_owned() else {
            self.metrics.shed("connections_max");
            return;
        };
        let Some(place) = self.clients.place(address, self.limits.connections_per_address) else {
            self.metrics.shed("connections_per_address");
            return;
        };
        if self.handshakes.check_key(&address).is_err() {
            self.metrics.shed("handshakes_per_address");
            return;
        }
        let (this, stop) = (Arc::clone(self), stop.clone());
        crate::task::spawn("handshake", async move {
            let taken = (permit, place);
            let Some((stream, client)) = this.handshake(stream, address).await else { return };
            // A task of its own: the one that holds a handshake is many times as large as one that waits for a request.
            crate::task::spawn("connection", async move {
                let _taken = taken;
                this.serve(stream, client, stop).await;
            });
        });
    }

    async fn handshake(&self, stream: TcpStream, address: IpAddr) -> Option<(Box<Stream>, Arc<Client>)> {
        // Without it small answers wait for the peer's acknowledgement; a socket that is gone already fails below.
        let _nodelay = stream.set_nodelay(true);
        let began = std::time::Instant::now();
        let handshake = self.acceptor.accept(stream::Buffered::new(stream)).into_fallible();
        let (result, refused) = tls::noting(tokio::time::timeout(self.handshake_timeout, handshake)).await;
        let stream = match result {
            Ok(Ok(stream)) => stream,
            Ok(Err((error, stream))) => {
                self.refused(address, reason(&error), refused);
                stream.part().await;
                return None;
            }
            Err(_) => {
                self.refused(address, Some(Reason::Slow), refused);
                return None;
            }
        };
        self.metrics.handshake_seconds.observe(began.elapsed().as_secs_f64());
        let (_, connection) = stream.get_ref();
        // A mandatory client certificate makes this certain; without one nothing is served.
        let certificate = connection.peer_certificates().and_then(<[_]>::first)?;
        let client = Arc::new(Client::new(
            self.clients.next_id(),
            address,
            self.geo.origin(address),
            CertFingerprint::of_der(certificate),
            connection.server_name().map(|name| Text::from(name.to_ascii_lowercase())),
            connection.alpn_protocol() == Some(b"h2"),
        ));
        Some((Box::new(Stream::new(stream, Arc::clone(&client))), client))
    }

    /// Records a refused handshake. `None`: the peer went away, which says nothing.
    fn refused(&self, address: IpAddr, reason: Option<Reason>, refused: Option<Refused>) {
        let Some(reason) = reason else {
            self.metrics.handshakes.with_label_values(&["abandoned"]).inc();
            return;
        };
        self.metrics.handshakes.with_label_values(&[reason.as_str()]).inc();
        let nobody = Actor::nobody();
        self.floods.event(AuthEvent {
            at: clock::now(),
            id: RequestId::new(Uuid::now_v7()),
            kind: AuthEventKind::HandshakeRefused,
            reason,
            account: nobody.account,
            by: nobody.account,
            user_name: PatientRef::NONE,
            device: nobody.device,
            device_cert: refused.map_or(nobody.device_cert, |refused| refused.0),
            device_org: nobody.device_org,
            origin: self.geo.origin(address),
            auth_method: AuthMethod::None,
            session: 0,
            count: 1,
            detail: nobody.acr,
        });
    }
}

/// Why a handshake failed, in the record's words; `None` if the peer merely left.
fn reason(error: &io::Error) -> Option<Reason> {
    let error = error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>())?;
    Some(match error {
        TlsError::NoCertificatesPresented => Reason::CertAbsent,
        TlsError::InvalidCertificate(certificate) => match certificate {
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => Reason::CertExpired,
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Reason::CertForeign,
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => Reason::CertPurpose,
            CertificateError::Revoked => Reason::CertRevoked,
            _ => Reason::CertBroken,
        },
        TlsError::PeerIncompatible(_) => Reason::TlsVersion,
        TlsError::AlertReceived(AlertDescription::CertificateUnknown | AlertDescription::UnknownCA) => return None,
        _ => Reason::CertBroken,
    })
}
