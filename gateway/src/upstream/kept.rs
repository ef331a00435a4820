//! Connections to one server that wait for their next request.
//!
//! The one that was given back last is taken first, so that those that are not needed grow old and end. There is no task
//! and no timer for each: whether its server has closed a connection is asked of the system at the moment it is taken,
//! and once a second of those that wait. What has come while nothing was asked (a close, an answer to nobody) makes a
//! connection useless.

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv};
use parking_lot::Mutex;
use pingora::protocols::Stream;
use std::time::{Duration, Instant};

/// The most that wait, for one server.
const KEPT_MAX: usize = 1024;

/// The connections that wait.
#[derive(Debug, Default)]
pub(super) struct Kept(Mutex<Vec<Waiting>>);

#[derive(Debug)]
struct Waiting {
    stream: Stream,
    since: Instant,
}

impl Kept {
    /// One that is open.
    pub(super) fn take(&self) -> Option<Stream> {
        loop {
            let waiting = self.0.lock().pop()?;
            if is_quiet(&waiting.stream) {
                return Some(waiting.stream);
            }
        }
    }

    /// Keeps one whose request is over. Too many are closed.
    pub(super) fn give(&self, stream: Stream) {
        let mut all = self.0.lock();
        if all.len() < KEPT_MAX {
            all.push(Waiting { stream, since: Instant::now() });
        }
    }

    /// Closes those that have waited for too long, or that their server has closed.
    pub(super) fn tidy(&self, idle_max: Duration) {
        let mut useless = Vec::new();
        // Closed after the lock is given back: requests wait for it.
        useless.extend(self.0.lock().extract_if(.., |w| w.since.elapsed() >= idle_max || !is_quiet(&w.stream)));
    }
}

/// Whether a connection is open, and nothing has come on it.
fn is_quiet(stream: &Stream) -> bool {
    recv(stream.id(), &mut [0], MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT) == Err(Errno::EAGAIN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pingora::protocols::l4::stream::Stream as L4Stream;
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::{TcpListener, TcpStream};

    async fn pair() -> (Stream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let ours = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (theirs, _) = listener.accept().await.unwrap();
        (Box::new(L4Stream::from(ours)), theirs)
    }

    /// Waits until what the other side did has arrived.
    async fn until_noticed(stream: &Stream) {
        while is_quiet(stream) {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn the_last_given_is_the_first_taken() {
        let kept = Kept::default();
        let ((first, _first_end), (second, _second_end)) = (pair().await, pair().await);
        let ids = (first.id(), second.id());
        kept.give(first);
        kept.give(second);
        assert_eq!(kept.take().map(|stream| stream.id()), Some(ids.1));
        assert_eq!(kept.take().map(|stream| stream.id()), Some(ids.0));
        assert!(kept.take().is_none());
    }

    #[tokio::test]
    async fn what_its_server_has_closed_or_written_to_is_not_given_out() {
        let kept = Kept::default();
        let (closed, its_end) = pair().await;
        drop(its_end);
        until_noticed(&closed).await;
        kept.give(closed);
        let (spoken_to, mut its_end) = pair().await;
        its_end.write_all(b"HTTP/1.1 200 OK\r\n").await.unwrap();
        until_noticed(&spoken_to).await;
        kept.give(spoken_to);
        assert!(kept.take().is_none());
    }

    #[tokio::test]
    async fn those_that_wait_too_long_are_closed() {
        let kept = Kept::default();
        let (stream, _end) = pair().await;
        kept.give(stream);
        kept.tidy(Duration::from_mins(1));
        assert_eq!(kept.0.lock().len(), 1);
        kept.tidy(Duration::ZERO);
        assert!(kept.take().is_none());
    }
}
