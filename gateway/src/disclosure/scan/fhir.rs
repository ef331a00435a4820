//! FHIR's JSON: a Bundle, or one resource.
//!
//! # What names a patient
//! - A `Patient`'s `identifier`s, if their `system` is one of the series of patients or none is given. One without any
//!   is told as unread.
//! - Of other resources `subject`, `patient`, `beneficiary`, `for`, `individual`, `actor`, and the same of their
//!   `participant`s, and the `entity` of a `member`: their `identifier`, or their `reference` to a `Patient`.
//! - Resources stand in a Bundle's entries, within each other (`contained`, Bundles in Bundles) and in `Parameters`.
//!
//! A reference by a logical id is resolved by the Patient of the same body with this `id` or `fullUrl`, before or after
//! it. One of which no Patient comes is told at the end as [`Reason::PatientForm`], once; the entry that it stands in
//! was not held for longer than its end, because the Patient may be the last of them or never come.
//!
//! `resourceType` may follow what it speaks of: identifiers wait for it until the resource ends, or for
//! [`HOLD_BYTES_MAX`]; then they are taken for a patient's.

mod place;
mod resource;

use super::hold::Hold;
use super::json::{Guide, Scalar};
use super::{HOLD_BYTES_MAX, Hit, Hits};
use crate::patient::{Reading, Said, identities, is_identity_system};
use contract::identity::PatientId;
use contract::record::Reason;
pub(super) use place::Place;
use resource::{Kind, Logical, Resource};
use smallvec::SmallVec;
use std::collections::HashSet;

/// The most logical ids that are remembered, of Patients and of references each.
const IDS_MAX: usize = 10_000;
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
    resources: SmallVec<[Resource; 4]>,
    identifier: Identifier,
    reference: Reference,
    /// What Patients, entries and contained resources are referred to by.
    known: HashSet<Logical>,
    asked: HashSet<Logical>,
    /// More was asked than is remembered.
    many: bool,
}

/// An Identifier that is read now; none stands within another.
#[derive(Debug, Default)]
struct Identifier {
    /// Whether its system is a patient's series, once it is known.
    ours: Option<bool>,
    reasons: SmallVec<[Reason; 1]>,
}

