//! What is known of a resource that is read now, and of an entry.

use super::part::{Aim, Logical};
use super::place::Place;
use crate::disclosure::scan::HOLD_BYTES_MAX;
use contract::identity::PatientId;
use smallvec::SmallVec;

/// No type that is looked for has a longer name, in bytes.
const NAME_BYTES_MAX: usize = 40;

#[expect(clippy::struct_excessive_bools, reason = "each is said by a field of its own, in any order")]
#[derive(Debug)]
pub(super) struct Resource {
    pub(super) start: u64,
    /// Where that begins which is held with it.
    held: u64,
    pub(super) kind: Kind,
    /// An identity of it was told.
    pub(super) named: bool,
    pub(super) subject: Subject,
    /// The list of its subjects that is open: how many arrays are around it and itself.
    pub(super) subjects: Option<usize>,
    /// Of those in the list one was said, and one was told: that counts when it ends, for each is somebody else.
    pub(super) one_said: bool,
    /// So was the one that is read.
    pub(super) this_said: bool,
    pub(super) one_told: bool,
    /// From which level on what is held is about whomever it is about.
    pub(super) level: usize,
    /// It is too long to wait for its type.
    pub(super) late: bool,
    /// Of `Parameters`: one has a value of its own, which may be about whomever another is.
    pub(super) bare: bool,
    /// How many objects are around the parameter in which a resource was read, and itself.
    pub(super) filled: usize,
    /// It has left as far as it was read, and what of it is about nobody has been told.
    pub(super) gone: bool,
    /// Identities that wait for its type, and whether a patients' series is said for them.
    pub(super) waiting: SmallVec<[(PatientId, bool); 1]>,
    /// It stands within another.
    pub(super) contained: bool,
    /// Its id, here and anywhere, unless it is known to be no Patient.
    pub(super) id: Option<(Logical, Logical)>,
    /// The identity that its id is.
    pub(super) id_patient: Option<PatientId>,
    /// As others in the same resource refer to it.
    pub(super) fragment: Option<Logical>,
    /// What stands within it, of known type, and what is referred to as standing there.
    pub(super) fragments: Vec<Logical>,
    pub(super) asked: Vec<Logical>,
    /// Of what stands within it, the Patients that were told; and of what is asked for, whom it is about.
    pub(super) patients: Vec<Logical>,
    pub(super) about: Vec<Logical>,
}

/// Whether a resource says of whom it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    /// It need not, as far as its type is known.
    Unasked,
    /// A participant was told: of an Appointment's, one is whom it is about, but this need not be the one.
    Participant,
    /// It should, by its type ([`Kind::asks`]), and has not.
    Missing,
    /// Something in it says so, be it readable or not.
    Said,
}

/// Whether somebody is whom a resource is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    Them,
    /// They and the others in a list, who may follow.
    Several,
    /// They may be anybody.
    Others,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Unknown,
    Patient,
    /// Somebody who may be a patient as well.
    Person,
    /// Likewise, and about the patient to whom they are related.
    RelatedPerson,
    /// Staff: their own identifiers are no patients'.
    Practitioner,
    Bundle,
    Parameters,
    /// Among their participants is whom they are about.
    Appointment,
    /// Of its members each is another.
    Group,
    /// Another that is about one patient.
    OfPatient,
    Other,
}

impl Kind {
    /// Of the type's name, in any case: there are servers that do not care.
    pub(super) fn of(name: &[u8]) -> Self {
        let name = name.trim_ascii();
        let mut lower = [0; NAME_BYTES_MAX];
        let Some(lower) = lower.get_mut(..name.len()) else { return Self::Other };
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();
        match &*lower {
            b"patient" => Self::Patient,
            b"person" => Self::Person,
            b"relatedperson" => Self::RelatedPerson,
            b"practitioner" => Self::Practitioner,
            b"bundle" => Self::Bundle,
            b"parameters" => Self::Parameters,
            b"appointment" | b"appointmentresponse" => Self::Appointment,
            b"group" => Self::Group,
            lower if is_of_patients(lower) => Self::OfPatient,
            _ => Self::Other,
        }
    }

    /// Whether resources of it are about a patient each, and say whom. Of a Patient itself more is known.
    pub(super) fn asks(self) -> bool {
        matches!(self, Self::RelatedPerson | Self::Appointment | Self::OfPatient)
    }

    /// Whether one of the participants may be whom it is about, as far as is known.
    pub(super) fn has_participants(self) -> bool {
        matches!(self, Self::Unknown | Self::Appointment)
    }
}

