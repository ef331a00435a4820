//! Listeners: TCP, Unix sockets and mutual TLS, each with a bound on connections, on the time a request's head may
//! take, and on the time a reader may keep an answer waiting.
//!
//! A reader that takes nothing for [`Limits::stall`] loses its connection: it cannot hold memory for longer. Where anybody
//! may come, one address has no more than [`Limits::of_one_address`] connections, and failed handshakes are no news.

mod body;
mod cards;
mod limit;
mod peers;

pub use body::{BODY, TooSlow, in_time};
pub use cards::{CardTlsError, card_tls};
pub use limit::Limit;
pub use peers::Peer;

use crate::config::Listen;
use arc_swap::ArcSwap;
use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls_pki_types::CertificateDer;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;
use tokio::time::Sleep;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Why a listener cannot be bound.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {listen}")]
pub struct BindError {
    listen: String,
    #[source]
    source: io::Error,
}

/// What a listener allows.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at a time; more wait in the system's queue.
    pub connections_max: usize,
    /// A request's head, and a TLS handshake, must be whole within this.
    pub head: Duration,
    /// A reader must take something within this.
    pub stall: Duration,
    /// Connections of one address at a time, where anybody may come.
    pub of_one_address: Option<usize>,
}

/// The certificate that the other end has shown, and whose key it has. A request has it among its extensions.
#[derive(Debug, Clone)]
pub struct ClientCertificate(pub CertificateDer<'static>);

/// Hears of handshakes that fail: from where, and why. Without an error they took too long.
pub type Failures = Arc<dyn Fn(Option<Peer>, Option<&io::Error>) + Send + Sync>;

/// A bound listener.
pub struct Bound {
    socket: Socket,
    tls: Option<Arc<ArcSwap<rustls::ServerConfig>>>,
    name: String,
    failures: Option<Failures>,
}

impl std::fmt::Debug for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bound({})", self.name)
    }
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix { listener: UnixListener, _file: SocketFile },
}

/// A Unix socket's file, removed with the listener.
#[derive(Debug)]
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _gone_already = std::fs::remove_file(&self.0);
    }
}

impl Bound {
    /// Binds. Port 0 takes any free port; [`Self::name`] tells which.
    pub async fn bind(listen: &Listen, tls: Option<Arc<ArcSwap<rustls::ServerConfig>>>) -> Result<Self, BindError> {
        let failed = |source| BindError { listen: listen.to_string(), source };
        match listen {
            Listen::Tcp(address) => {
                let listener = TcpListener::bind(address).await.map_err(failed)?;
                let name = listener.local_addr().map_err(failed)?.to_string();
                Ok(Self { socket: Socket::Tcp(listener), tls, name, failures: None })
            }
            Listen::Unix(path) => {
                let listener = bind_unix(path).map_err(failed)?;
                let name = format!("unix:{}", path.display());
                let socket = Socket::Unix { listener, _file: SocketFile(path.clone()) };
                Ok(Self { socket, tls: None, name, failures: None })
            }
        }
    }

    /// The address that was bound: `127.0.0.1:4711` or `unix:/path`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Tells of handshakes that fail.
    #[must_use]
    pub fn telling(self, failures: Failures) -> Self {
        Self { failures: Some(failures), ..self }
    }

    /// Serves until `stop`, then lets requests that run come to their end.
    pub async fn serve(self, router: Router, limits: Limits, stop: CancellationToken) {
        let permits = Arc::new(Semaphore::new(limits.connections_max));
        let tracker = TaskTracker::new();
        let peers = peers::Peers::new(limits.of_one_address);
        loop {
            let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { break };
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = self.accept() => accepted,
            };
            let stream = match accepted {
                Ok(stream) => stream,
                Err(error) => {
                    // Out of file descriptors, most likely: wait, or this loop takes the processor.
                    tracing::warn!(%error, listener = %self.name, "cannot accept");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let peer = stream.peer();
            // Who has as many as they may gets none.
            let Some(place) = peers.place(peer) else { continue };
            let (router, stop, tls) = (router.clone(), stop.clone(), self.tls.as_ref().map(|tls| tls.load_full()));
            let (name, failures) = (self.name.clone(), self.failures.clone());
            let mut end = End { peer, certificate: None };
            tracker.spawn(async move {
                let _permit = (permit, place);
                match (stream, tls) {
                    (Stream::Tcp(stream, _), Some(tls)) => {
                        let handshake = TlsAcceptor::from(tls).accept(stream);
                        match tokio::time::timeout(limits.head, handshake).await {
                            Ok(Ok(stream)) => {
                                let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
                                end.certificate = shown.map(|shown| ClientCertificate(shown.clone().into_owned()));
                                connection(stream, end, router, limits, stop).await;
                            }
                            failed => {
                                let error = failed.map(Result::err).ok().flatten();
                                if let Some(tell) = failures {
                                    tell(peer, error.as_ref());
                                }
                                handshake_failed(&name, error, limits);
                            }
                        }
                    }
                    (Stream::Tcp(stream, _), None) => connection(stream, end, router, limits, stop).await,
                    (Stream::Unix(stream), _) => connection(stream, end, router, limits, stop).await,
                }
            });
        }
        drop(self.socket);
        tracker.close();
        tracker.wait().await;
    }

    async fn accept(&self) -> io::Result<Stream> {
        match &self.socket {
            Socket::Tcp(listener) => {
                let (stream, from): (_, SocketAddr) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(stream, from))
            }
            Socket::Unix { listener, .. } => Ok(Stream::Unix(listener.accept().await?.0)),
        }
    }
}

