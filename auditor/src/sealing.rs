//! Cells of the database that hold personal data rest sealed: AES-256-GCM under a key of this program's, each bound to its
//! place, so that none can be put into another's.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use std::fmt;
use uuid::Uuid;
use zeroize::Zeroizing;

const FORMAT: u8 = 1;

/// A cell does not open: another key, another place, or it was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sealed cell does not open with this key")]
pub struct SealedError;

/// Where a cell is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    /// Table and column.
    pub column: &'static str,
    /// The row.
    pub row: Uuid,
    /// Which of several of the row's.
    pub number: u64,
}

impl Cell {
    fn bytes(self) -> Vec<u8> {
        let mut bytes = self.column.as_bytes().to_vec();
        bytes.push(0);
        bytes.extend_from_slice(self.row.as_bytes());
        bytes.extend_from_slice(&self.number.to_be_bytes());
        bytes
    }
}

/// The key that personal data rest under.
pub struct FieldKey(LessSafeKey);

impl fmt::Debug for FieldKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FieldKey(hidden)")
    }
}

impl FieldKey {
    /// Takes 32 secret bytes.
    #[expect(clippy::missing_panics_doc, reason = "32 bytes are a key")]
    pub fn new(secret: &[u8; 32]) -> Self {
        let key = UnboundKey::new(&AES_256_GCM, secret).expect("invariant: 32 bytes are an AES-256 key");
        Self(LessSafeKey::new(key))
    }

    /// Seals what shall stand in a cell, under a random nonce.
    pub fn seal(&self, cell: Cell, plain: &[u8]) -> Result<Vec<u8>, SealedError> {
        let nonce = crate::random::secret::<NONCE_LEN>();
        let mut body = Zeroizing::new(plain.to_vec());
        let place = Aad::from(cell.bytes());
        let tag = self
            .0
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(*nonce), place, body.as_mut_slice())
            .map_err(|_| SealedError)?;
        Ok([&[FORMAT], nonce.as_slice(), &body, tag.as_ref()].concat())
    }

    /// Opens what [`Self::seal`] made for the same cell.
    pub fn open(&self, cell: Cell, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealedError> {
        let (format, rest) = sealed.split_first().ok_or(SealedError)?;
        let (nonce, body) = rest.split_first_chunk::<NONCE_LEN>().ok_or(SealedError)?;
        if *format != FORMAT {
            return Err(SealedError);
        }
        let mut body = Zeroizing::new(body.to_vec());
        let place = Aad::from(cell.bytes());
        let length = self
            .0
            .open_in_place(Nonce::assume_unique_for_key(*nonce), place, &mut body)
            .map_err(|_| SealedError)?
            .len();
        body.truncate(length);
        Ok(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_opens_in_its_place_only_and_as_it_was_sealed() {
        let key = FieldKey::new(&[3; 32]);
        let cell = Cell { column: "request.form", row: Uuid::from_u128(1), number: 0 };
        let sealed = key.seal(cell, b"Anna").expect("seals");
        assert!(!sealed.windows(4).any(|four| four == b"Anna"));
        assert_eq!(key.open(cell, &sealed).expect("opens").as_slice(), b"Anna");
        assert_ne!(key.seal(cell, b"Anna").expect("seals"), sealed, "each under a nonce of its own");
        for other in [
            Cell { column: "request_step.words", ..cell },
            Cell { row: Uuid::from_u128(2), ..cell },
            Cell { number: 1, ..cell },
        ] {
            assert_eq!(key.open(other, &sealed), Err(SealedError));
        }
        assert_eq!(FieldKey::new(&[4; 32]).open(cell, &sealed), Err(SealedError));
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(key.open(cell, &changed), Err(SealedError), "byte {at}");
            assert_eq!(key.open(cell, &sealed[..at]), Err(SealedError), "{at} bytes");
        }
    }
}
