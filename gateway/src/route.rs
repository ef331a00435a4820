//! Routes: which requests pass, to which registry, and what each of them asks for.
//!
//! [`Routes::read`] takes the routes file; [`Routes::find`] gives the one route of a request, by host, path template
//! and method.
//!
//! # Invariants
//! 1. A path is matched byte for byte as it is forwarded: nothing is decoded or normalised. [`crate::hygiene`] has
//!    refused before whatever could mean two things.
//! 2. At most one route fits: literal segments win over `{name}`, `{name}` over `{*rest}`, then the method decides.
//!    Two routes with the same host, path and method are a mistake of the file.
//! 3. A segment that differs only in upper and lower case from a literal one matches nothing, so that a backend that
//!    ignores case is not reached by another route than the one that is meant.
//! 4. A `{*rest}` route asks for no less than the routes beneath it: what they do not list falls to it.
//! 5. Finding a route allocates nothing.

mod config;
mod emergency;
mod method;
mod registry;
mod table;
mod template;

pub use config::HOST_COUNT_MAX;
pub use method::{Methods, Verb};
pub use registry::{ClientCertificate, Health, Peer, PeerError, Protocol, Registry, UpstreamTls};
pub use template::{PARAMS_MAX, Params, Template, TemplateError};

use contract::Text;
use contract::id::RouteName;
use contract::record::{Activity, Purpose, Right, Sensitivity};
use contract::settings::Document;
use http::{HeaderName, Method};
use std::sync::Arc;
use table::Table;

macro_rules! small_id {
    ($($(#[$meta:meta])* $name:ident;)*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(u16);
        impl $name {
            pub(crate) fn new(index: usize) -> Option<Self> { u16::try_from(index).ok().map(Self) }
            /// The position in the file, from 0: dense, for arrays of metrics.
            pub fn index(self) -> usize { usize::from(self.0) }
        }
    )*};
}

small_id! {
    /// A route of one reading of the file. Another reading may give the same number to another route.
    RouteId;
    /// A registry of one reading of the file.
    RegistryId;
}

/// All routes and registries of a file.
#[derive(Debug)]
pub struct Routes {
    registries: Vec<Arc<Registry>>,
    all: Vec<Arc<Route>>,
    table: Table,
}

/// The route of a request.
#[derive(Debug, Clone, Copy)]
pub struct Matched<'r> {
    /// The route.
    pub route: &'r Arc<Route>,
    /// Its registry.
    pub registry: &'r Arc<Registry>,
    /// Where the template's parameters stand in the path.
    pub params: Params,
}

/// Why a request has no route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoMatch {
    /// No registry has this host.
    UnknownHost,
    /// No route has this path.
    NoRoute,
    /// Routes have this path, but for other methods.
    MethodNotAllowed {
        /// Which.
        allow: Methods,
    },
}

impl Routes {
    /// Reads a routes file. Each mistake is noted in the document; `None` if there was any.
    pub fn read(document: &Document) -> Option<Self> {
        config::read(document)
    }

    /// The route of a request. `host` without the port; `path` without the query.
    pub fn find(&self, host: &str, method: &Method, path: &[u8]) -> Result<Matched<'_>, NoMatch> {
        let (ends, params) = self.table.find(host, path)?;
        let denied = NoMatch::MethodNotAllowed { allow: ends.allow() };
        let id = Verb::of(method).and_then(|verb| ends.of(verb)).ok_or(denied)?;
        let route = self.all.get(id.index()).ok_or(NoMatch::NoRoute)?;
        let registry = self.registries.get(route.registry.index()).ok_or(NoMatch::NoRoute)?;
        Ok(Matched { route, registry, params })
    }

    /// Whether a registry is reached by this host name (without port).
    pub fn serves(&self, host: &str) -> bool {
        self.table.serves(host)
    }

    /// All registries, in the order of their ids.
    pub fn registries(&self) -> &[Arc<Registry>] {
        &self.registries
    }

    /// All routes, in the order of their ids.
    pub fn routes(&self) -> &[Arc<Route>] {
        &self.all
    }
}

