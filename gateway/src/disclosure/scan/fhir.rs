//! FHIR's JSON: a Bundle, or one resource; several in a row (NDJSON) count as one body.
//!
//! # What names a patient
//! - A `Patient`'s `identifier`s, if their `system` is one of the series of patients or none is given. One without any
//!   is told as unread. Those of a `Person` or `RelatedPerson` likewise, but they need not have any.
//! - Of resources `subject`, `patient`, `beneficiary`, `for`, `individual`, `actor`, `securityContext`, and the same of their
//!   `participant`s, and the `entity` of a `member`: their `identifier`, unless its `system` is another series, or what
//!   their `reference` leads to, unless it is of another type.
//! - Everywhere else, at any depth: an object with a `value` whose `system` is one of the series of patients, and a
//!   `reference` to a `Patient`. Only a `Practitioner`'s own `identifier`s are those of staff.
//! - Numbers in words of at most 1 KiB: any `text`, `valueString`, `valueUri` and the like, `diagnostics`. Longer ones are not read,
//!   nor is the HTML of a narrative (`div`): it says of the same what the resource says.
//! - A Patient's URL as an entry's `fullUrl`, in its `request` or `response`, or in a Bundle's `link`; a Patient's `id`, if it
//!   has no other name.
//!
//! A reference by a logical id is resolved by the Patient of the same body with this `id` or `fullUrl`, before or after
//! it; one to a contained resource within its own resource. What it stands in is held until this Patient comes, at most
//! for [`HOLD_BYTES_MAX`](super::HOLD_BYTES_MAX); one of which no Patient comes, or too late, is told as
//! [`Reason::PatientForm`] before that leaves, once. An entry that is longer and has neither name nor such a reference is a [`Fault`].
//!
//! # Of whom a resource is
//! A resource of a type that is about one patient leaves when its own question is answered: by its `subject` and the like,
//! by its own `identifier`, or by the contained Patient that its subject leads to. Whoever else stands in it (who performed, a
//! contact, a contained relative, a URL of its entry) is told as well, but it is held on for the one whom it is about. An
//! Appointment is held to its end: any of its participants may be that one, unless they are said to be staff. A list of subjects
//! answers when it ends. What is too long to wait is told as [`Reason::PatientAbsent`] and leaves.
//!
//! What a Reference says of somebody, as `display`, waits for that Reference to end.
//!
//! `resourceType` may follow what it speaks of: identifiers wait for it until the resource ends, or for
//! [`HOLD_BYTES_MAX`](super::HOLD_BYTES_MAX); then they are taken for a patient's. A document without one is not FHIR, which
//! is a [`Fault`]: it is held as long, unless it has entries whose resources say what they are.
//!
//! # Lists
//! The elements of `entry`, `parameter`, `part` and `contained`, and of an array of resources, are held each for itself,
//! however deep: each may be about another. Whoever is named in one is named for what is around it, but not from a contained
//! resource for its container. One that names nobody is about whomever its container is about. What stands before the
//! entries of a Bundle is about nobody; `Parameters` may be about one together, who comes last: they are held to their end.
//!
//! A resource of a type that is about a patient, or that has a subject, but whose fields do not say whom, is told as
//! [`Reason::PatientAbsent`]; of a document that stands alone and names nobody else, that it was asked for tells it.

mod guide;
mod leave;
mod part;
mod place;
mod resource;
mod said;

use super::hold::Hold;
use super::json::DEPTH_USUAL;
use super::{Fault, Hit, Hits};
use crate::patient::Reading;
use contract::identity::PatientId;
use contract::record::Reason;
use part::{Logical, Part};
pub(super) use place::Place;
use resource::{About, Entry, Kind, Resource, Subject};
use smallvec::SmallVec;
use std::collections::{HashSet, VecDeque};

/// The most logical ids that are remembered, of Patients and of references each.
const IDS_MAX: usize = 10_000;
/// The most that are remembered of what stands within one resource, and of references to it.
const FRAGMENTS_MAX: usize = 1000;
/// The most identifiers that wait for their resource's type.
const WAITING_MAX: usize = 64;

/// A guide through FHIR's resources.
#[derive(Debug)]
pub(super) struct Fhir {
    reading: Reading,
    out: Hits,
    hold: Hold,
    documents: u32,
    /// The outermost list of entries: how many arrays are around it and itself, and how many entries were begun.
    entries: Option<(usize, u32)>,
    arrays: usize,
    /// The lists that are open whose elements are held: for each, how many arrays are around it and itself.
    lists: SmallVec<[usize; 4]>,
    /// Where the objects begin that are open.
    objects: Vec<u64>,
    /// Of these, those that have fields of an Identifier or Reference.
    parts: Vec<Part>,
    resources: SmallVec<[Resource; 4]>,
    open: SmallVec<[Entry; 2]>,
    /// Where the document's resource begins, or what stands in its place, while it has no type.
    untyped: Option<u64>,
    /// A resource in it has one.
    typed_within: bool,
    fault: Option<Fault>,
    /// What Patients, entries and contained resources are referred to by.
    known: HashSet<Logical>,
    asked: HashSet<Logical>,
    /// Of these, those that may still come, with the first byte that waits for them, and what else they are known by.
    open_asked: VecDeque<(u64, Logical, Logical)>,
    /// It was told that somebody is referred to who has not come: nothing waits for others.
    form_told: bool,
    /// A document was a patient's, and said nobody.
    absent: bool,
}

