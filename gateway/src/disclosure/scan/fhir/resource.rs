//! What is known of a resource that is read now.

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
    /// Identities that wait for its type.
    pub(super) waiting: SmallVec<[PatientId; 1]>,
    /// It stands within another.
    pub(super) contained: bool,
    /// Its id, unless it is known to be no Patient.
    pub(super) id: Option<Logical>,
    /// As others in the same resource refer to it.
    pub(super) fragment: Option<Logical>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Unknown,
    Patient,
    Bundle,
    Other,
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
        }
    }
}

/// By what a reference finds its resource, as a hash: a Patient's logical id, or a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Logical([u8; 16]);

impl Logical {
    pub(super) fn id(id: &str) -> Self {
        Self::of(b"Patient/", id)
    }

    /// `urn:uuid:…`.
    pub(super) fn url(url: &str) -> Self {
        Self::of(b"", url.trim())
    }

    /// `#id` of a contained resource.
    pub(super) fn fragment(id: &str) -> Self {
        Self::of(b"#", id)
    }

    fn of(kind: &[u8], text: &str) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(kind).update(text.as_bytes());
        let mut short = [0; 16];
        hasher.finalize_xof().fill(&mut short);
        Self(short)
    }
}
