//! Brotli (RFC 7932), without large windows.

use super::{Fault, Step, window};
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

    pub(super) fn read(&mut self, input: &[u8]) -> Result<Step, Fault> {
        if !self.began {
            self.began = true;
            let state = BrotliState::new_strict(Wiping, StandardAlloc::default(), StandardAlloc::default());
            self.state = Some(Box::new(state));
        }
        let Some(state) = &mut self.state else { return Err(Fault::Trailing) };
        let (mut left, mut taken, mut total) = (input.len(), 0, 0);
        let (mut room, mut made) = (self.window.len(), 0);
        let result = BrotliDecompressStream(
            &mut left,
            &mut taken,
            input,
            &mut room,
            &mut made,
            &mut self.window,
            &mut total,
            state,
        );
        let more = match result {
            BrotliResult::ResultFailure => return Err(Fault::Corrupt),
            BrotliResult::ResultSuccess => {
                self.state = None;
                false
            }
            // It asks for more input although more output waits, if the window was just filled.
            BrotliResult::NeedsMoreInput => left > 0 || room == 0,
            BrotliResult::NeedsMoreOutput => true,
        };
        Ok(Step { taken, made, more })
    }

    pub(super) fn window(&self) -> &[u8] {
        &self.window
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