/// A Reference that is read now; none stands within another.
#[derive(Debug, Default)]
struct Reference {
    /// It names a patient by identity.
    named: bool,
    logical: Option<Logical>,
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
            resources: SmallVec::new(),
            identifier: Identifier::default(),
            reference: Reference::default(),
            known: HashSet::new(),
            asked: HashSet::new(),
            many: false,
        }
    }

    /// The body has ended: who was never resolved is told.
    pub(super) fn finish(&mut self, hits: &mut Vec<Hit>) {
        if self.many || self.asked.iter().any(|asked| !self.known.contains(asked)) {
            self.out.unread(Reason::PatientForm, hits);
        }
    }

    fn position(&self) -> u32 {
        self.entries.map_or(self.documents, |(_, count)| count).saturating_sub(1)
    }

    fn tell(&mut self, id: PatientId, hits: &mut Vec<Hit>) {
        let position = self.position();
        self.out.patient(id, position, hits);
        self.hold.told();
    }

    /// An identity in a resource's own `identifier`.
    fn own(&mut self, id: PatientId, hits: &mut Vec<Hit>) {
        let Some(resource) = self.resources.last_mut() else { return };
        match resource.kind {
            Kind::Other | Kind::Bundle => {}
            Kind::Patient => {
                resource.named = true;
                self.tell(id, hits);
            }
            Kind::Unknown if resource.waiting.len() < WAITING_MAX && !resource.late => resource.waiting.push(id),
            Kind::Unknown => self.tell(id, hits),
        }
    }

    /// Tells all who wait in a resource.
    fn release(&mut self, index: usize, hits: &mut Vec<Hit>) {
        let Some(resource) = self.resources.get_mut(index) else { return };
        resource.named |= !resource.waiting.is_empty();
        for id in std::mem::take(&mut resource.waiting) {
            self.tell(id, hits);
        }
    }

    fn kind(&mut self, kind: Kind, hits: &mut Vec<Hit>) {
        let Some(resource) = self.resources.last_mut() else { return };
        match (resource.kind, kind) {
            // Said twice: the Patient counts.
            (Kind::Patient, _) => {}
            (_, Kind::Patient) => {
                resource.kind = kind;
                self.release(self.resources.len().saturating_sub(1), hits);
            }
            (_, kind) => resource.kind = kind,
        }
    }

    fn identifier_value(&mut self, place: Place, bytes: &[u8], hits: &mut Vec<Hit>) {
        if self.identifier.ours == Some(false) {
            return;
        }
        let Ok(text) = std::str::from_utf8(bytes) else { return self.identifier.note(Reason::PatientForm) };
        let mut found: SmallVec<[PatientId; 1]> = SmallVec::new();
        identities(text, self.reading, &mut |said| match said {
            Said::Patient(id) => found.push(id),
            Said::Logical { reason, .. } | Said::Unread { reason, .. } => self.identifier.note(reason),
        });
        for id in found {
            if place == Place::ReferenceValue {
                self.reference.named = true;
                self.tell(id, hits);
            } else {
                self.own(id, hits);
            }
        }
    }

    fn reference_text(&mut self, bytes: &[u8], hits: &mut Vec<Hit>) {
        let text = std::str::from_utf8(bytes).unwrap_or("?");
        let mut found: SmallVec<[PatientId; 1]> = SmallVec::new();
        identities(text, self.reading, &mut |said| match said {
            Said::Patient(id) => found.push(id),
            Said::Logical { id, .. } => self.reference.logical = Some(Logical::id(id)),
            Said::Unread { .. } => self.reference.logical = Some(Logical::url(text)),
        });
        for id in found {
            self.reference.named = true;
            self.tell(id, hits);
        }
    }

    /// A Reference has ended.
    fn referred(&mut self) {
        let Reference { named, logical } = std::mem::take(&mut self.reference);
        let Some(logical) = logical.filter(|_| !named) else { return };
        if self.known.contains(&logical) {
            return self.hold.told();
        }
        if self.asked.len() < IDS_MAX {
            self.asked.insert(logical);
        } else {
            self.many |= !self.asked.contains(&logical);
        }
    }

    fn know(&mut self, logical: Logical) {
        if self.known.len() < IDS_MAX {
            self.known.insert(logical);
        }
    }

    /// A resource has ended.
    fn leave_resource(&mut self, hits: &mut Vec<Hit>) {
        if self.resources.last().is_some_and(|resource| resource.kind == Kind::Unknown) {
            // Nothing says that it is not a Patient.
            self.release(self.resources.len().saturating_sub(1), hits);
        }
        let Some(resource) = self.resources.pop() else { return };
        if resource.kind == Kind::Patient && !resource.named {
            self.out.unread(Reason::PatientAbsent, hits);
        }
        if resource.kind == Kind::Patient
            && let Some(logical) = resource.id
        {
            self.know(logical);
        }
        if let Some(logical) = resource.fragment {
            self.know(logical);
        }
    }
}

impl Identifier {
    fn note(&mut self, reason: Reason) {
        if !self.reasons.contains(&reason) {
            self.reasons.push(reason);
        }
    }
}

impl Guide for Fhir {
    type Node = Place;

    fn document(&mut self, at: u64) -> Place {
        self.hold.document(at);
        self.documents = self.documents.saturating_add(1);
        self.entries = None;
        self.arrays = 0;
        self.resources.clear();
        Place::Root
    }

    fn key(&self, place: Place, key: &[u8]) -> Option<Place> {
        place.under(key)
    }

    fn wants(&self, place: Place) -> bool {
        place.is_scalar()
    }

    fn enters(&self, place: Place) -> bool {
        !place.is_scalar()
    }

