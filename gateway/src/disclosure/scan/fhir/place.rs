//! Places in FHIR's resources where something is looked for.

/// A place. Arrays have their elements' place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// The document: a resource.
    Root,
    /// A resource of an entry or parameter.
    Resource,
    /// A resource within another.
    Contained,
    /// A Bundle's entry.
    Entry,
    /// An element of Parameters.
    Parameter,
    /// `participant` or `member`, in which references stand.
    Participant,
    /// A Reference.
    Reference,
    /// A resource's Identifier.
    Identifier,
    /// A Reference's Identifier.
    ReferenceIdentifier,
    ResourceType,
    Id,
    FullUrl,
    System,
    Value,
    ReferenceSystem,
    ReferenceValue,
    ReferenceText,
}

impl Place {
    /// The place under a key.
    pub(super) fn under(self, key: &[u8]) -> Option<Self> {
        let is = |name: &str| key.eq_ignore_ascii_case(name.as_bytes());
        let first = |place: Self, name: &str| is(name).then_some(place);
        match self {
            Self::Root | Self::Resource | Self::Contained => resource(key),
            Self::Entry => first(Self::Resource, "resource").or_else(|| first(Self::FullUrl, "fullUrl")),
            Self::Parameter => first(Self::Resource, "resource").or_else(|| first(Self::Parameter, "part")),
            Self::Participant => ["actor", "individual", "entity"].iter().find_map(|name| first(Self::Reference, name)),
            Self::Reference => {
                first(Self::ReferenceText, "reference").or_else(|| first(Self::ReferenceIdentifier, "identifier"))
            }
            Self::Identifier => first(Self::System, "system").or_else(|| first(Self::Value, "value")),
            Self::ReferenceIdentifier => {
                first(Self::ReferenceSystem, "system").or_else(|| first(Self::ReferenceValue, "value"))
            }
            Self::ResourceType
            | Self::Id
            | Self::FullUrl
            | Self::System
            | Self::Value
            | Self::ReferenceSystem
            | Self::ReferenceValue
            | Self::ReferenceText => None,
        }
    }

    /// Whether a text stands here, else an object.
    pub(super) fn is_scalar(self) -> bool {
        matches!(
            self,
            Self::ResourceType
                | Self::Id
                | Self::FullUrl
                | Self::System
                | Self::Value
                | Self::ReferenceSystem
                | Self::ReferenceValue
                | Self::ReferenceText
        )
    }
}

const KEYS: [(&str, Place); 14] = [
    ("id", Place::Id),
    ("for", Place::Reference),
    ("entry", Place::Entry),
    ("actor", Place::Reference),
    ("member", Place::Participant),
    ("subject", Place::Reference),
    ("patient", Place::Reference),
    ("contained", Place::Contained),
    ("parameter", Place::Parameter),
    ("individual", Place::Reference),
    ("identifier", Place::Identifier),
    ("beneficiary", Place::Reference),
    ("participant", Place::Participant),
    ("resourceType", Place::ResourceType),
];

fn resource(key: &[u8]) -> Option<Place> {
    KEYS.iter().find(|(name, _)| key.eq_ignore_ascii_case(name.as_bytes())).map(|(_, place)| *place)
}
