//! DEFLATE (RFC 1951), raw and in zlib's form (RFC 1950), and the choice between the two.

use super::{Fault, Out, Stop, window};
use flate2::{Decompress, FlushDecompress, Status};
use zeroize::Zeroizing;

/// One DEFLATE stream.
pub(super) struct Inflate {
    inner: Decompress,
    window: Zeroizing<Vec<u8>>,
}

impl Inflate {
    /// `zlib`: with zlib's header and checksum.
    pub(super) fn new(zlib: bool) -> Self {
        Self { inner: Decompress::new(zlib), window: window() }
    }

    /// Begins the next raw stream.
    pub(super) fn restart(&mut self) {
        self.inner.reset(false);
    }

    /// Decodes until `part` is used up or the stream ends. Gives what follows the stream; `None`: it has not ended.
    pub(super) fn push<'p, E>(&mut self, mut part: &'p [u8], out: Out<'_, E>) -> Result<Option<&'p [u8]>, Stop<E>> {
        loop {
            let (taken, made) = (self.inner.total_in(), self.inner.total_out());
            let status = self
                .inner
                .decompress(part, &mut self.window, FlushDecompress::None)
                .map_err(|error| if error.needs_dictionary().is_some() { Fault::Refused } else { Fault::Corrupt })?;
            let (taken, made) = (self.inner.total_in() - taken, self.inner.total_out() - made);
            part = part.get(taken as usize..).unwrap_or_default();
            let window = self.window.get(..made as usize).unwrap_or_default();
            if !window.is_empty() {
                out(window)?;
            }
            match status {
                Status::StreamEnd => return Ok(Some(part)),
                // A full window may have more behind it.
                _ if window.len() == self.window.len() => {}
                _ if part.is_empty() => return Ok(None),
                _ if taken == 0 && made == 0 => return Err(Fault::Corrupt.into()),
                _ => {}
            }
        }
    }
}

/// The coding `deflate`.
///
/// It means zlib's form; some servers send raw DEFLATE, and clients tell the two apart by the first bytes, or by trying
/// zlib first. A zlib header is always the beginning of a raw stored block with odd padding, whose length must be
/// repeated inverted in bytes 3 and 4. A body for which that is so might be shown otherwise by a client that knows raw
/// DEFLATE only, so it is refused; of honest bodies that is about one in 65,536.
pub(super) struct Deflate {
    state: State,
    /// The first bytes, and how many there were.
    start: [u8; START],
    started: usize,
}

/// As many bytes as tell whether a raw stored block can begin.
const START: usize = 5;

enum State {
    /// The form is not known yet.
    Sniffing,
    Zlib(Inflate),
    Raw(Inflate),
    Ended,
}

impl Deflate {
    pub(super) fn new() -> Self {
        Self { state: State::Sniffing, start: [0; START], started: 0 }
    }

    pub(super) fn push<E>(&mut self, part: &[u8], out: Out<'_, E>) -> Result<(), Stop<E>> {
        let held = self.started;
        for (place, byte) in self.start.iter_mut().skip(held).zip(part) {
            *place = *byte;
            self.started += 1;
        }
        if matches!(self.state, State::Sniffing) {
            self.state = match self.form()? {
                Some(true) => State::Zlib(Inflate::new(true)),
                Some(false) => State::Raw(Inflate::new(false)),
                None => return Ok(()),
            };
            // A byte that waited for the second one. No stream ends with it.
            let first = self.start;
            self.feed(first.get(..held).unwrap_or_default(), out)?;
        }
        if matches!(self.state, State::Zlib(_)) && self.started == START {
            let [_, length, length_high, inverted, inverted_high] = self.start;
            if inverted == !length && inverted_high == !length_high {
                return Err(Fault::Ambiguous.into());
            }
        }
        self.feed(part, out)
    }

    fn feed<E>(&mut self, part: &[u8], out: Out<'_, E>) -> Result<(), Stop<E>> {
        let rest = match &mut self.state {
            State::Zlib(inflate) | State::Raw(inflate) if !part.is_empty() => inflate.push(part, out)?,
            State::Ended => Some(part),
            _ => None,
        };
        if let Some(rest) = rest {
            self.state = State::Ended;
            if !rest.is_empty() {
                return Err(Fault::Trailing.into());
            }
        }
        Ok(())
    }

    /// Whether the first bytes are a zlib header (RFC 1950, 2.2). `None`: one byte more is needed.
    fn form(&self) -> Result<Option<bool>, Fault> {
        let [method, flags, ..] = self.start;
        if method & 0x0f != 8 || method >> 4 > 7 {
            return Ok(Some(false));
        }
        if self.started < 2 {
            return Ok(None);
        }
        if u16::from_be_bytes([method, flags]) % 31 != 0 {
            return Ok(Some(false));
        }
        // A preset dictionary: no client has it.
        if flags & 0x20 == 0 { Ok(Some(true)) } else { Err(Fault::Refused) }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.started == 0 || matches!(self.state, State::Ended)
    }
}
