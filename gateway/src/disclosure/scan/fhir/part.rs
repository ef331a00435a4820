//! An object as far as it has an Identifier's fields or a Reference's.

use contract::identity::PatientId;
use contract::record::Reason;
use smallvec::SmallVec;

/// The most texts of one object that are remembered.
pub(super) const TEXTS_MAX: usize = 64;

/// What an object has said. There is none for an object without such fields.
#[expect(clippy::struct_excessive_bools, reason = "each is said by a field of its own, in any order")]
#[derive(Debug)]
pub(super) struct Part {
    /// How many objects are around it and itself.
    pub(super) depth: usize,
    pub(super) start: u64,
    /// Whether its system is a patients' series, once it is known.
    pub(super) ours: Option<bool>,
    /// Identities of its values, which wait for the system until the object ends.
    pub(super) ids: SmallVec<[PatientId; 1]>,
    /// Why its values are none.
    pub(super) reasons: SmallVec<[Reason; 1]>,
    /// Identities of its values were told, because it is too long to wait.
    pub(super) told: bool,
    /// Its reference names a patient by identity.
    pub(super) named: bool,
    /// It says that it refers to a Patient.
    pub(super) to_patient: bool,
    /// It says that it refers to somebody or something else.
    pub(super) elsewhere: bool,
    /// It has said something of whom it refers to, who may follow.
    pub(super) shown: bool,
    pub(super) aims: SmallVec<[Aim; 1]>,
}

/// To what a reference leads.
#[derive(Debug, Clone, Copy)]
pub(super) enum Aim {
    /// A Patient, by its logical id.
    Patient(Logical),
    /// A Patient, by its absolute URL; and by its id at any place, if the Patient does not say which.
    PatientAt(Logical, Logical),
    /// Anything, by a URL without a path: `urn:uuid:…`.
    Url(Logical),
    /// Something that is no Patient by its URL, if nothing else says so.
    Elsewhere(Logical),
    /// Anything within the same resource.
    Fragment(Logical),
}

impl Part {
    pub(super) fn new(depth: usize, start: u64) -> Self {
        Self {
            depth,
            start,
            ours: None,
            ids: SmallVec::new(),
            reasons: SmallVec::new(),
            told: false,
            named: false,
            to_patient: false,
            elsewhere: false,
            shown: false,
            aims: SmallVec::new(),
        }
    }

    /// Whether it has to end before what it says may leave.
    pub(super) fn waits(&self) -> bool {
        !self.ids.is_empty() || self.shown || self.asks()
    }

    /// Whether it refers to somebody who has not been told.
    pub(super) fn asks(&self) -> bool {
        !self.named && self.aims.iter().any(|aim| self.to_patient || !matches!(aim, Aim::Elsewhere(_)))
    }

    pub(super) fn note(&mut self, reason: Reason) {
        if !self.reasons.contains(&reason) {
            self.reasons.push(reason);
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

    /// A Patient's by its absolute URL, without its version: another's of the same id is another.
    pub(super) fn id_at(base: &str, id: &str) -> Self {
        Self::url(&format!("{base}/Patient/{id}"))
    }

    /// That of a Patient whose place is not said.
    pub(super) fn id_anywhere(id: &str) -> Self {
        Self::of(b"Patient anywhere/", id)
    }

    /// `urn:uuid:…`, or `#id` of a contained resource.
    pub(super) fn url(url: &str) -> Self {
        Self::of(b"", url.trim())
    }

    /// `#id` of a contained resource, by its id.
    pub(super) fn fragment(id: &str) -> Self {
        Self::of(b"#", id.trim())
    }

    fn of(kind: &[u8], text: &str) -> Self {
        // In one piece: a hasher that takes several costs more than most of them do.
        let mut whole: SmallVec<[u8; 128]> = SmallVec::from_slice(kind);
        whole.extend_from_slice(text.as_bytes());
        let hash = blake3::hash(&whole);
        let mut short = [0; 16];
        short.copy_from_slice(hash.as_bytes().split_at(16).0);
        Self(short)
    }
}
