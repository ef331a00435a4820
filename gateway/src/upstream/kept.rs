//! Connections to one server that wait for their next request.
//!
//! The one that was given back last is taken first, so that those that are not needed grow old and end. There is no task
//! and no timer for each: whether its server has closed a connection is asked of the system at the moment it is taken,
//! and once a second of those that wait. What has come while nothing was asked (a close, an answer to nobody), whether it
//! is in the socket still or already decrypted, makes a connection useless.

use futures_util::FutureExt as _;
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv};
use parking_lot::Mutex;
use pingora::protocols::{Stream, UniqueIDType};
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt as _;

/// The most that wait, for one server.
const KEPT_MAX: usize = 1024;

/// The connections that wait.
#[derive(Debug, Default)]
pub(super) struct Kept(Mutex<Vec<Waiting>>);

#[derive(Debug)]
struct Waiting {
    stream: Stream,
    until: Instant,
}

impl Kept {
    /// One that is open.
    pub(super) fn take(&self) -> Option<Stream> {
        loop {
            let mut waiting = self.0.lock().pop()?;
            if Instant::now() < waiting.until && is_quiet(&mut waiting.stream) {
                return Some(waiting.stream);
            }
        }
    }

    /// Keeps one whose request is over, for so long. Too many are closed. Whether it is of use is asked when it is taken.
    pub(super) fn give(&self, stream: Stream, idle_max: Duration) {
        let Some(until) = Instant::now().checked_add(idle_max) else { return };
        let mut all = self.0.lock();
        if all.len() < KEPT_MAX {
            all.push(Waiting { stream, until });
        }
    }

    /// Closes those that have waited for too long, or that their server has closed.
    pub(super) fn tidy(&self) {
        let now = Instant::now();
        let mut useless = Vec::new();
        // Closed after the lock is given back: requests wait for it.
        useless.extend(self.0.lock().extract_if(.., |w| w.until <= now || !is_silent(w.stream.id())));
    }
}

/// Whether a connection is open, and nothing has come on it: neither in its socket, nor past it, where TLS and buffers
/// keep what they have read.
fn is_quiet(stream: &mut Stream) -> bool {
    // Without the runtime's turns: when those are used up, each read would look as if nothing were there.
    is_silent(stream.id()) && tokio::task::unconstrained(stream.read(&mut [0])).now_or_never().is_none()
}

/// Whether a socket is open, and nothing waits in it to be read.
pub(super) fn is_silent(socket: UniqueIDType) -> bool {
    recv(socket, &mut [0], MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT) == Err(Errno::EAGAIN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pingora::protocols::l4::stream::Stream as L4Stream;
    use std::sync::Arc;
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::{TcpListener, TcpStream};

    async fn pair() -> (Stream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let ours = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (theirs, _) = listener.accept().await.unwrap();
        (Box::new(L4Stream::from(ours)), theirs)
    }

    const LONG: Duration = Duration::from_mins(1);

    /// Waits until what the other side did has arrived.
    async fn until_heard(socket: UniqueIDType) {
        while is_silent(socket) {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn the_last_given_is_the_first_taken() {
        let kept = Kept::default();
        let ((first, _first_end), (second, _second_end)) = (pair().await, pair().await);
        let ids = (first.id(), second.id());
        kept.give(first, LONG);
        kept.give(second, LONG);
        assert_eq!(kept.take().map(|stream| stream.id()), Some(ids.1));
        assert_eq!(kept.take().map(|stream| stream.id()), Some(ids.0));
        assert!(kept.take().is_none());
    }

    #[tokio::test]
    async fn what_its_server_has_closed_or_written_to_is_not_given_out() {
        let kept = Kept::default();
        let (closed, its_end) = pair().await;
        let (spoken_to, mut spoken_end) = pair().await;
        let sockets = [closed.id(), spoken_to.id()];
        kept.give(closed, LONG);
        kept.give(spoken_to, LONG);
        drop(its_end);
        spoken_end.write_all(b"HTTP/1.1 200 OK\r\n").await.unwrap();
        for socket in sockets {
            until_heard(socket).await;
        }
        assert!(kept.take().is_none());
    }

    /// A connection over TLS, of whose first record only the first byte was asked for.
    async fn with_decrypted_rest() -> (Stream, tokio_rustls::server::TlsStream<TcpStream>) {
        let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let rcgen::CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(["backend".to_owned()]).unwrap();
        let key = rustls_pki_types::PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let config = rustls::ServerConfig::builder().with_no_client_auth();
        let config = config.with_single_cert(vec![cert.der().clone()], key).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = async {
            let (socket, _) = listener.accept().await.unwrap();
            let mut tls = tokio_rustls::TlsAcceptor::from(Arc::new(config)).accept(socket).await.unwrap();
            tls.write_all(b"AB").await.unwrap();
            tls.flush().await.unwrap();
            tls
        };
        let mut peer = pingora::upstreams::peer::HttpPeer::new(address, true, "backend".to_owned());
        peer.options.verify_cert = false;
        peer.options.verify_hostname = false;
        let connector = pingora::connectors::TransportConnector::new(None);
        let (end, stream) = tokio::join!(server, connector.new_stream(&peer));
        let mut stream = stream.unwrap();
        stream.read_exact(&mut [0]).await.unwrap();
        (stream, end)
    }

    #[tokio::test]
    async fn what_tls_has_decrypted_past_an_answer_makes_it_useless() {
        let kept = Kept::default();
        let (stream, _end) = with_decrypted_rest().await;
        assert!(is_silent(stream.id()), "all has been taken from the socket");
        kept.give(stream, LONG);
        assert!(kept.take().is_none());
    }

    #[tokio::test]
    async fn those_that_wait_too_long_are_closed() {
        let kept = Kept::default();
        let ((stream, _end), (other, _other_end)) = (pair().await, pair().await);
        kept.give(stream, LONG);
        kept.tidy();
        assert_eq!(kept.0.lock().len(), 1);
        kept.give(other, Duration::ZERO);
        kept.tidy();
        assert_eq!(kept.0.lock().len(), 1);
    }
}