enum Stream {
    Tcp(tokio::net::TcpStream, SocketAddr),
    Unix(tokio::net::UnixStream),
}

impl Stream {
    fn peer(&self) -> Option<Peer> {
        match self {
            Self::Tcp(_, from) => Some(Peer(from.ip())),
            Self::Unix(_) => None,
        }
    }
}

/// Where anybody may come, anybody can make handshakes fail: that is no warning.
fn handshake_failed(listener: &str, error: Option<io::Error>, limits: Limits) {
    let why = error.map_or_else(|| "it took too long".to_owned(), |error| error.to_string());
    if limits.of_one_address.is_some() {
        tracing::debug!(listener, why, "a TLS handshake failed");
    } else {
        tracing::warn!(listener, why, "a TLS handshake failed");
    }
}

/// Binds a Unix socket with mode 0600 in place of one that a dead process left.
fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    if let Ok(meta) = std::fs::symlink_metadata(path) {
        use std::os::unix::fs::FileTypeExt as _;
        if !meta.file_type().is_socket() {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is a file that is no socket"));
        }
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, "another process listens there"));
        }
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// What is known of the other end.
struct End {
    peer: Option<Peer>,
    certificate: Option<ClientCertificate>,
}

async fn connection<S>(stream: S, end: End, router: Router, limits: Limits, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        if let Some(peer) = end.peer {
            request.extensions_mut().insert(peer);
        }
        if let Some(certificate) = &end.certificate {
            request.extensions_mut().insert(certificate.clone());
        }
        router.call(request)
    });
    let io = TokioIo::new(Guarded { io: stream, stall: limits.stall, waiting: None });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(io, service);
    let mut serving = pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = stop.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke");
    }
}

const HEAD_BYTES_MAX: usize = 32 << 10;

/// A stream whose reader must take something within `stall`.
struct Guarded<I> {
    io: I,
    stall: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl<I> Guarded<I> {
    fn judge<T>(&mut self, context: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.waiting = None;
            return polled;
        }
        let stall = self.stall;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(tokio::time::sleep(stall)));
        match waiting.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the reader takes nothing"))),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Guarded<I> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buf)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Guarded<I> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write(context, buf);
        self.judge(context, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write_vectored(context, bufs);
        self.judge(context, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.io).poll_flush(context);
        self.judge(context, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.io).poll_shutdown(context);
        self.judge(context, polled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt as _;

    #[tokio::test]
    async fn a_reader_that_takes_nothing_is_cut() {
        let (near, far) = tokio::io::duplex(16);
        let mut guarded = Guarded { io: near, stall: Duration::from_millis(20), waiting: None };
        guarded.write_all(&[0; 16]).await.expect("fits");
        let error = guarded.write_all(&[0; 1]).await.expect_err("nobody reads");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(far);
    }

    #[tokio::test]
    async fn a_socket_is_private_and_replaces_a_dead_one() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("internal.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).expect("binds"));
        let listen = Listen::Unix(path.clone());
        let bound = Bound::bind(&listen, None).await.expect("takes the dead one's place");
        let mode = std::fs::metadata(&path).expect("is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(Bound::bind(&listen, None).await.is_err(), "the first one still listens");
        drop(bound);
        assert!(!path.exists());
        std::fs::write(&path, "a file").expect("writes");
        assert!(Bound::bind(&listen, None).await.is_err(), "never removes what is no socket");
    }
}