impl Fhir {
    pub(super) fn new(reading: Reading) -> Self {
        Self {
            reading,
            out: Hits::default(),
            hold: Hold::default(),
            documents: 0,
            entries: None,
            arrays: 0,
            lists: SmallVec::new(),
            objects: Vec::with_capacity(DEPTH_USUAL),
            parts: Vec::new(),
            resources: SmallVec::new(),
            open: SmallVec::new(),
            untyped: None,
            typed_within: false,
            fault: None,
            known: HashSet::new(),
            asked: HashSet::new(),
            open_asked: VecDeque::new(),
            form_told: false,
            absent: false,
        }
    }

    /// The same at a body's start.
    pub(super) fn fresh(&self) -> Self {
        Self::new(self.reading)
    }

    /// Whether a document that should say somebody says nobody. Of a body with others this is told; of one alone, that
    /// it was asked for tells it.
    pub(super) fn names_nobody(&self) -> bool {
        self.absent
    }

    /// No more comes, be it the body's end or not: who was not resolved is told.
    pub(super) fn finish(&mut self, hits: &mut Vec<Hit>) {
        let within = self.resources.iter().any(|resource| !resource.asked.is_empty());
        let open = self.parts.iter().any(Part::asks);
        if within || open || !self.open_asked.is_empty() {
            self.form(hits);
        }
        self.absence(hits);
    }

    /// Tells that somebody is referred to who has not come.
    fn form(&mut self, hits: &mut Vec<Hit>) {
        self.form_told = true;
        self.open_asked.clear();
        self.out.unread(Reason::PatientForm, hits);
    }

    /// Tells that a document named nobody, if another named somebody.
    fn absence(&mut self, hits: &mut Vec<Hit>) {
        if self.absent && self.out.any() {
            self.out.unread(Reason::PatientAbsent, hits);
        }
    }

    /// Tells somebody unreadable, who stands at a place.
    fn unread(&mut self, place: Place, reason: Reason, hits: &mut Vec<Hit>) {
        // A search's URL says who was asked for, not who comes.
        self.form_told |= reason == Reason::PatientForm && place != Place::Location;
        self.out.unread(reason, hits);
        self.hold.unread();
        let actor = matches!(place, Place::ActorText | Place::ActorIdentifier);
        self.is_about(if actor { Place::Actor } else { place });
    }

    /// Whether who is said at a place is whom the innermost resource is about; then it has said of whom it is.
    fn is_about(&mut self, place: Place) -> About {
        let Some(resource) = self.resources.last_mut() else { return About::Them };
        if resource.is_about(place) {
            resource.is_said();
            return if resource.subjects.is_some() { About::Several } else { About::Them };
        }
        if place == Place::Actor {
            resource.participates();
        }
        About::Others
    }

    /// Somebody was told whom the innermost resource is about, or of whom it is known that they were. Whether it may leave.
    fn told(&mut self, about: About) -> bool {
        match about {
            About::Them => {
                self.answered();
                if self.resources.last().is_some_and(|resource| !resource.contained && resource.level > 0) {
                    // What it stands in waits on, but not for somebody in vain.
                    self.hold.unread();
                }
            }
            About::Several => self.resources.last_mut().into_iter().for_each(|resource| resource.one_told = true),
            About::Others => {}
        }
        about == About::Them
    }

    /// What the innermost resource is about may leave.
    fn answered(&mut self) {
        let level = self.resources.last().map_or(0, |resource| resource.level);
        self.hold.told_within(level);
    }

    fn position(&self) -> u32 {
        self.entries.map_or(self.documents, |(_, count)| count).saturating_sub(1)
    }

    /// Tells a patient, who stands at a place.
    fn tell(&mut self, place: Place, id: PatientId, hits: &mut Vec<Hit>) {
        let position = self.position();
        self.out.patient(id, position, hits);
        let about = self.is_about(place);
        if !self.told(about) {
            // Whom it is about may follow, and is waited for as long as may be.
            self.hold.unread();
        }
    }

    /// The part of the object that is read now, if it has one.
    fn known_part(&self) -> Option<&Part> {
        self.parts.last().filter(|part| part.depth == self.objects.len())
    }

