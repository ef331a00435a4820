//! What has ended: an object with the fields of an Identifier or Reference, a resource, an entry.

use super::part::{Aim, Logical, Part};
use super::place::Place;
use super::resource::{Kind, Resource, Subject};
use super::{FRAGMENTS_MAX, Fhir};
use crate::disclosure::scan::{Fault, Hit};
use contract::record::Reason;
use std::collections::HashSet;

impl Fhir {
    /// An object has ended that had fields of an Identifier or Reference.
    #[inline(never)]
    pub(super) fn leave_part(&mut self, place: Place, part: Part, hits: &mut Vec<Hit>) {
        let counts = match place {
            Place::ReferenceIdentifier | Place::ActorIdentifier => part.ours != Some(false),
            _ => part.ours == Some(true),
        };
        if !part.named {
            for aim in &part.aims {
                let somebody = match aim {
                    Aim::Patient(_) | Aim::PatientAt(..) => true,
                    Aim::Url(_) | Aim::Fragment(_) => matches!(place, Place::Reference | Place::Actor),
                    Aim::Elsewhere(_) => false,
                };
                if somebody || part.to_patient {
                    self.refer(place, *aim, hits);
                }
            }
        }
        if part.to_patient && part.shown && !part.named && part.aims.is_empty() && place != Place::Reference {
            // It is said to be a patient, and what of them, but not who.
            self.unread(place, Reason::PatientForm, hits);
        }
        if place == Place::Actor && part.named && !part.elsewhere {
            self.resources.last_mut().into_iter().for_each(Resource::participates);
        }
        if place == Place::Identifier {
            return self.own(part, hits);
        }
        if !counts {
            return;
        }
        let named = part.told || !part.ids.is_empty();
        for id in part.ids {
            self.tell(place, id, hits);
        }
        for reason in part.reasons {
            self.unread(place, reason, hits);
        }
        if named && matches!(place, Place::ReferenceIdentifier | Place::ActorIdentifier | Place::OtherIdentifier) {
            // The reference that it belongs to need not be resolved.
            let start = self.objects.pop();
            if let Some(part) = self.part() {
                part.named = true;
            }
            self.objects.extend(start);
        }
    }

    /// A Reference to whom a resource is about has ended. It is about somebody, whatever its type says.
    #[inline(never)]
    pub(super) fn leave_subject(&mut self, is_empty: bool, hits: &mut Vec<Hit>) {
        let Some(resource) = self.resources.last_mut() else { return };
        let said = std::mem::take(&mut resource.this_said);
        if is_empty {
            return;
        }
        if resource.subjects.is_none() && resource.subject == Subject::Unasked {
            resource.subject = Subject::Missing;
        } else if resource.subjects.is_some() && !said {
            self.out.unread(Reason::PatientAbsent, hits);
        }
    }

    /// A list of those whom a resource is about has ended, if it is one.
    pub(super) fn leave_subjects(&mut self) {
        let arrays = self.arrays;
        let Some(resource) = self.resources.last_mut().filter(|r| r.subjects == Some(arrays)) else { return };
        resource.subjects = None;
        let told = std::mem::take(&mut resource.one_told);
        if std::mem::take(&mut resource.one_said) {
            resource.subject = Subject::Said;
        }
        if told {
            self.answered();
        }
    }