/// What must be known before a request may pass. In the order of what each asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    /// An enrolled device.
    Device,
    /// A device and a session.
    Session,
    /// A device, a session and a grant for the registry.
    Grant,
}

impl Access {
    /// The word for it in the file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Session => "session",
            Self::Grant => "grant",
        }
    }
}

/// The largest body in which patients are looked for: it is in memory as a whole before it is forwarded. There are at
/// most as many at a time as the registry has places (`connections_max`).
pub const BODY_BYTES_READ_MAX: usize = 1 << 20;

/// A route: one path of one registry, for some methods.
#[derive(Debug)]
pub struct Route {
    /// Its number.
    pub id: RouteId,
    /// Its name: a label in metrics.
    pub name: RouteName,
    /// Its registry.
    pub registry: RegistryId,
    /// For which methods.
    pub methods: Methods,
    /// The path's template.
    pub template: Template,
    /// What must be known before a request may pass.
    pub access: Access,
    /// Why data are used.
    pub purpose: Purpose,
    /// What kind of thing it is.
    pub resource: Text,
    /// How sensitive it is.
    pub sensitivity: Sensitivity,
    /// Where the patients stand.
    pub patients: Patients,
    /// Fields of query, form or JSON that hold search terms.
    pub search_terms: Vec<FieldPath>,
    /// The largest request body.
    pub body_bytes_max: u64,
    /// May be upgraded to a WebSocket.
    pub websocket: bool,
    /// Where the unit stands that the request concerns.
    pub unit: Option<UnitPlace>,
    /// Who is not logged in is sent to the login page, if a person is there to see it.
    pub anonymous_redirect: bool,
    /// Who is refused for want of a grant may open the one patient that the request names, in an emergency.
    pub emergency: bool,
    right: Option<Right>,
    activity: Option<Activity>,
}

impl Route {
    /// What a grant must allow: by the file; else by the activity, if the file names one; else by the method.
    pub fn right(&self, method: &Method) -> Right {
        if let Some(right) = self.right {
            return right;
        }
        let reading = match self.activity {
            Some(activity) => {
                matches!(activity, Activity::Read | Activity::Search | Activity::Print | Activity::Export)
            }
            None => reads(method),
        };
        if reading { Right::Read } else { Right::ReadWrite }
    }

    /// Whether a request changes data: it is then forwarded only after its receipt.
    pub fn changes(&self, method: &Method) -> bool {
        self.right(method) == Right::ReadWrite
    }

    /// What the user does, for the record: by the file, else by the method.
    pub fn activity(&self, method: &Method) -> Activity {
        self.activity.unwrap_or(match *method {
            Method::DELETE => Activity::Delete,
            _ if reads(method) => Activity::Read,
            _ => Activity::Write,
        })
    }

    /// Whether patients or search terms may stand in the request's body, so that it must be read before the request
    /// is forwarded.
    pub fn reads_body(&self, method: &Method) -> bool {
        self.patients.places().iter().any(Place::is_in_body) || (!self.search_terms.is_empty() && !reads(method))
    }
}

/// Which patients a request is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Patients {
    /// About none: no patient data.
    None,
    /// Those that stand in these places; all found are recorded.
    Named {
        /// Where in the request.
        places: Vec<Place>,
        /// How the answer is looked into, if it discloses patients that the request does not name.
        response: Option<InResponse>,
    },
}

impl Patients {
    /// Whether it is about any.
    pub fn any(&self) -> bool {
        *self != Self::None
    }

    /// Where in the request.
    pub fn places(&self) -> &[Place] {
        match self {
            Self::None => &[],
            Self::Named { places, .. } => places,
        }
    }

    /// How the answer is looked into, if it discloses patients that the request does not name: a marked route.
    pub fn in_response(&self) -> Option<&InResponse> {
        match self {
            Self::None => None,
            Self::Named { response, .. } => response.as_ref(),
        }
    }
}

