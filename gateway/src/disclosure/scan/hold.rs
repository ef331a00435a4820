//! How much of a JSON document is held back while it names nobody.
//!
//! A document is held from its start until somebody is told. In a list each element is held for itself: from its start
//! until somebody in it is told; so it is in a list in that list (`wards[*].patients[*].id`). What is longer than
//! [`HOLD_BYTES_MAX`] and still names nobody does not leave: whoever is named behind it may be whom all of it is about, and
//! the client may be gone by then. It leaves if somebody unreadable was told in it, who is as good a name as comes.
//!
//! So a backend that pauses before the first patient keeps the client waiting for what stands before the pause (but not for
//! the answer's head), though it has come. That a list begins does not help: it may be the list of one patient's
//! identifiers, and what stands before it about that patient (`{"name":…,"identifier":[{"value":…`). Only FHIR's Bundles,
//! Parameters and lists of resources say that their elements are others.
//!
//! An object about another than those around it is held for itself as well, so that what is said of them waits for them.

use super::HOLD_BYTES_MAX;
use smallvec::SmallVec;

/// The document, and the element of each list that is open in it, from the outside in.
#[derive(Debug, Default)]
pub(super) struct Hold(SmallVec<[Level; 4]>);

#[derive(Debug, Clone, Copy)]
struct Level {
    held: Option<Held>,
    /// Whoever is told in it is told for what is around it as well.
    counts: bool,
    /// It is no list, but an object about somebody else.
    beside: bool,
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

    fn is_long(&self, read: u64) -> bool {
        read.saturating_sub(self.start) >= HOLD_BYTES_MAX
    }
}

impl Hold {
    /// A document begins.
    pub(super) fn document(&mut self, at: u64) {
        self.0.clear();
        self.0.push(Level { held: Some(Held::new(at)), counts: true, beside: false });
    }

    /// A list begins. `counts`: in what is around it, nobody is looked for outside of it.
    pub(super) fn list(&mut self, counts: bool) {
        self.0.push(Level { held: None, counts, beside: false });
    }

    /// An object begins that may be about another than what is around it.
    pub(super) fn beside(&mut self, at: u64) {
        // It need not name anybody: then it leaves when it is too long, but not silently.
        let held = Held { unread: true, ..Held::new(at) };
        self.0.push(Level { held: Some(held), counts: false, beside: true });
    }

    /// The object has ended.
    pub(super) fn beside_ended(&mut self) {
        self.0.pop();
    }

    /// Whether such an object is too long, and nobody was told in it.
    pub(super) fn beside_is_long(&self, read: u64) -> bool {
        let held = self.0.iter().filter(|level| level.beside).filter_map(|level| level.held.as_ref());
        held.into_iter().any(|held| held.is_long(read))
    }

    /// An element of the innermost list begins.
    pub(super) fn element(&mut self, at: u64) {
        self.hold(Some(Held::new(at)));
    }

    /// The element has ended.
    pub(super) fn element_ended(&mut self) {
        self.hold(None);
    }

    fn hold(&mut self, held: Option<Held>) {
        if let Some(level) = self.0.last_mut() {
            level.held = held;
        }
    }

    /// The innermost list has ended.
    pub(super) fn list_ended(&mut self) {
        self.0.pop();
    }

    /// How far out whoever is told now is told for.
    fn outermost(&self) -> usize {
        self.0.iter().rposition(|level| !level.counts).unwrap_or(0)
    }

    /// Somebody was told in what is open.
    pub(super) fn told(&mut self) {
        self.told_within(0);
    }

    /// Somebody was told whom what is open is about from this level on, as [`Hold::depth`] counts them.
    pub(super) fn told_within(&mut self, depth: usize) {
        let outermost = self.outermost().max(depth);
        self.0.iter_mut().skip(outermost).for_each(|level| level.held = None);
    }

    /// How many levels are open: the document's, and one for each list.
    pub(super) fn depth(&self) -> usize {
        self.0.len()
    }

    /// Whether an element of the innermost list begins here, and is held.
    pub(super) fn is_element(&self, at: u64) -> bool {
        self.0.len() > 1 && self.0.last().and_then(|level| level.held).is_some_and(|held| held.start == at)
    }

    /// The first byte that is held.
    pub(super) fn held(&self) -> Option<u64> {
        // What is around it began before it.
        self.0.iter().find_map(|level| level.held).map(|held| held.start)
    }

    /// Somebody unreadable was told in what is open. A readable one may follow: it is held on, as long as may be.
    pub(super) fn unread(&mut self) {
        let outermost = self.0.iter().rposition(|level| !level.counts && !level.beside).unwrap_or(0);
        self.0.iter_mut().skip(outermost).filter_map(|level| level.held.as_mut()).for_each(|held| held.unread = true);
    }

    /// What is innermost may leave, but for the elements of lists that begin in it: it is about nobody itself.
    pub(super) fn release_innermost(&mut self) {
        self.hold(None);
    }

    /// The innermost element is about whomever that is about which it stands in, unless it says otherwise. If that has
    /// named somebody, it may leave once it is too long.
    /// `start`: where it begins.
    pub(super) fn belongs(&mut self, start: u64) {
        if let [.., around, Level { held: Some(held), .. }] = self.0.as_mut_slice() {
            held.unread |= held.start == start && around.held.is_none();
        }
    }

    /// What becomes of what is held, now that so many bytes were read.
    pub(super) fn overrun(&self, read: u64) -> Overrun {
        let mut overrun = Overrun::None;
        for held in self.0.iter().filter_map(|level| level.held.as_ref()).filter(|held| held.is_long(read)) {
            if !held.unread {
                return Overrun::Nameless;
            }
            overrun = Overrun::Unread;
        }
        overrun
    }

    /// What is too long may leave.
    pub(super) fn release(&mut self, read: u64) {
        self.0.iter_mut().for_each(|level| level.held = level.held.filter(|held| !held.is_long(read)));
    }

    /// What is held of so many bytes: the first of them.
    pub(super) fn settled(&self, read: u64) -> u64 {
        self.held().unwrap_or(read)
    }
}