    /// The part of the object that is read now.
    fn part(&mut self) -> Option<&mut Part> {
        if self.known_part().is_none() {
            let start = self.objects.last().copied()?;
            self.parts.push(Part::new(self.objects.len(), start));
        }
        self.parts.last_mut()
    }

    /// Judges a resource's own identifier.
    fn own(&mut self, part: Part, hits: &mut Vec<Hit>) {
        let Some(resource) = self.resources.last_mut() else { return };
        let said = part.ours == Some(true);
        let (counts, tells_reasons) = match resource.kind {
            Kind::Practitioner => (false, false),
            Kind::Patient => (part.ours != Some(false), true),
            Kind::Person | Kind::RelatedPerson | Kind::Unknown => (part.ours != Some(false), said),
            Kind::Bundle | Kind::Parameters | Kind::Appointment | Kind::Group | Kind::OfPatient | Kind::Other => {
                (said, said)
            }
        };
        if !counts {
            return;
        }
        // Reasons say more than that nobody was named.
        resource.named |= tells_reasons && !part.reasons.is_empty();
        if resource.kind == Kind::Unknown && !resource.late && resource.waiting.len() + part.ids.len() <= WAITING_MAX {
            resource.waiting.extend(part.ids.into_iter().map(|id| (id, said)));
        } else {
            resource.named |= part.told || !part.ids.is_empty();
            for id in part.ids {
                self.tell(Place::Identifier, id, hits);
            }
        }
        for reason in part.reasons.into_iter().filter(|_| tells_reasons) {
            self.unread(Place::Identifier, reason, hits);
        }
    }

    /// Tells those who wait in the innermost resource: all, or only those for whom a patients' series is said.
    fn release(&mut self, all: bool, hits: &mut Vec<Hit>) {
        let Some(resource) = self.resources.last_mut() else { return };
        resource.named |= !resource.waiting.is_empty();
        for (id, said) in std::mem::take(&mut resource.waiting) {
            if all || said {
                self.tell(Place::Identifier, id, hits);
            }
        }
    }

    /// The same of one that is too long to wait for its type, with others open in it perhaps.
    fn release_late(&mut self, index: usize, hits: &mut Vec<Hit>) {
        let position = self.position();
        let Some(resource) = self.resources.get_mut(index) else { return };
        resource.late = true;
        if resource.waiting.is_empty() {
            return;
        }
        resource.named = true;
        for (id, _) in std::mem::take(&mut resource.waiting) {
            self.out.patient(id, position, hits);
        }
        // They may be a relative, and whom it is about comes with its type.
        self.hold.unread();
    }

    /// The type of the resource that is read now.
    fn kind(&mut self, name: &[u8], hits: &mut Vec<Hit>) {
        let kind = Kind::of(name);
        let is_outermost = self.resources.len() <= 1;
        let Some(resource) = self.resources.last_mut() else { return };
        let before = resource.kind;
        if before == Kind::Patient {
            // Said twice: the Patient counts.
            return;
        }
        resource.kind = kind;
        resource.subject = match resource.subject {
            Subject::Participant if kind == Kind::Appointment => Subject::Participant,
            Subject::Unasked | Subject::Participant if kind.asks() => Subject::Missing,
            as_it_was => as_it_was,
        };
        if resource.contained && !matches!(kind, Kind::Unknown | Kind::Patient | Kind::Person | Kind::RelatedPerson) {
            self.hold.belongs(resource.start);
        }
        if is_outermost {
            self.untyped = self.untyped.filter(|_| self.fault.is_some());
        } else {
            self.typed_within = true;
        }
        match kind {
            Kind::Patient if before != Kind::Unknown => {
                // What came before was taken for another's.
                self.unread(Place::Identifier, Reason::PatientForm, hits);
            }
            Kind::Patient | Kind::Person | Kind::RelatedPerson => self.release(true, hits),
            Kind::Practitioner => resource.waiting.clear(),
            _ if before == Kind::Bundle && kind != before => {
                // What came before was taken for nobody's.
                self.unread(Place::Other, Reason::PatientForm, hits);
                self.release(false, hits);
            }
            _ => self.release(false, hits),
        }
    }

    /// Whether the object that was entered last is an entry's resource.
    fn in_entry(&self) -> bool {
        let around = self.objects.len().saturating_sub(1);
        self.open.last().is_some_and(|entry| entry.depth == around)
    }

    /// Whether the array that was entered last is a list whose elements are held.
    #[inline]
    fn in_list(&self) -> bool {
        self.lists.last() == Some(&self.arrays)
    }

    /// A document begins, or an element of a list that stands in its place.
    fn begin_root(&mut self, at: u64) {
        if self.fault.is_none() {
            self.untyped = Some(at);
            self.typed_within = false;
        }
    }
}
