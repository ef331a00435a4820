//! The way through a body: what the walker meets, and what becomes of it.

use super::part::{Logical, Part};
use super::place::Place;
use super::resource::{Entry, Kind, Resource};
use super::{Fhir, said};
use crate::disclosure::scan::hold::{Hold, Overrun};
use crate::disclosure::scan::json::{Guide, Scalar};
use crate::disclosure::scan::{Fault, HOLD_BYTES_MAX, Hit};
use contract::record::Reason;
use smallvec::SmallVec;

impl Fhir {
    /// A resource begins, or an entry that may have one.
    #[inline(never)]
    fn enter_resource(&mut self, place: Place, at: u64) {
        match place {
            Place::Root | Place::Resource | Place::Contained => {
                let contained = place == Place::Contained;
                let around = self.resources.last().map_or(0, |resource| resource.level);
                let level = match place {
                    Place::Contained if self.hold.is_element(at) => self.hold.depth().saturating_sub(1),
                    // No list: it releases nothing.
                    Place::Contained => self.hold.depth(),
                    // Of a parameter: the others may be about another.
                    Place::Resource if !self.in_entry() => {
                        self.hold.depth().saturating_sub(usize::from(self.in_list()))
                    }
                    _ => around,
                };
                if place == Place::Resource && !self.in_entry() {
                    let parameter = self.objects.len().saturating_sub(1);
                    self.resources.last_mut().into_iter().for_each(|around| around.filled = parameter);
                }
                let held = self.hold.innermost().unwrap_or(at);
                self.resources.push(Resource::new(at, held, contained, level));
            }
            Place::Entry => {
                let depth = self.objects.len();
                let (elsewhere, urls) = (SmallVec::new(), SmallVec::new());
                self.open.push(Entry { depth, anywhere: None, elsewhere, urls, kind: Kind::Unknown });
            }
            _ => {}
        }
    }
}

impl Guide for Fhir {
    type Node = Place;

    fn document(&mut self, at: u64, _: u8) -> Place {
        self.hold.document(at);
        self.documents = self.documents.saturating_add(1);
        self.entries = None;
        self.arrays = 0;
        self.lists.clear();
        self.objects.clear();
        self.parts.clear();
        self.resources.clear();
        self.open.clear();
        self.begin_root(at);
        Place::Root
    }

    #[inline]
    fn key(&self, place: Place, key: &[u8]) -> Option<Place> {
        Some(place.under(key))
    }

    #[inline]
    fn wants(&self, place: Place) -> bool {
        place.is_read()
    }

    #[inline]
    fn enters(&self, _: Place) -> bool {
        true
    }

    fn scalar(&mut self, place: Place, scalar: Scalar<'_>, hits: &mut Vec<Hit>) {
        if place == Place::Root {
            self.fault = Some(Fault::Type);
        }
        if matches!(scalar, Scalar::Null) {
            return;
        }
        match (place, scalar) {
            (Place::ResourceType, Scalar::Text(name)) if !name.trim_ascii().is_empty() => self.kind(name, hits),
            (Place::StrayType, Scalar::Text(name)) if Kind::of(name) == Kind::Patient => {
                self.unread(place, Reason::PatientForm, hits);
            }
            (Place::ReferenceType | Place::ActorType, Scalar::Text(name)) => {
                let name = name.rsplit(|byte| *byte == b'/').next().unwrap_or(name);
                let to_patient = Kind::of(name) == Kind::Patient;
                if (to_patient || place == Place::ActorType)
                    && let Some(part) = self.part()
                {
                    part.to_patient |= to_patient;
                    part.elsewhere |= !to_patient;
                }
            }
            (Place::Words, Scalar::Text(words) | Scalar::Number(words)) => self.words(words, hits),
            (Place::Display, _) => self.part().into_iter().for_each(|part| part.shown = true),
            (Place::Id, Scalar::Text(id)) => {
                let reading = self.reading;
                if let (Some(resource), Ok(id)) = (self.resources.last_mut(), std::str::from_utf8(id)) {
                    resource.id_patient = said::whole(id, reading).or(resource.id_patient.take());
                    if matches!(resource.kind, Kind::Unknown | Kind::Patient) && !resource.contained {
                        resource.id = Some((Logical::id(id), Logical::id_anywhere(id)));
                    }
                    if resource.contained {
                        resource.fragment = Some(Logical::fragment(id));
                    }
                }
            }
            (Place::FullUrl | Place::Location, _) => self.url(place, scalar, hits),
            (Place::System | Place::OtherSystem, _) => self.system(place, scalar),
            (Place::Value | Place::OtherValue, _) => self.value(place, scalar, hits),
            (Place::SubjectText, Scalar::Text(text)) => {
                // Somebody, be it a group or a device.
                if let Some(resource) = self.resources.last_mut().filter(|_| !text.trim_ascii().is_empty()) {
                    resource.is_said();
                }
                self.reference(place, scalar, hits);
            }
            (Place::ReferenceText | Place::SubjectText | Place::ActorText, _) => self.reference(place, scalar, hits),
            // No FHIR, but somebody all the same.
            (Place::Reference | Place::Actor, Scalar::Text(bytes) | Scalar::Number(bytes)) => {
                let text = std::str::from_utf8(bytes).unwrap_or_default();
                for id in self.aims(text, &mut SmallVec::new()) {
                    self.tell(place, id, hits);
                }
            }
            _ => {}
        }
    }

