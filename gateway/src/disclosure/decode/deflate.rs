//! DEFLATE (RFC 1951), raw and in zlib's form (RFC 1950), and the choice between the two.

use super::{Fault, Step, window};
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

    /// Decodes until the input is used up, the window is full or the stream ends, which is told.
    pub(super) fn read(&mut self, input: &[u8]) -> Result<(Step, bool), Fault> {
        let (taken, made) = (self.inner.total_in(), self.inner.total_out());
        let status = self
            .inner
            .decompress(input, &mut self.window, FlushDecompress::None)
            .map_err(|error| if error.needs_dictionary().is_some() { Fault::Refused } else { Fault::Corrupt })?;
        let (taken, made) = ((self.inner.total_in() - taken) as usize, (self.inner.total_out() - made) as usize);
        let ended = status == Status::StreamEnd;
        if taken == 0 && made == 0 && !ended && !input.is_empty() {
            return Err(Fault::Corrupt);
        }
        // A full window may have more behind it.
        Ok((Step { taken, made, more: !ended && made == self.window.len() }, ended))
    }

    pub(super) fn window(&self) -> &[u8] {
        &self.window
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
    /// How many of them were taken.
    taken: usize,
}

/// As many bytes as tell whether a raw stored block can begin.
const START: usize = 5;

enum State {
    /// The form is not known yet.
    Sniffing,
    Zlib(Inflate),
    Raw(Inflate),
    /// Its last window may still be looked at.
    Ended(Inflate),
}

impl Deflate {
    pub(super) fn new() -> Self {
        Self { state: State::Sniffing, start: [0; START], started: 0, taken: 0 }
    }

    pub(super) fn read(&mut self, input: &[u8]) -> Result<Step, Fault> {
        let known = self.started - self.taken;
        for (place, byte) in self.start.iter_mut().skip(self.started).zip(input.iter().skip(known)) {
            *place = *byte;
            self.started += 1;
        }
        if matches!(self.state, State::Sniffing) {
            let mut inflate = match self.form()? {
                Some(zlib) => Inflate::new(zlib),
                None => return Ok(self.took(Step { taken: input.len(), made: 0, more: false })),
            };
            // A byte that waited for the second one. Nothing comes of it, and no stream ends with it.
            let waited = self.start.get(..self.taken).unwrap_or_default();
            if !waited.is_empty() {
                let (step, ended) = inflate.read(waited)?;
                if step.taken != waited.len() || step.made > 0 || ended {
                    return Err(Fault::Corrupt);
                }
            }
            self.state = if self.form()? == Some(true) { State::Zlib(inflate) } else { State::Raw(inflate) };
        }
        if matches!(self.state, State::Zlib(_)) && self.started == START {
            let [_, length, length_high, inverted, inverted_high] = self.start;
            if inverted == !length && inverted_high == !length_high {
                return Err(Fault::Ambiguous);
            }
        }
        let (State::Zlib(inflate) | State::Raw(inflate)) = &mut self.state else { return Err(Fault::Trailing) };
        let (step, ended) = inflate.read(input)?;
        if ended && let State::Zlib(inflate) | State::Raw(inflate) = std::mem::replace(&mut self.state, State::Sniffing)
        {
            self.state = State::Ended(inflate);
        }
        Ok(self.took(step))
    }

    pub(super) fn window(&self) -> &[u8] {
        match &self.state {
            State::Sniffing => &[],
            State::Zlib(inflate) | State::Raw(inflate) | State::Ended(inflate) => inflate.window(),
        }
    }

    fn took(&mut self, step: Step) -> Step {
        self.taken = self.taken.saturating_add(step.taken).min(self.started);
        step
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
        self.started == 0 || matches!(self.state, State::Ended(_))
    }
}
