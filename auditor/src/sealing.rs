//! Cells of the database that hold secrets or personal data rest sealed under a key of this program's, each bound to its
//! place, so that none can be put into another's.

mod at_rest;

pub use at_rest::{RestError, RestKey};

use std::fmt;
use uuid::Uuid;
use zeroize::Zeroizing;

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
pub struct FieldKey(RestKey);

impl fmt::Debug for FieldKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FieldKey(hidden)")
    }
}

impl FieldKey {
    /// Takes 32 secret bytes.
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(RestKey::new(secret))
    }

    /// Seals what shall stand in a cell, under a random nonce.
    pub fn seal(&self, cell: Cell, plain: &[u8]) -> Result<Vec<u8>, RestError> {
        self.0.seal(&cell.bytes(), plain, &crate::random::secret())
    }

    /// Opens what [`Self::seal`] made for the same cell.
    pub fn open(&self, cell: Cell, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, RestError> {
        self.0.open(&cell.bytes(), sealed)
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
            assert_eq!(key.open(other, &sealed), Err(RestError));
        }
        assert_eq!(FieldKey::new(&[4; 32]).open(cell, &sealed), Err(RestError));
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(key.open(cell, &changed), Err(RestError), "byte {at}");
            assert_eq!(key.open(cell, &sealed[..at]), Err(RestError), "{at} bytes");
        }
    }
}
