//! What is known of a resource that is read now, and of an entry.

use super::part::{Aim, Logical};
use contract::identity::PatientId;
use smallvec::SmallVec;

#[derive(Debug)]
pub(super) struct Resource {
    pub(super) start: u64,
    pub(super) kind: Kind,
    /// An identity of it was told.
    pub(super) named: bool,
    /// It is too long to wait for its type.
    pub(super) late: bool,
    /// Identities that wait for its type, and whether a patients' series is said for them.
    pub(super) waiting: SmallVec<[(PatientId, bool); 1]>,
    /// It stands within another.
    pub(super) contained: bool,
    /// Its id, unless it is known to be no Patient.
    pub(super) id: Option<Logical>,
    /// As others in the same resource refer to it.
    pub(super) fragment: Option<Logical>,
    /// What stands within it, of known type, and what is referred to as standing there.
    pub(super) fragments: Vec<Logical>,
    pub(super) asked: Vec<Logical>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Unknown,
    Patient,
    /// Somebody who may be a patient as well: Person, RelatedPerson.
    Person,
    /// Staff: their own identifiers are no patients'.
    Practitioner,
    Bundle,
    Other,
}

impl Kind {
    /// Of the type's name, in any case: there are servers that do not care.
    pub(super) fn of(name: &[u8]) -> Self {
        let is = |known: &str| name.trim_ascii().eq_ignore_ascii_case(known.as_bytes());
        match () {
            () if is("Patient") => Self::Patient,
            () if is("Person") || is("RelatedPerson") => Self::Person,
            () if is("Practitioner") => Self::Practitioner,
            () if is("Bundle") => Self::Bundle,
            () => Self::Other,
        }
    }
}

impl Resource {
    pub(super) fn new(start: u64, contained: bool) -> Self {
        Self {
            start,
            kind: Kind::Unknown,
            named: false,
            late: false,
            waiting: SmallVec::new(),
            contained,
            id: None,
            fragment: None,
            fragments: Vec::new(),
            asked: Vec::new(),
        }
    }
}

/// An entry that is read now.
#[derive(Debug)]
pub(super) struct Entry {
    /// How many objects are around it and itself.
    pub(super) depth: usize,
    /// What its `fullUrl` says.
    pub(super) urls: SmallVec<[Aim; 1]>,
    /// The type of its resource, once that was read.
    pub(super) kind: Kind,
}