    fn scalar(&mut self, place: Place, scalar: Scalar<'_>, hits: &mut Vec<Hit>) {
        let bytes = match scalar {
            Scalar::Text(bytes) | Scalar::Number(bytes) => bytes,
            Scalar::Null => return,
            Scalar::Truth | Scalar::Unreadable => b"?",
        };
        match place {
            Place::ResourceType => {
                let kind = match bytes {
                    b"Patient" => Kind::Patient,
                    b"Bundle" => Kind::Bundle,
                    _ => Kind::Other,
                };
                self.kind(kind, hits);
            }
            Place::Id => {
                if let (Some(resource), Ok(id)) = (self.resources.last_mut(), std::str::from_utf8(bytes)) {
                    if matches!(resource.kind, Kind::Unknown | Kind::Patient) {
                        resource.id = Some(Logical::id(id));
                    }
                    if resource.contained {
                        resource.fragment = Some(Logical::fragment(id));
                    }
                }
            }
            Place::FullUrl => {
                // A reference with a path is known by its id.
                if let Some(url) = std::str::from_utf8(bytes).ok().filter(|url| !url.contains('/')) {
                    self.know(Logical::url(url));
                }
            }
            Place::System | Place::ReferenceSystem => {
                let ours = std::str::from_utf8(bytes).map_or(true, is_identity_system);
                // Two systems say nothing certain.
                self.identifier.ours = Some(self.identifier.ours.is_some() || ours);
            }
            Place::Value | Place::ReferenceValue => self.identifier_value(place, bytes, hits),
            Place::ReferenceText => self.reference_text(bytes, hits),
            _ => {}
        }
    }

    fn enter_object(&mut self, place: Place, at: u64) {
        match place {
            Place::Root | Place::Resource | Place::Contained => {
                self.resources.push(Resource::new(at, place == Place::Contained));
            }
            Place::Identifier | Place::ReferenceIdentifier => self.identifier = Identifier::default(),
            Place::Reference => self.reference = Reference::default(),
            _ => {}
        }
    }

    fn leave_object(&mut self, place: Place, hits: &mut Vec<Hit>) {
        match place {
            Place::Root | Place::Resource | Place::Contained => self.leave_resource(hits),
            Place::Identifier | Place::ReferenceIdentifier => {
                let identifier = std::mem::take(&mut self.identifier);
                if identifier.ours == Some(false) || identifier.reasons.is_empty() {
                    return;
                }
                if place == Place::Identifier {
                    let Some(resource) = self.resources.last_mut() else { return };
                    if resource.kind != Kind::Patient {
                        return;
                    }
                    // The reasons say more than that nobody was named.
                    resource.named = true;
                }
                for reason in identifier.reasons {
                    self.out.unread(reason, hits);
                }
            }
            Place::Reference => self.referred(),
            _ => {}
        }
    }

    fn enter_array(&mut self, place: Place) {
        self.arrays += 1;
        if place == Place::Entry && self.entries.is_none() {
            self.entries = Some((self.arrays, 0));
            // What stands before the entries of a Bundle is about nobody.
            if let [Resource { kind: Kind::Bundle, .. }] = self.resources.as_slice() {
                self.hold.release_document();
            }
        }
    }

    fn leave_array(&mut self, _: Place) {
        if self.entries.is_some_and(|(depth, _)| depth == self.arrays) {
            self.entries = None;
            self.hold.list_ended();
        }
        self.arrays = self.arrays.saturating_sub(1);
    }

    fn element(&mut self, place: Place, at: u64) -> Place {
        if let Some((_, count)) = self.entries.as_mut().filter(|(depth, _)| *depth == self.arrays) {
            *count = count.saturating_add(1);
            self.hold.element(at);
        }
        place
    }

    fn element_ended(&mut self) {
        if self.entries.is_some_and(|(depth, _)| depth == self.arrays) {
            self.hold.element_ended();
        }
    }

    fn ended(&mut self, _: u64, _: &mut Vec<Hit>) {
        self.hold = Hold::default();
        self.entries = None;
    }

    fn tick(&mut self, read: u64, hits: &mut Vec<Hit>) {
        for index in 0..self.resources.len() {
            let Some(resource) = self.resources.get_mut(index) else { continue };
            if resource.kind == Kind::Unknown && read - resource.start >= HOLD_BYTES_MAX {
                resource.late = true;
                self.release(index, hits);
            }
        }
    }

    fn settled(&self, read: u64) -> u64 {
        let waiting = self.resources.iter().filter(|resource| !resource.waiting.is_empty()).map(|r| r.start).min();
        self.hold.settled(read).min(waiting.unwrap_or(read))
    }
}
