//! How much of a JSON document is held back while it names nobody.
//!
//! A document is held from its start until somebody is told. In a list each element is held for itself: from its start
//! until somebody in it is told. Nothing is held for longer than [`HOLD_BYTES_MAX`].
//!
//! So a backend that pauses before the first patient keeps the client waiting for what stands before the pause (but not for
//! the answer's head), though it has come. That a list begins does not help: it may be the list of one patient's identifiers, and what stands before
//! it about that patient (`{"name":…,"identifier":[{"value":…`). Only a FHIR Bundle says that its entries are others.

use super::HOLD_BYTES_MAX;

#[derive(Debug, Default)]
pub(super) struct Hold {
    document: Option<u64>,
    element: Option<u64>,
    /// Whoever is told in the list is told for the document as well.
    list_counts: bool,
}

impl Hold {
    /// A document begins.
    pub(super) fn document(&mut self, at: u64) {
        *self = Self { document: Some(at), element: None, list_counts: true };
    }

    /// The list begins. `counts`: outside of it nobody is looked for.
    pub(super) fn list(&mut self, counts: bool) {
        self.list_counts = counts;
    }

    /// An element of the list begins.
    pub(super) fn element(&mut self, at: u64) {
        self.element = Some(at);
    }

    /// The element has ended.
    pub(super) fn element_ended(&mut self) {
        self.element = None;
    }

    /// The list has ended.
    pub(super) fn list_ended(&mut self) {
        self.element = None;
        self.list_counts = true;
    }

    /// Somebody was told in what is open.
    pub(super) fn told(&mut self) {
        self.element = None;
        if self.list_counts {
            self.document = None;
        }
    }

    /// The document may leave, but for its elements.
    pub(super) fn release_document(&mut self) {
        self.document = None;
    }

    /// What is held of so many bytes: the first of them.
    pub(super) fn settled(&self, read: u64) -> u64 {
        let held = |start: &u64| read - start < HOLD_BYTES_MAX;
        [self.document, self.element].into_iter().flatten().filter(held).min().unwrap_or(read)
    }
}
