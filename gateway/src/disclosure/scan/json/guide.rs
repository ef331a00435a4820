//! What is looked for in a JSON text: the walk asks, the guide answers.

use super::{Fault, Hit};

/// What is looked for.
pub(in super::super) trait Guide {
    /// What is known of a place.
    type Node: Copy + std::fmt::Debug;

    /// A document begins at this offset, with this byte.
    fn document(&mut self, at: u64, first: u8) -> Self::Node;
    /// What stands beneath a key, without escapes, of the object that was entered last; `None`: nothing.
    fn key(&self, node: Self::Node, key: &[u8]) -> Option<Self::Node>;
    /// Whether a text or number at this place is to be read.
    fn wants(&self, node: Self::Node) -> bool;
    /// Whether something may stand within an object or array at this place.
    fn enters(&self, node: Self::Node) -> bool;
    /// A value that [`Guide::wants`].
    fn scalar(&mut self, node: Self::Node, scalar: Scalar<'_>, hits: &mut Vec<Hit>);
    /// An object begins at this offset.
    fn enter_object(&mut self, node: Self::Node, at: u64);
    /// `is_empty`: it has no members.
    fn leave_object(&mut self, node: Self::Node, is_empty: bool, hits: &mut Vec<Hit>);
    fn enter_array(&mut self, node: Self::Node);
    fn leave_array(&mut self, node: Self::Node, is_empty: bool);
    /// A value begins in the array that was entered last, with this byte.
    fn element(&mut self, node: Self::Node, at: u64, first: u8) -> Self::Node;
    /// A value has ended before this offset, in the array that was entered last.
    fn element_ended(&mut self, at: u64, hits: &mut Vec<Hit>);
    /// A document has ended before this offset.
    fn ended(&mut self, at: u64, hits: &mut Vec<Hit>);
    /// So many bytes have been read: called at each multiple of [`TICK`].
    fn tick(&mut self, read: u64, hits: &mut Vec<Hit>);
    /// The text is JSON, but not what is looked for. Asked after each [`Guide::tick`] and behind each document.
    fn fault(&self) -> Option<Fault> {
        None
    }
    /// The first byte that must not leave yet, if all of so many bytes have been looked at.
    fn settled(&self, read: u64) -> u64;
}

/// At which offsets a guide's [`Guide::tick`] is called, whatever the pieces.
pub(in super::super) const TICK: u64 = 8 * 1024;

/// A value that is no object or array.
#[derive(Clone, Copy)]
pub(in super::super) enum Scalar<'b> {
    Text(&'b [u8]),
    Number(&'b [u8]),
    Truth,
    Null,
    /// With an escape that is none, or longer than is read.
    Unreadable,
}
