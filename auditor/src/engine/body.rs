//! A request's body as a blocking reader, fed from the connection's task.
//!
//! The channel between the two holds [`PARTS`] pieces of at most what the connection reads at once, so a slow engine
//! holds the sender back. A body has ended only when [`Part::End`] says so: if the channel closes before, the
//! client has gone away, and the reader gives an error. An insert can therefore never mistake a broken connection
//! for the end of its data.

use std::io::{self, BufRead, Read};

use bytes::{Buf as _, Bytes};
use tokio::sync::mpsc;

/// Pieces that may wait between the connection and the engine.
pub(crate) const PARTS: usize = 4;

/// What the connection's task sends.
pub(crate) enum Part {
    /// Some bytes.
    Data(Bytes),
    /// The client ended the body itself.
    End,
}

/// The reading side.
pub(crate) struct BodyReader {
    parts: mpsc::Receiver<Part>,
    current: Bytes,
    ended: bool,
}

impl BodyReader {
    pub(crate) fn new(parts: mpsc::Receiver<Part>) -> Self {
        Self { parts, current: Bytes::new(), ended: false }
    }

    /// A body that is at hand already.
    #[cfg(test)]
    pub(crate) fn of(data: &[u8]) -> Self {
        let (sender, parts) = mpsc::channel(2);
        let sent = sender.try_send(Part::Data(Bytes::copy_from_slice(data))).and_then(|()| sender.try_send(Part::End));
        assert!(sent.is_ok(), "invariant: the channel holds two parts");
        Self::new(parts)
    }
}

impl BufRead for BodyReader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.current.is_empty() && !self.ended {
            match self.parts.blocking_recv() {
                Some(Part::Data(data)) => self.current = data,
                Some(Part::End) => self.ended = true,
                None => {
                    return Err(io::Error::new(
                        io::ErrorKind::ConnectionAborted,
                        "the client went away before the end of the body",
                    ));
                }
            }
        }
        Ok(&self.current)
    }

    fn consume(&mut self, count: usize) {
        self.current.advance(count.min(self.current.len()));
    }
}

impl Read for BodyReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.len().min(out.len());
        if let Some(out) = out.get_mut(..count) {
            self.current.copy_to_slice(out);
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::{BodyReader, Part};
    use bytes::Bytes;
    use std::io::Read as _;

    #[test]
    fn a_body_without_its_end_is_an_error() {
        let (sender, parts) = tokio::sync::mpsc::channel(2);
        assert!(sender.try_send(Part::Data(Bytes::from_static(b"abc"))).is_ok());
        drop(sender);
        let mut out = Vec::new();
        assert!(BodyReader::new(parts).read_to_end(&mut out).is_err());
        assert_eq!(out, b"abc");
    }

    #[test]
    fn a_body_with_its_end_is_read_whole() {
        let mut out = String::new();
        assert!(BodyReader::of(b"abc").read_to_string(&mut out).is_ok());
        assert_eq!(out, "abc");
    }
}
