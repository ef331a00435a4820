//! A backend made of bytes: it says exactly what its script says, however rude, and keeps what it was asked.
//!
//! Plain threads, one for each connection, so that it serves the tests of several runtimes. Which script runs is said by
//! the request's path, `/…/WHAT/PATIENT`: several tests may share one backend.
#![expect(clippy::indexing_slicing, reason = "tests")]

use parking_lot::{Condvar, Mutex};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A request as it arrived, without its body.
#[derive(Debug, Clone)]
pub(crate) struct Heard {
    /// The connection that it came on, counted from 0.
    pub(crate) connection: usize,
    /// How many came before it on that connection.
    pub(crate) before: usize,
    pub(crate) path: String,
    /// The head, lower case.
    pub(crate) head: String,
    /// The key of a WebSocket that is asked for.
    pub(crate) key: Option<String>,
}

impl Heard {
    /// The script that it asks for.
    pub(crate) fn what(&self) -> &str {
        self.path.split('/').rev().nth(1).unwrap_or_default()
    }

    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// What becomes of a connection after a script.
pub(crate) enum Then {
    Keep,
    Close,
}

/// The backend. Dropped, it takes no more connections.
pub(crate) struct Rude {
    address: SocketAddr,
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    heard: Mutex<Vec<Heard>>,
    said: Mutex<usize>,
    closed: Mutex<usize>,
    signals: Mutex<usize>,
    signalled: Condvar,
    stopped: AtomicBool,
}

/// A connection, for a script.
pub(crate) struct Visit {
    stream: TcpStream,
    ahead: Vec<u8>,
    inner: Arc<Inner>,
}

/// The longest wait of a script for a signal: a test that fails must not leave it waiting.
const SIGNAL_LIMIT: Duration = Duration::from_secs(30);

impl Rude {
    /// Listens.
    pub(crate) fn open(script: impl Fn(&mut Visit, &Heard) -> Then + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let inner = Arc::new(Inner::default());
        let (shared, script) = (Arc::clone(&inner), Arc::new(script));
        std::thread::spawn(move || {
            for (connection, stream) in listener.incoming().enumerate() {
                if shared.stopped.load(Ordering::Acquire) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let _ = stream.set_nodelay(true);
                let mut visit = Visit { stream, ahead: Vec::new(), inner: Arc::clone(&shared) };
                let script = Arc::clone(&script);
                std::thread::spawn(move || visit.serve(connection, script.as_ref()));
            }
        });
        Self { address, inner }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The requests that asked for this script.
    pub(crate) fn heard(&self, what: &str) -> Vec<Heard> {
        self.inner.heard.lock().iter().filter(|heard| heard.what() == what).cloned().collect()
    }

    /// How often it has said something. What was said is with the gateway's machine, which is this one.
    pub(crate) fn said(&self) -> usize {
        *self.inner.said.lock()
    }

    /// How many connections it has closed.
    pub(crate) fn closed(&self) -> usize {
        *self.inner.closed.lock()
    }

    /// Lets one script go on that waits.
    pub(crate) fn signal(&self) {
        *self.inner.signals.lock() += 1;
        self.inner.signalled.notify_all();
    }
}

impl Drop for Rude {
    fn drop(&mut self) {
        self.inner.stopped.store(true, Ordering::Release);
        // Wakes the listener.
        let _ = TcpStream::connect(self.address);
    }
}

impl Visit {
    fn serve(&mut self, connection: usize, script: &impl Fn(&mut Self, &Heard) -> Then) {
        let mut before = 0;
        while let Some(head) = self.head() {
            let path = head.split(' ').nth(1).unwrap_or_default();
            let heard =
                Heard { connection, before, path: path.to_owned(), key: key(&head), head: head.to_ascii_lowercase() };
            before += 1;
            self.inner.heard.lock().push(heard.clone());
            if matches!(script(self, &heard), Then::Close) {
                break;
            }
        }
        let _ = self.stream.shutdown(Shutdown::Both);
        *self.inner.closed.lock() += 1;
    }

    /// Says this, as one piece. Who has left does not hear it.
    pub(crate) fn say(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref());
        *self.inner.said.lock() += 1;
    }

    /// Says that nothing more will be said; what comes is still read.
    pub(crate) fn fall_silent(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Reads the request's body to its end.
    pub(crate) fn body(&mut self, of: &Heard) -> Vec<u8> {
        if of.header("transfer-encoding").is_some() {
            return self.chunks();
        }
        let length = of.header("content-length").map_or(0, |length| length.parse().unwrap());
        while self.ahead.len() < length && self.more() {}
        self.take(length)
    }

    fn chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let Some(end) = self.find(b"\r\n") else { return body };
            let line = String::from_utf8(self.take(end + 2)).unwrap();
            let size = usize::from_str_radix(line.trim(), 16).unwrap();
            while self.ahead.len() < size + 2 && self.more() {}
            let chunk = self.take(size + 2);
            if size == 0 || chunk.len() < size + 2 {
                return body;
            }
            body.extend_from_slice(&chunk[..size]);
        }
    }

    /// Reads until the other side closes.
    pub(crate) fn until_closed(&mut self) {
        while self.more() {
            self.ahead.clear();
        }
    }

    /// Waits for [`Rude::signal`]. False if none comes.
    pub(crate) fn until_signalled(&mut self) -> bool {
        let mut signals = self.inner.signals.lock();
        while *signals == 0 {
            if self.inner.signalled.wait_for(&mut signals, SIGNAL_LIMIT).timed_out() {
                return false;
            }
        }
        *signals -= 1;
        true
    }

    fn head(&mut self) -> Option<String> {
        let end = self.find(b"\r\n\r\n")?;
        String::from_utf8(self.take(end + 4)).ok()
    }

    fn find(&mut self, wanted: &[u8]) -> Option<usize> {
        loop {
            if let Some(at) = self.ahead.windows(wanted.len()).position(|window| window == wanted) {
                return Some(at);
            }
            if !self.more() {
                return None;
            }
        }
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        let rest = self.ahead.split_off(count.min(self.ahead.len()));
        std::mem::replace(&mut self.ahead, rest)
    }

    fn more(&mut self) -> bool {
        let mut buffer = vec![0; 64 << 10];
        match self.stream.read(&mut buffer) {
            Ok(count @ 1..) => {
                self.ahead.extend_from_slice(&buffer[..count]);
                true
            }
            _ => false,
        }
    }
}

fn key(head: &str) -> Option<String> {
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    let mut keys = lines.filter(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-key"));
    keys.next().map(|(_, key)| key.trim().to_owned())
}
