//! A connection's bytes: TLS over a small write buffer over TCP, in the shape that pingora wants.
//!
//! The buffer joins what TLS writes for a head and a small body into one system call. Reads tell the [`Client`] when a
//! head begins to arrive, so that one that never ends can be cut.

use super::line::Line;
use crate::client::{Client, Unread};
use async_trait::async_trait;
use bytes::{Buf as _, Bytes};
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, TimingDigest, UniqueID,
    UniqueIDType,
};
use std::future::poll_fn;
use std::io;
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncBufRead as _, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// Bytes that are gathered before a write: a head and a small body in their TLS records.
const WRITE_BUFFER_BYTES: usize = 4096;
/// For a client whose handshake is refused to read why.
const PART_TIMEOUT: Duration = Duration::from_millis(500);

/// TCP with a write buffer, which has memory only while something is in it: most connections idle.
#[derive(Debug)]
pub struct Buffered {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// Bytes of the buffer that are on their way.
    sent: usize,
}

impl Buffered {
    /// Wraps a socket.
    pub fn new(stream: TcpStream) -> Self {
        Self { stream, buffer: Vec::new(), sent: 0 }
    }

    /// Ends a connection whose handshake is refused. The alert that says why is in the buffer still; and it would be
    /// lost if the socket were closed on what the client has sent meanwhile.
    pub(super) async fn part(mut self) {
        let part = async {
            self.shutdown().await?;
            let mut unread = [0; 1024];
            while self.stream.read(&mut unread).await? > 0 {}
            io::Result::Ok(())
        };
        // Whoever does not go is left.
        let _gone = tokio::time::timeout(PART_TIMEOUT, part).await;
    }

    /// Sends what the buffer holds, and gives its memory back.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self.buffer.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                sent => self.sent += sent,
            }
        }
        (self.buffer, self.sent) = (Vec::new(), 0);
        Poll::Ready(Ok(()))
    }

    /// Makes room for so many bytes; false if they are too many for the buffer, which is empty then.
    fn poll_room(&mut self, cx: &mut Context<'_>, bytes: usize) -> Poll<io::Result<bool>> {
        if self.buffer.len() + bytes > WRITE_BUFFER_BYTES {
            ready!(self.poll_send(cx))?;
        }
        let fits = bytes <= WRITE_BUFFER_BYTES;
        if fits && self.buffer.capacity() == 0 {
            self.buffer.reserve_exact(WRITE_BUFFER_BYTES);
        }
        Poll::Ready(Ok(fits))
    }
}

impl AsyncRead for Buffered {
    /// Whoever waits for the client has nothing more to say for now: what was said leaves.
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.buffer.is_empty()
            && let Poll::Ready(Err(error)) = self.poll_send(cx)
        {
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Buffered {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if !ready!(self.poll_room(cx, buf.len()))? {
            return Pin::new(&mut self.stream).poll_write(cx, buf);
        }
        self.buffer.extend_from_slice(buf);
        Poll::Ready(Ok(buf.len()))
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let bytes = bufs.iter().map(|buf| buf.len()).sum();
        if !ready!(self.poll_room(cx, bytes))? {
            return Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        }
        for buf in bufs {
            self.buffer.extend_from_slice(buf);
        }
        Poll::Ready(Ok(bytes))
    }
    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A connection after its handshake.
#[derive(Debug)]
pub struct Stream {
    tls: TlsStream<Buffered>,
    client: Arc<Client>,
    digest: Arc<SocketDigest>,
    /// What is left of the answer to something that was no request.
    unread: Option<Bytes>,
    /// The request line on its way.
    line: Line,
}

impl Stream {
    pub(super) fn new(tls: TlsStream<Buffered>, client: Arc<Client>) -> Self {
        let fd = tls.get_ref().0.stream.as_raw_fd();
        Self { tls, client, digest: Arc::new(SocketDigest::from_raw_fd(fd)), unread: None, line: Line::default() }
    }

    /// Waits for the first byte of a head; false if the peer has ended the connection instead. To wait here, before
    /// pingora has made anything for the request, is what makes an idle connection small.
    pub(super) async fn head_begins(&mut self) -> bool {
        let came = poll_fn(|cx| Pin::new(&mut self.tls).poll_fill_buf(cx).map_ok(<[u8]>::len)).await;
        matches!(came, Ok(1..))
    }

    /// Puts our answer in the place of pingora's own to a head that it could not read. True from then on: whatever else
    /// is written to this connection is dropped, for nothing follows such an answer.
    fn answers_unread(&mut self, buf: &[u8]) -> bool {
        if self.unread.is_none()
            && !self.client.http2
            && self.client.is_idle()
            && let Some(unread) = Unread::of_answer(buf)
        {
            self.client.note_unread(unread);
            self.unread = Some(unread.answer());
        }
        self.unread.is_some()
    }

    /// Writes what is left of our answer.
    fn poll_unread(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self.unread.as_mut().filter(|rest| !rest.is_empty()) {
            let written = ready!(Pin::new(&mut self.tls).poll_write(cx, rest))?;
            rest.advance(written.min(rest.len()));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = Pin::new(&mut self.tls).poll_read(cx, buf);
        let came = buf.filled().get(before..).unwrap_or_default();
        if !came.is_empty() && self.client.is_idle() && !self.client.http2 {
            if self.client.head_bytes_came() {
                self.line = Line::default();
            }
            if let Some(clean) = self.line.take(came) {
                self.client.line_came(clean);
            }
        }
        result
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.answers_unread(buf) {
            return self.poll_unread(cx).map_ok(|()| buf.len());
        }
        Pin::new(&mut self.tls).poll_write(cx, buf)
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.answers_unread(bufs.first().map_or(&[], |first| first)) {
            return self.poll_unread(cx).map_ok(|()| bufs.iter().map(|buf| buf.len()).sum());
        }
        Pin::new(&mut self.tls).poll_write_vectored(cx, bufs)
    }
    fn is_write_vectored(&self) -> bool {
        self.tls.is_write_vectored()
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_shutdown(cx)
    }
}

#[async_trait]
impl Shutdown for Stream {
    async fn shutdown(&mut self) {
        // The peer may be gone already; there is nobody to tell.
        let _gone = AsyncWriteExt::shutdown(self).await;
    }
}

impl UniqueID for Stream {
    fn id(&self) -> UniqueIDType {
        self.tls.get_ref().0.stream.as_raw_fd()
    }
}

impl Ssl for Stream {}

#[async_trait]
impl Peek for Stream {}

impl GetTimingDigest for Stream {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl GetProxyDigest for Stream {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        None
    }
}

impl GetSocketDigest for Stream {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        Some(Arc::clone(&self.digest))
    }
}
