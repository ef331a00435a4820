//! A listener between the gateway and the sample registry: it passes all bytes on, and keeps what the gateway sent.
//!
//! Plain threads, so that it serves the tests of several runtimes.
#![expect(clippy::indexing_slicing, reason = "tests")]

use parking_lot::Mutex;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The listener. Dropped, it takes no more connections.
pub(crate) struct Tap {
    address: SocketAddr,
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    heard: Mutex<Vec<u8>>,
    added: Mutex<String>,
    connections: AtomicUsize,
    stopped: AtomicBool,
}

impl Tap {
    /// Listens for connections to `registry`.
    pub(crate) fn open(registry: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let inner = Arc::new(Inner::default());
        let shared = Arc::clone(&inner);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.stopped.load(Ordering::Acquire) {
                    return;
                }
                let (Ok(near), Ok(far)) = (stream, TcpStream::connect(registry)) else { continue };
                shared.connections.fetch_add(1, Ordering::Relaxed);
                let _ = (near.set_nodelay(true), far.set_nodelay(true));
                let (near_again, far_again) = (near.try_clone().unwrap(), far.try_clone().unwrap());
                let (there, back) = (Arc::clone(&shared), Arc::clone(&shared));
                std::thread::spawn(move || pass(near, far, |bytes| there.heard.lock().extend_from_slice(bytes)));
                std::thread::spawn(move || pass(far_again, near_again, |bytes| add(bytes, &back.added.lock())));
            }
        });
        Self { address, inner }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections the gateway has made.
    pub(crate) fn connections(&self) -> usize {
        self.inner.connections.load(Ordering::Relaxed)
    }

    /// Whether the gateway has sent this text to the registry.
    pub(crate) fn heard(&self, text: &str) -> bool {
        self.inner.heard.lock().windows(text.len()).any(|window| window == text.as_bytes())
    }

    /// From now on each good answer gets these header lines on its way back.
    pub(crate) fn add(&self, lines: &str) {
        lines.clone_into(&mut self.inner.added.lock());
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.inner.stopped.store(true, Ordering::Release);
        // Wakes the listener.
        let _ = TcpStream::connect(self.address);
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, mut look: impl FnMut(&mut Vec<u8>)) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let mut bytes = buffer[..count].to_vec();
        look(&mut bytes);
        if to.write_all(&bytes).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

/// The registry writes each head in one piece.
fn add(bytes: &mut Vec<u8>, lines: &str) {
    const GOOD: &[u8] = b"HTTP/1.1 200 OK\r\n";
    if !lines.is_empty() && bytes.starts_with(GOOD) {
        bytes.splice(GOOD.len()..GOOD.len(), lines.bytes());
    }
}
