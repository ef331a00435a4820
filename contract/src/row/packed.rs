//! Rows of one table in the form in which they are sent and sealed: a few allocations for a whole batch, not one a row.

use super::binary::{Numbered, Record, number};
use crate::Micros;
use crate::wire::{Input, WireError};
use std::marker::PhantomData;

/// Rows, one after the other.
#[derive(Clone)]
pub struct Packed<R> {
    bytes: Vec<u8>,
    /// Where each row ends.
    ends: Vec<usize>,
    rows: PhantomData<fn() -> R>,
}

impl<R> Default for Packed<R> {
    fn default() -> Self {
        Self { bytes: Vec::new(), ends: Vec::new(), rows: PhantomData }
    }
}

impl<R: Record> std::fmt::Debug for Packed<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} rows of {}", self.len(), R::TABLE)
    }
}

impl<R: Record> Packed<R> {
    /// Appends a row.
    pub fn push(&mut self, row: &R) {
        row.put(&mut self.bytes);
        self.ends.push(self.bytes.len());
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Each row's bytes.
    pub fn rows(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| self.bytes.get(start..*end).unwrap_or_default())
    }

    /// All rows' bytes, in two parts of about as many rows.
    pub fn halves(&self) -> (&[u8], &[u8]) {
        let middle = self.ends.get((self.len() / 2).wrapping_sub(1)).copied().unwrap_or(0);
        self.bytes.split_at(middle)
    }

    /// All rows' bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The rows, read again.
    pub fn read(&self) -> Result<Vec<R>, WireError> {
        let mut input = Input::new(&self.bytes);
        let rows = (0..self.len()).map(|_| R::take(&mut input)).collect::<Result<_, _>>()?;
        input.finish().map(|()| rows)
    }

    /// Forgets the rows, and keeps up to so many bytes of room for others.
    pub fn clear(&mut self, room: usize) {
        self.bytes.clear();
        self.bytes.shrink_to(room);
        self.ends.clear();
        self.ends.shrink_to(room / size_of::<usize>());
    }
}

impl<R: Numbered> Packed<R> {
    /// Numbers the rows of a batch from `first` on, and gives each as it is then, with the time when it came to be.
    ///
    /// # Panics
    /// If a row's columns do not begin as [`Numbered`] says: such a type must not be one.
    pub fn numbered(&mut self, first: u64, batch: u64, mut each: impl FnMut(&[u8], Micros)) {
        let mut start = 0;
        for (end, seq) in self.ends.iter().zip(first..) {
            let row = self.bytes.get_mut(start..*end).unwrap_or_default();
            let at = number(row, seq, batch).expect("invariant: what was put in is such a row");
            each(row, at);
            start = *end;
        }
    }
}
