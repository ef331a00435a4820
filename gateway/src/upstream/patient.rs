//! Connections for upgrades, which read a little later than they could.
//!
//! pingora 0.9.1 takes the end of an upgrade request's empty body for the end of the tunnel, if it handles it after the
//! backend's 101: <https://github.com/cloudflare/pingora/issues/946>. Which of the two it handles first is left to
//! chance as soon as both are there, so a busy gateway would close WebSockets that have just been opened. A connection
//! that gives way twice after each write lets the end of the body be handled first, always. To be dropped with the
//! release that has the correction.

use async_trait::async_trait;
use pingora::connectors::l4::Connect;
use pingora::protocols::l4::socket::SocketAddr;
use pingora::protocols::l4::stream::Stream;
use pingora::protocols::l4::virt::{VirtualSockOpt, VirtualSocket, VirtualSocketStream};
use pingora::upstreams::peer::HttpPeer;
use pingora::{ErrorType, OrErr};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// Makes a peer's connections patient. They are pooled apart from others.
pub(super) fn make(peer: &mut HttpPeer) {
    // pingora leaves the time-out to the connector, if there is one.
    peer.options.custom_l4 =
        Some(Arc::new(Connector { timeout: peer.options.connection_timeout.unwrap_or(CONNECT_TIMEOUT) }));
    peer.group_key = GROUP;
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const GROUP: u64 = 1;
/// Once for the half that takes the body to be asked at all, once for what it sent to be taken.
const TURNS: u8 = 2;

#[derive(Debug)]
struct Connector {
    timeout: Duration,
}

#[async_trait]
impl Connect for Connector {
    async fn connect(&self, address: &SocketAddr) -> pingora::Result<Stream> {
        let connected = tokio::time::timeout(self.timeout, open(address)).await;
        let socket = connected.or_err(ErrorType::ConnectTimedout, "a connection for an upgrade")?;
        Ok(Stream::from(VirtualSocketStream::new(
            socket.or_err(ErrorType::ConnectError, "a connection for an upgrade")?,
        )))
    }
}

async fn open(address: &SocketAddr) -> io::Result<Box<dyn VirtualSocket>> {
    match address {
        SocketAddr::Inet(inet) => {
            let stream = TcpStream::connect(inet).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(Patient { stream, turns: 0 }))
        }
        SocketAddr::Unix(unix) => {
            let path = unix.as_pathname().ok_or(io::ErrorKind::InvalidInput)?;
            Ok(Box::new(Patient { stream: UnixStream::connect(path).await?, turns: 0 }))
        }
    }
}

#[derive(Debug)]
struct Patient<S> {
    stream: S,
    /// How often it still gives way before it reads.
    turns: u8,
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if let Some(left) = self.turns.checked_sub(1) {
            self.turns = left;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.turns = TURNS;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + Sync + std::fmt::Debug> VirtualSocket for Patient<S> {
    /// Set at the connection; nothing else is asked for.
    fn set_socket_option(&self, _option: VirtualSockOpt) -> io::Result<()> {
        Ok(())
    }
}