    /// A resource has ended.
    #[inline(never)]
    pub(super) fn leave_resource(&mut self, place: Place, hits: &mut Vec<Hit>) {
        if self.resources.last().is_some_and(|resource| resource.kind == Kind::Unknown) {
            // Nothing says that it is not a Patient.
            self.release(true, hits);
        }
        if let Some(resource) =
            self.resources.last_mut().filter(|resource| resource.kind == Kind::Patient && !resource.named)
        {
            let id = resource.id_patient.take();
            resource.named = id.is_some();
            match id {
                Some(id) => self.tell(Place::Identifier, id, hits),
                None => self.unread(Place::Identifier, Reason::PatientAbsent, hits),
            }
        }
        let Some(resource) = self.resources.pop() else { return };
        if place == Place::Root && resource.kind == Kind::Unknown {
            self.fault = Some(Fault::Type);
        }
        if resource.subject == Subject::Missing && !resource.contained {
            if place == Place::Root && self.lists.is_empty() {
                self.absent = true;
            } else {
                self.out.unread(Reason::PatientAbsent, hits);
            }
        }
        let around = self.objects.len().saturating_sub(1);
        if let Some(entry) = self.open.last_mut().filter(|entry| entry.depth == around && place == Place::Resource)
            && entry.kind != Kind::Patient
        {
            entry.kind = resource.kind;
        }
        if resource.contained && !self.resources.is_empty() {
            return self.leave_contained(resource, hits);
        }
        if !resource.asked.is_empty() {
            // As a set: each may be as many as are remembered.
            let within: HashSet<Logical> = resource.fragments.into_iter().collect();
            if resource.asked.iter().any(|asked| !within.contains(asked)) {
                self.form(hits);
            }
        }
        if resource.kind == Kind::Patient
            && let Some((here, anywhere)) = resource.id
        {
            self.know(here);
            match self.open.last_mut().filter(|entry| entry.depth == around && place == Place::Resource) {
                // Its URL may say where it is.
                Some(entry) => entry.anywhere = Some(anywhere),
                None => self.know(anywhere),
            }
        }
    }

    /// What a contained resource says is known in the one that it stands in.
    fn leave_contained(&mut self, resource: Resource, hits: &mut Vec<Hit>) {
        let Some(outer) = self.resources.last_mut() else { return };
        let fragment = resource.fragment.filter(|_| resource.kind != Kind::Unknown);
        let patient = fragment.filter(|_| resource.kind == Kind::Patient && resource.named);
        let room = FRAGMENTS_MAX.saturating_sub(outer.fragments.len());
        outer.fragments.extend(resource.fragments.into_iter().chain(fragment).take(room));
        let room = FRAGMENTS_MAX.saturating_sub(outer.patients.len());
        outer.patients.extend(patient.into_iter().take(room));
        let room = FRAGMENTS_MAX.saturating_sub(outer.asked.len());
        let many = resource.asked.len() > room;
        outer.asked.extend(resource.asked.into_iter().take(room));
        if patient.is_some_and(|patient| outer.about.contains(&patient)) {
            self.answered();
        }
        if many {
            self.form(hits);
        }
    }

    /// A parameter has ended.
    #[inline(never)]
    pub(super) fn leave_parameter(&mut self, hits: &mut Vec<Hit>) {
        let depth = self.objects.len();
        let Some(resource) = self.resources.last_mut() else { return };
        if resource.filled == depth {
            // For the one that this is a part of, too.
            resource.filled = depth.saturating_sub(1);
            return;
        }
        resource.bare = true;
        if resource.gone {
            self.out.unread(Reason::PatientAbsent, hits);
        }
    }

    /// An entry has ended: its URL leads to its resource, if that was read. Another than a Patient is nobody either.
    #[inline(never)]
    pub(super) fn leave_entry(&mut self, hits: &mut Vec<Hit>) {
        let Some(entry) = self.open.pop() else { return };
        let placed = entry.urls.iter().any(|aim| matches!(aim, Aim::PatientAt(..)));
        if let Some(anywhere) = entry.anywhere.filter(|_| !placed) {
            self.know(anywhere);
        }
        if entry.kind == Kind::Patient
            && let Ok(url) = std::str::from_utf8(&entry.elsewhere)
            && !url.is_empty()
        {
            self.know(Logical::url(url));
        }
        for aim in entry.urls {
            match aim {
                Aim::Patient(logical) | Aim::PatientAt(logical, _) | Aim::Url(logical)
                    if entry.kind == Kind::Patient =>
                {
                    self.know(logical);
                }
                Aim::Url(logical) if entry.kind != Kind::Unknown => self.know(logical),
                Aim::Patient(_) | Aim::PatientAt(..) => self.refer(Place::FullUrl, aim, hits),
                Aim::Url(_) | Aim::Elsewhere(_) | Aim::Fragment(_) => {}
            }
        }
    }
}
