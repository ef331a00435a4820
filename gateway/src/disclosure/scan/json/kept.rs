//! A key or value that a piece has cut.

use zeroize::{Zeroize, Zeroizing};

/// The longest key or value that is read, in bytes as it stands, without its quotes. A longer key is none of those
/// looked for.
pub(super) const BYTES_MAX: usize = 1024;

/// A key or value of which only a part has come.
#[derive(Default)]
pub(super) struct Kept {
    bytes: Zeroizing<Vec<u8>>,
    long: bool,
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept").field("len", &self.bytes.len()).field("long", &self.long).finish()
    }
}

impl Kept {
    /// More has come than is read.
    #[inline]
    pub(super) fn is_too_long(&self) -> bool {
        self.long
    }

    #[inline]
    pub(super) fn clear(&mut self) {
        if !self.bytes.is_empty() {
            self.bytes.zeroize();
        }
        self.long = false;
    }

    pub(super) fn keep(&mut self, part: &[u8]) {
        if self.long || self.bytes.len() + part.len() > BYTES_MAX {
            self.long = true;
            self.bytes.zeroize();
            return;
        }
        // Never grows later, so that no copy stays behind.
        let len = self.bytes.len();
        self.bytes.reserve(BYTES_MAX.saturating_sub(len));
        self.bytes.extend_from_slice(part);
    }

    /// The whole with its last part; `None` if it is too long.
    pub(super) fn join<'a>(&'a mut self, part: &'a [u8]) -> Option<&'a [u8]> {
        if self.bytes.is_empty() && !self.long {
            return (part.len() <= BYTES_MAX).then_some(part);
        }
        self.keep(part);
        (!self.long).then_some(self.bytes.as_slice())
    }
}