/// How an answer is looked into for the patients that it discloses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InResponse {
    /// Where they stand in JSON. With none, their numbers are looked for in all of the text.
    pub json: Arc<[FieldPath]>,
    /// JSON is FHIR, whatever its content type says.
    pub fhir: bool,
    /// Headers that name a patient.
    pub headers: Vec<HeaderName>,
    /// What cannot be looked into passes, and is recorded as that. Else it is refused.
    pub passes_unscanned: bool,
}

/// A place in a request where a patient's identity stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A parameter of the path, by its position in the template.
    Path(usize),
    /// A parameter of the query.
    Query(FieldPath),
    /// A field of a form.
    Form(FieldPath),
    /// A header.
    Header(HeaderName),
    /// A field of a JSON body.
    Json(FieldPath),
}

impl Place {
    /// Whether the body must be read to see it.
    pub fn is_in_body(&self) -> bool {
        matches!(self, Self::Form(_) | Self::Json(_))
    }
}

/// A place in a request where a unit's HSA-id stands: one that is known before the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnitPlace {
    /// A parameter of the path, by its position in the template.
    Path(usize),
    /// A parameter of the query.
    Query(FieldPath),
    /// A header.
    Header(HeaderName),
}

/// The name of a field: of a query or form as it stands, of JSON as keys with `.` between. Arrays on the way are
/// entered by themselves; `[*]` may be written to show where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldPath {
    text: Box<str>,
    keys: Vec<Box<str>>,
    /// Behind which keys a `[*]` is written that may be a list of several people: a bit for each, the first one's lowest.
    lists: u32,
    ends_in_list: bool,
}

impl FieldPath {
    /// Parses a name; `None` if it is empty, has an empty key, or an index other than `[*]`.
    pub fn parse(text: &str) -> Option<Self> {
        // A body that is itself an array: `[*].id`.
        let mut beneath = text;
        while let Some(shorter) = beneath.strip_prefix("[*]").filter(|rest| rest.starts_with(['.', '['])) {
            beneath = shorter.strip_prefix('.').unwrap_or(shorter);
        }
        let (mut keys, mut lists, mut of_one) = (Vec::<Box<str>>::new(), 0, false);
        for written in beneath.split('.').take(FIELD_DEPTH_MAX + 1) {
            let mut key = written;
            while let Some(shorter) = key.strip_suffix("[*]") {
                key = shorter;
            }
            // Whatever stands in identities is of one.
            of_one |= is_of_identities(key);
            lists |= u32::from(key != written && !of_one) << keys.len();
            keys.push(key.into());
        }
        // Behind the last key stand identities themselves.
        let last = 1 << keys.len().saturating_sub(1);
        let ends_in_list = lists & last != 0;
        lists &= !last;
        let whole = !keys.is_empty() && keys.iter().all(|key| !key.is_empty() && !key.contains(['[', ']']));
        (whole && keys.len() <= FIELD_DEPTH_MAX).then(|| Self { text: text.into(), keys, lists, ends_in_list })
    }

    /// The name as the file has it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a list of several people is written (`[*]`) behind the key of this number, or a later one.
    pub fn has_list_from(&self, key: usize) -> bool {
        u32::try_from(key).ok().and_then(|key| self.lists.checked_shr(key)).is_some_and(|lists| lists != 0)
    }

    /// Whether a list is written (`[*]`) behind the last key: of several people, perhaps.
    pub fn ends_in_list(&self) -> bool {
        self.ends_in_list
    }

    /// The keys of the JSON path.
    pub fn keys(&self) -> &[Box<str>] {
        &self.keys
    }
}

/// Whether a list of this name is one of identities, of whomever it stands in.
pub fn is_of_identities(key: &str) -> bool {
    ["identifier", "identifiers"].iter().any(|name| key.eq_ignore_ascii_case(name))
}

/// The most keys in a field's path.
pub const FIELD_DEPTH_MAX: usize = 16;

fn reads(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

#[cfg(test)]
mod tests;