/// The other types of resources that are about one patient, in R4's and R5's patient compartment
/// (<https://hl7.org/fhir/R4/compartmentdefinition-patient.html>). Those are left out that may as well be about nobody:
/// accounts and invoices, lists, groups, schedules, supplies, reports of measures, and records of what was done. A `Binary` is
/// in no compartment, but it may be anybody's scanned letter, and says whose by its `securityContext` alone.
fn is_of_patients(lower: &[u8]) -> bool {
    matches!(
        lower,
        b"adverseevent"
            | b"allergyintolerance"
            | b"basic"
            | b"binary"
            | b"biologicallyderivedproductdispense"
            | b"bodystructure"
            | b"careplan"
            | b"careteam"
            | b"chargeitem"
            | b"claim"
            | b"claimresponse"
            | b"clinicalimpression"
            | b"communication"
            | b"communicationrequest"
            | b"composition"
            | b"condition"
            | b"consent"
            | b"coverage"
            | b"coverageeligibilityrequest"
            | b"coverageeligibilityresponse"
            | b"detectedissue"
            | b"devicedispense"
            | b"devicerequest"
            | b"deviceusage"
            | b"deviceusestatement"
            | b"diagnosticreport"
            | b"documentmanifest"
            | b"documentreference"
            | b"encounter"
            | b"encounterhistory"
            | b"enrollmentrequest"
            | b"episodeofcare"
            | b"explanationofbenefit"
            | b"familymemberhistory"
            | b"flag"
            | b"genomicstudy"
            | b"goal"
            | b"imagingselection"
            | b"imagingstudy"
            | b"immunization"
            | b"immunizationevaluation"
            | b"immunizationrecommendation"
            | b"media"
            | b"medicationadministration"
            | b"medicationdispense"
            | b"medicationrequest"
            | b"medicationstatement"
            | b"molecularsequence"
            | b"nutritionintake"
            | b"nutritionorder"
            | b"observation"
            | b"procedure"
            | b"questionnaireresponse"
            | b"requestgroup"
            | b"requestorchestration"
            | b"researchsubject"
            | b"riskassessment"
            | b"servicerequest"
            | b"specimen"
            | b"visionprescription"
    )
}

impl Resource {
    pub(super) fn new(start: u64, held: u64, contained: bool, level: usize) -> Self {
        Self {
            start,
            held,
            kind: Kind::Unknown,
            named: false,
            subject: Subject::Unasked,
            subjects: None,
            one_said: false,
            this_said: false,
            one_told: false,
            level,
            late: false,
            bare: false,
            filled: 0,
            gone: false,
            waiting: SmallVec::new(),
            contained,
            id: None,
            id_patient: None,
            fragment: None,
            fragments: Vec::new(),
            asked: Vec::new(),
            patients: Vec::new(),
            about: Vec::new(),
        }
    }

    /// Whether who is told at this place is whom the resource is about, as far as is known of it. Then it may leave.
    pub(super) fn is_about(&self, place: Place) -> bool {
        match place {
            Place::Reference | Place::SubjectText | Place::ReferenceIdentifier => self.kind != Kind::Patient,
            // Of somebody beside a patient it is theirs, not the patient's.
            Place::Identifier => self.kind != Kind::RelatedPerson,
            Place::Actor | Place::ActorText | Place::ActorIdentifier => self.kind == Kind::Group,
            // Of a request or an answer they need not be those whom its resource is about.
            Place::FullUrl | Place::Location => false,
            // Who else is told may be anybody, unless there is nobody in particular whom it is about.
            _ => self.kind == Kind::Bundle,
        }
    }

    /// It says of whom it is, readable or not.
    pub(super) fn is_said(&mut self) {
        match self.subjects {
            Some(_) => (self.one_said, self.this_said) = (true, true),
            None => self.subject = Subject::Said,
        }
    }

    /// One of its participants was told, or somebody is referred to as one.
    pub(super) fn participates(&mut self) {
        if self.subject != Subject::Said && self.kind.has_participants() {
            self.subject = Subject::Participant;
        }
    }

    /// Whether it leaves though whom it is about has not been told, when it is too long to wait for them.
    pub(super) fn leaves_unanswered(&self, read: u64) -> bool {
        let unanswered = match self.kind {
            Kind::Bundle => false,
            Kind::Parameters => self.bare,
            _ => self.subject != Subject::Said,
        };
        unanswered && read.saturating_sub(self.held) >= HOLD_BYTES_MAX
    }
}

/// An entry that is read now.
#[derive(Debug)]
pub(super) struct Entry {
    /// How many objects are around it and itself.
    pub(super) depth: usize,
    /// The id of the Patient in it, if nothing says where that is.
    pub(super) anywhere: Option<Logical>,
    /// Its `fullUrl`, if that leads to no Patient: nobody asks, unless it is one all the same.
    pub(super) elsewhere: SmallVec<[u8; 64]>,
    /// What its `fullUrl` says else.
    pub(super) urls: SmallVec<[Aim; 1]>,
    /// The type of its resource, once that was read.
    pub(super) kind: Kind,
}
