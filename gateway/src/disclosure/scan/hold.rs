//! How much of a JSON document is held back while it names nobody.
//!
//! A document is held from its start until somebody is told. In a list each element is held for itself: from its start
//! until somebody in it is told. What is longer than [`HOLD_BYTES_MAX`] and still names nobody does not leave: whoever is
//! named behind it may be whom all of it is about, and the client may be gone by then. It leaves if somebody unreadable was
//! told in it, who is as good a name as comes.
//!
//! So a backend that pauses before the first patient keeps the client waiting for what stands before the pause (but not for
//! the answer's head), though it has come. That a list begins does not help: it may be the list of one patient's
//! identifiers, and what stands before it about that patient (`{"name":…,"identifier":[{"value":…`). Only a FHIR Bundle says
//! that its entries are others.

use super::HOLD_BYTES_MAX;

#[derive(Debug, Default)]
pub(super) struct Hold {
    document: Option<Held>,
    element: Option<Held>,
    /// Whoever is told in the list is told for the document as well.
    list_counts: bool,
}

/// What is held.
#[derive(Debug, Clone, Copy)]
struct Held {
    start: u64,
    /// Somebody unreadable was told in it.
    unread: bool,
}

/// What becomes of that which is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overrun {
    /// It may wait on.
    None,
    /// It is too long, but somebody unreadable was told in it.
    Unread,
    /// It is too long, and of nobody.
    Nameless,
}

impl Held {
    fn new(start: u64) -> Self {
        Self { start, unread: false }
    }
}

impl Hold {
    /// A document begins.
    pub(super) fn document(&mut self, at: u64) {
        *self = Self { document: Some(Held::new(at)), element: None, list_counts: true };
    }

    /// The list begins. `counts`: outside of it nobody is looked for.
    pub(super) fn list(&mut self, counts: bool) {
        self.list_counts = counts;
    }

    /// An element of the list begins.
    pub(super) fn element(&mut self, at: u64) {
        self.element = Some(Held::new(at));
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

    /// Somebody unreadable was told in what is open. A readable one may follow: it is held on, as long as may be.
    pub(super) fn unread(&mut self) {
        let document = self.document.as_mut().filter(|_| self.list_counts);
        for held in self.element.as_mut().into_iter().chain(document) {
            held.unread = true;
        }
    }

    /// The document may leave, but for its elements.
    pub(super) fn release_document(&mut self) {
        self.document = None;
    }

    /// What becomes of what is held, now that so many bytes were read.
    pub(super) fn overrun(&self, read: u64) -> Overrun {
        let long = |held: &Held| read.saturating_sub(held.start) >= HOLD_BYTES_MAX;
        let mut overrun = Overrun::None;
        for held in [self.document, self.element].into_iter().flatten().filter(long) {
            if !held.unread {
                return Overrun::Nameless;
            }
            overrun = Overrun::Unread;
        }
        overrun
    }

    /// What is too long may leave.
    pub(super) fn release(&mut self, read: u64) {
        let short = |held: &Held| read.saturating_sub(held.start) < HOLD_BYTES_MAX;
        self.document = self.document.filter(short);
        self.element = self.element.filter(short);
    }

    /// What is held of so many bytes: the first of them.
    pub(super) fn settled(&self, read: u64) -> u64 {
        [self.document, self.element].into_iter().flatten().map(|held| held.start).min().unwrap_or(read)
    }
}
