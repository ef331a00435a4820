//! Places in FHIR's resources where something is looked for: everywhere, but what counts depends on the place.

/// A place. Arrays have their elements' place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// The document: a resource.
    Root,
    /// A resource of an entry, a parameter or an answer.
    Resource,
    /// A resource within another: contained, or where FHIR has none.
    Contained,
    /// A Bundle's entry.
    Entry,
    /// A parameter of `Parameters`, or a part of one.
    Parameter,
    /// An entry's `request` or `response`.
    Answer,
    /// A Bundle's `link`: its URL says what was searched for. And a Patient's, to another.
    Link,
    /// `participant`, in which references stand.
    Participant,
    /// A Group's `member`, each somebody else.
    Member,
    /// A Reference to a patient, if to anybody.
    Reference,
    /// The same in a [`Place::Participant`] or [`Place::Member`], or as an `actor`, where others stand as well.
    Actor,
    /// A resource's Identifier.
    Identifier,
    /// The Identifier of a [`Place::Reference`].
    ReferenceIdentifier,
    /// The Identifier of a [`Place::Actor`].
    ActorIdentifier,
    /// The Identifier of any other Reference.
    OtherIdentifier,
    /// Codes and what they mean.
    Coding,
    /// Any other value: it may have an Identifier's fields, or a Reference's.
    Other,
    ResourceType,
    /// `resourceType` where no resource is known to stand.
    StrayType,
    Id,
    FullUrl,
    /// A URL in an [`Place::Answer`] or a [`Place::Link`].
    Location,
    /// An Identifier's fields, where only patients' series are looked for and none need be said.
    System,
    Value,
    /// The same fields of any object.
    OtherSystem,
    OtherValue,
    ReferenceText,
    /// The `reference` of a [`Place::Reference`].
    SubjectText,
    /// The `reference` of a [`Place::Actor`].
    ActorText,
    ReferenceType,
    /// The `type` of a [`Place::Actor`].
    ActorType,
    /// Somebody's name, or what else a Reference says of whom it leads to.
    Display,
    /// Words, in which somebody's number may stand.
    Words,
}

impl Place {
    /// The place under a key. Keys are told by their length first: this is asked for each of a body.
    #[inline]
    pub(super) fn under(self, key: &[u8]) -> Self {
        let is = |name: &str| is_named(key, name.as_bytes());
        let of_resource = matches!(self, Self::Root | Self::Resource | Self::Contained);
        let of_identifier = matches!(self, Self::Identifier | Self::ReferenceIdentifier | Self::ActorIdentifier);
        match key.len() {
            2 if of_resource && is("id") => Self::Id,
            3 if of_resource && is("for") => Self::Reference,
            3 if matches!(self, Self::Answer | Self::Link) && is("url") => Self::Location,
            4 if is("type") => {
                if self == Self::Actor {
                    Self::ActorType
                } else {
                    Self::ReferenceType
                }
            }
            4 if of_resource && is("link") => Self::Link,
            4 if self == Self::Parameter && is("part") => Self::Parameter,
            4 if is("text") => Self::Words,
            5 if is("value") => {
                if of_identifier {
                    Self::Value
                } else {
                    Self::OtherValue
                }
            }
            5 if of_resource && is("entry") => Self::Entry,
            5 if (of_resource || self == Self::Participant) && is("actor") => Self::Actor,
            6 if is("system") => {
                if of_identifier {
                    Self::System
                } else {
                    Self::OtherSystem
                }
            }
            6 if is("coding") => Self::Coding,
            6 if of_resource && is("member") => Self::Member,
            6 if self == Self::Member && is("entity") => Self::Actor,
            7 if of_resource && (is("subject") || is("patient")) => Self::Reference,
            7 if self == Self::Entry && is("fullUrl") => Self::FullUrl,
            7 if self == Self::Entry && is("request") => Self::Answer,
            7 if self == Self::Answer && is("outcome") => Self::Contained,
            7 if self != Self::Coding && is("display") => Self::Display,
            7 if is("valueId") => Self::Words,
            8 if is("resource") => {
                if matches!(self, Self::Entry | Self::Parameter) {
                    Self::Resource
                } else {
                    Self::Contained
                }
            }
            8 if self == Self::Entry && is("response") => Self::Answer,
            8 if is("valueUri") || is("valueUrl") => Self::Words,
            8 if self == Self::Answer && is("location") => Self::Location,
            9 if is("reference") => match self {
                Self::Reference => Self::SubjectText,
                Self::Actor => Self::ActorText,
                _ => Self::ReferenceText,
            },
            9 if is("contained") => Self::Contained,
            9 if of_resource && is("parameter") => Self::Parameter,
            10 if is("identifier") => match self {
                Self::Root | Self::Resource | Self::Contained => Self::Identifier,
                Self::Reference => Self::ReferenceIdentifier,
                Self::Actor => Self::ActorIdentifier,
                _ => Self::OtherIdentifier,
            },
            10 if of_resource && is("individual") => Self::Reference,
            10 if self == Self::Participant && is("individual") => Self::Actor,
            11 if of_resource && is("beneficiary") => Self::Reference,
            11 if of_resource && is("participant") => Self::Participant,
            11 if is("valueString") || is("diagnostics") => Self::Words,
            12 if is("resourceType") => {
                if of_resource {
                    Self::ResourceType
                } else {
                    Self::StrayType
                }
            }
            13 if is("valueMarkdown") => Self::Words,
            15 if of_resource && is("securityContext") => Self::Reference,
            _ => Self::Other,
        }
    }

    /// Whether an array here is a list of which each element may be about another patient.
    #[inline]
    pub(super) fn is_of_others(self) -> bool {
        matches!(self, Self::Root | Self::Resource | Self::Contained | Self::Entry | Self::Parameter | Self::Member)
    }

    /// Whether a text or number here is read.
    #[inline]
    pub(super) fn is_read(self) -> bool {
        match self {
            // In the first three an object should stand.
            Self::Root
            | Self::Reference
            | Self::Actor
            | Self::ResourceType
            | Self::StrayType
            | Self::Id
            | Self::FullUrl
            | Self::Location
            | Self::System
            | Self::Value
            | Self::OtherSystem
            | Self::OtherValue
            | Self::ReferenceText
            | Self::SubjectText
            | Self::ActorText
            | Self::ReferenceType
            | Self::ActorType
            | Self::Display
            | Self::Words => true,
            Self::Resource
            | Self::Contained
            | Self::Entry
            | Self::Parameter
            | Self::Answer
            | Self::Link
            | Self::Participant
            | Self::Member
            | Self::Identifier
            | Self::ReferenceIdentifier
            | Self::ActorIdentifier
            | Self::OtherIdentifier
            | Self::Coding
            | Self::Other => false,
        }
    }
}

/// Whether a key is a name, in any case. Nearly all are written as the name is, or differ from it in an end.
#[inline]
fn is_named(key: &[u8], name: &[u8]) -> bool {
    let alike = |a: Option<&u8>, b: Option<&u8>| a.zip(b).is_some_and(|(a, b)| a | 0x20 == b | 0x20);
    key == name || (alike(key.first(), name.first()) && alike(key.last(), name.last()) && is_named_otherwise(key, name))
}

#[cold]
#[inline(never)]
fn is_named_otherwise(key: &[u8], name: &[u8]) -> bool {
    key.eq_ignore_ascii_case(name)
}