    #[inline]
    fn enter_object(&mut self, place: Place, at: u64) {
        self.objects.push(at);
        if matches!(place, Place::Root | Place::Resource | Place::Contained | Place::Entry) {
            self.enter_resource(place, at);
        }
    }

    #[inline]
    fn leave_object(&mut self, place: Place, is_empty: bool, hits: &mut Vec<Hit>) {
        if self.known_part().is_some()
            && let Some(part) = self.parts.pop()
        {
            self.leave_part(place, part, hits);
        }
        match place {
            Place::Root | Place::Resource | Place::Contained => self.leave_resource(place, hits),
            Place::Entry => self.leave_entry(hits),
            Place::Parameter => self.leave_parameter(hits),
            Place::Reference => self.leave_subject(is_empty, hits),
            _ => {}
        }
        self.objects.pop();
    }

    #[inline]
    fn enter_array(&mut self, place: Place) {
        self.arrays += 1;
        if place == Place::Reference
            && let Some(resource) = self.resources.last_mut().filter(|resource| resource.subjects.is_none())
        {
            resource.subjects = Some(self.arrays);
        }
        if place == Place::Entry && self.entries.is_none() {
            self.entries = Some((self.arrays, 0));
        }
        if place.is_of_others() {
            // What stands before the entries of a Bundle is about nobody, and so with a list of resources.
            let of_bundle = self.resources.last().is_some_and(|r| r.kind == Kind::Bundle && !r.contained);
            if place == Place::Root || (place == Place::Entry && of_bundle) {
                self.hold.release_innermost();
            }
            self.lists.push(self.arrays);
            self.hold.list(true);
        }
    }

    #[inline]
    fn leave_array(&mut self, place: Place, _: bool) {
        if place == Place::Reference {
            self.leave_subjects();
        }
        if self.entries.is_some_and(|(depth, _)| depth == self.arrays) {
            self.entries = None;
        }
        if self.in_list() {
            self.lists.pop();
            self.hold.list_ended();
        }
        self.arrays = self.arrays.saturating_sub(1);
    }

    #[inline]
    fn element(&mut self, place: Place, at: u64, _: u8) -> Place {
        if let Some((_, count)) = self.entries.as_mut().filter(|(depth, _)| *depth == self.arrays) {
            *count = count.saturating_add(1);
        }
        if self.in_list() {
            self.hold.element(at);
        }
        if place == Place::Root {
            self.begin_root(at);
        }
        place
    }

    #[inline]
    fn element_ended(&mut self, _: u64, _: &mut Vec<Hit>) {
        if self.in_list() {
            self.hold.element_ended();
        }
    }

    fn ended(&mut self, _: u64, hits: &mut Vec<Hit>) {
        self.hold = Hold::default();
        self.entries = None;
        self.lists.clear();
        self.absence(hits);
        if self.untyped.is_some() {
            self.fault = Some(Fault::Type);
        }
    }

    fn tick(&mut self, read: u64, hits: &mut Vec<Hit>) {
        if self.untyped.is_some_and(|start| read - start >= HOLD_BYTES_MAX) && !self.typed_within {
            self.fault = Some(Fault::Type);
        }
        // Who waits for a type or a system is told before what they stand in is said to be nobody's.
        let over = self.hold.overrun(read) != Overrun::None;
        for index in 0..self.resources.len() {
            let Some(resource) = self.resources.get(index) else { continue };
            if resource.kind == Kind::Unknown && (over || read - resource.start >= HOLD_BYTES_MAX) {
                self.release_late(index, hits);
            }
        }
        for index in 0..self.parts.len() {
            let late = |part: &&mut Part| over || read - part.start >= HOLD_BYTES_MAX;
            let Some(part) = self.parts.get_mut(index).filter(late) else { continue };
            part.told |= !part.ids.is_empty();
            // Of somebody who may follow something was said, and leaves.
            let asks = part.asks() || std::mem::take(&mut part.shown);
            part.aims.clear();
            let ids = std::mem::take(&mut part.ids);
            if asks {
                self.form(hits);
            }
            for id in ids {
                self.tell(Place::Other, id, hits);
            }
        }
        if self.open_asked.front().is_some_and(|(start, ..)| read - start >= HOLD_BYTES_MAX) {
            self.form(hits);
        }
        match self.hold.overrun(read) {
            Overrun::None => {}
            Overrun::Unread => {
                // Whoever is referred to is not known yet, and it is about them.
                self.finish(hits);
                if self.resources.iter().any(|resource| resource.leaves_unanswered(read)) {
                    // Whom it is about is not known either: others were told in it.
                    self.out.unread(Reason::PatientAbsent, hits);
                }
                self.resources.iter_mut().for_each(|resource| resource.gone = true);
                self.hold.release(read);
            }
            Overrun::Nameless => self.fault = self.fault.or(Some(Fault::Nameless)),
        }
    }

    fn fault(&self) -> Option<Fault> {
        self.fault
    }

    fn settled(&self, read: u64) -> u64 {
        let resources = self.resources.iter().filter(|resource| !resource.waiting.is_empty()).map(|r| r.start);
        let parts = self.parts.iter().filter(|part| part.waits()).map(|part| part.start);
        let untyped = self.untyped.filter(|_| !self.typed_within);
        let asked = self.open_asked.front().map(|(start, ..)| *start);
        let waiting = resources.chain(parts).chain(untyped).chain(asked);
        self.hold.settled(read).min(waiting.min().unwrap_or(read))
    }
}
