//! Brotli (RFC 7932), without large windows.

use super::{Fault, Out, Stop, window};
use brotli_decompressor::{
    Allocator, BrotliDecompressStream, BrotliResult, BrotliState, SliceWrapperMut, StandardAlloc,
};
use zeroize::{Zeroize, Zeroizing};

/// The coding `br`.
pub(super) struct Brotli {
    /// None before the first byte and after the last.
    state: Option<Box<BrotliState<Wiping, StandardAlloc, StandardAlloc>>>,
    began: bool,
    window: Zeroizing<Vec<u8>>,
}

impl Brotli {
    pub(super) fn new() -> Self {
        Self { state: None, began: false, window: window() }
    }

    pub(super) fn push<E>(&mut self, part: &[u8], out: Out<'_, E>) -> Result<(), Stop<E>> {
        if part.is_empty() {
            return Ok(());
        }
        if !self.began {
            self.began = true;
            let state = BrotliState::new_strict(Wiping, StandardAlloc::default(), StandardAlloc::default());
            self.state = Some(Box::new(state));
        }
        let Some(state) = &mut self.state else { return Err(Fault::Trailing.into()) };
        let (mut left, mut taken, mut total) = (part.len(), 0, 0);
        loop {
            let (before, mut room, mut made) = (taken, self.window.len(), 0);
            let result = BrotliDecompressStream(
                &mut left,
                &mut taken,
                part,
                &mut room,
                &mut made,
                &mut self.window,
                &mut total,
                state,
            );
            let window = self.window.get(..made).unwrap_or_default();
            if !window.is_empty() {
                out(window)?;
            }
            match result {
                BrotliResult::ResultFailure => return Err(Fault::Corrupt.into()),
                BrotliResult::ResultSuccess => {
                    self.state = None;
                    return if left == 0 { Ok(()) } else { Err(Fault::Trailing.into()) };
                }
                // It asks for more input although more output waits, if the window was just filled.
                BrotliResult::NeedsMoreInput if left == 0 && room > 0 => return Ok(()),
                _ if made == 0 && taken == before => return Err(Fault::Corrupt.into()),
                _ => {}
            }
        }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.state.is_none()
    }
}

/// Memory for brotli's window, wiped when it is given back.
struct Wiping;

impl Allocator<u8> for Wiping {
    type AllocatedMemory = <StandardAlloc as Allocator<u8>>::AllocatedMemory;

    fn alloc_cell(&mut self, length: usize) -> Self::AllocatedMemory {
        StandardAlloc::default().alloc_cell(length)
    }

    fn free_cell(&mut self, mut cell: Self::AllocatedMemory) {
        cell.slice_mut().zeroize();
    }
}
