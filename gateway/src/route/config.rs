//! Reading the routes file: every mistake is noted at its line.

use super::registry::is_host_name;
use super::table::Table;
use super::{
    Access, ClientCertificate, FieldPath, Health, InResponse, Methods, Patients, Peer, Place, Protocol, Registry,
    RegistryId, Route, RouteId, Routes, Template, UnitPlace, UpstreamTls, Verb,
};
use contract::id::{RegistryName, RouteName};
use contract::record::{Activity, Purpose, Right, Sensitivity};
use contract::settings::{At, Document, Section};
use http::HeaderName;
use std::sync::Arc;
use std::time::Duration;

/// The most host names of one registry.
pub const HOST_COUNT_MAX: usize = 64;
const REGISTRIES_MAX: usize = 256;
const ROUTES_MAX: usize = 4096;
const BODY_BYTES_DEFAULT: u64 = 64 << 10;
const BODY_BYTES_MAX: u64 = 1 << 40;
const BODY_BYTES_READ_MAX: u64 = crate::route::BODY_BYTES_READ_MAX as u64;

pub(super) fn read(document: &Document) -> Option<Routes> {
    let root = document.root();
    let registry_sections = root.sections("registry");
    let route_sections = root.sections("route");
    if registry_sections.is_empty() {
        root.reject("registry", "no [[registry]] is there: nothing could be reached");
    }
    if registry_sections.len() > REGISTRIES_MAX {
        root.reject("registry", format!("more than {REGISTRIES_MAX} registries"));
    }
    if route_sections.len() > ROUTES_MAX {
        root.reject("route", format!("more than {ROUTES_MAX} routes"));
    }
    // Names are read even of registries with mistakes, so that their routes are not called wrong as well.
    let mut names: Vec<Option<RegistryName>> = Vec::new();
    let mut registries = Vec::new();
    for (index, section) in registry_sections.iter().enumerate() {
        let name: Option<RegistryName> = section.parsed("name");
        if name.is_some() && names.contains(&name) {
            section.reject("name", "another registry has this name");
        }
        registries.push(registry(section, RegistryId::new(index), name.clone()).map(Arc::new));
        names.push(name);
        section.finish();
    }
    let mut routes: Vec<Option<(Arc<Route>, At)>> = Vec::new();
    for (index, section) in route_sections.iter().enumerate() {
        let name: Option<RouteName> = section.parsed("name");
        if let Some(name) = &name
            && routes.iter().flatten().any(|(route, _)| route.name == *name)
        {
            section.reject("name", "another route has this name");
        }
        let route = route(section, RouteId::new(index), name, &names);
        routes.push(route.map(|route| (Arc::new(route), section.at("path"))));
        section.finish();
    }
    root.finish();
    let table = table(document, &registries, &routes);
    let registries: Vec<_> = registries.into_iter().collect::<Option<_>>()?;
    let routes: Vec<_> = routes.into_iter().map(|route| route.map(|(route, _)| route)).collect::<Option<_>>()?;
    document.finish().is_ok().then_some(Routes { registries, all: routes, table })
}

fn registry(section: &Section<'_>, id: Option<RegistryId>, name: Option<RegistryName>) -> Option<Registry> {
    let hosts = hosts(section);
    let peers = section.parsed_list::<Peer>("peers");
    let peers = peers.and_then(|peers| {
        if peers.is_empty() {
            section.reject("peers", "at least one server must be named, as \"host:port\" or \"unix:/path\"");
        }
        (!peers.is_empty()).then_some(peers)
    });
    let protocol =
        section.word("protocol", Some(Protocol::Http1), &[("http1", Protocol::Http1), ("http2", Protocol::Http2)]);
    let tls = if section.has("tls") { tls(&section.section("tls"), hosts.as_deref()).map(Some) } else { Some(None) };
    let system_hsa = section.parsed_optional("system_hsa");
    let connect_timeout = milliseconds(section, "connect_timeout_ms", 1_000, 60_000);
    let read_timeout = milliseconds(section, "read_timeout_ms", 30_000, 3_600_000);
    let write_timeout = milliseconds(section, "write_timeout_ms", 30_000, 3_600_000);
    let idle_timeout = milliseconds(section, "idle_timeout_ms", 60_000, 3_600_000);
    let connections_max = section.within("connections_max", 1_024_u32, 1, 1_000_000);
    let health = if section.has("health") { health(&section.section("health")).map(Some) } else { Some(None) };
    let organisations = section.parsed_list("organisations");
    Some(Registry {
        id: id?,
        name: name?,
        hosts: hosts?,
        peers: peers?,
        protocol: protocol?,
        tls: tls?,
        system_hsa: system_hsa?,
        connect_timeout: connect_timeout?,
        read_timeout: read_timeout?,
        write_timeout: write_timeout?,
        idle_timeout: idle_timeout?,
        connections_max: connections_max?,
        health: health?,
        organisations: organisations?,
    })
}

fn hosts(section: &Section<'_>) -> Option<Vec<Box<str>>> {
    let texts: Vec<String> = section.required("hosts")?;
    if texts.is_empty() || texts.len() > HOST_COUNT_MAX {
        section.reject("hosts", format!("1 to {HOST_COUNT_MAX} host names are expected"));
        return None;
    }
    let mut hosts: Vec<Box<str>> = Vec::with_capacity(texts.len());
    let mut whole = true;
    for text in &texts {
        let host: Box<str> = text.to_ascii_lowercase().into();
        let address = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        let good = match address {
            Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
            None => is_host_name(&host),
        };
        if !good {
            section.reject("hosts", format!("{text:?} is no host name; names stand here without port"));
            whole = false;
        } else if hosts.contains(&host) {
            section.reject("hosts", format!("{text:?} stands here twice"));
            whole = false;
        } else {
            hosts.push(host);
        }
    }
    whole.then_some(hosts)
}

fn tls(section: &Section<'_>, hosts: Option<&[Box<str>]>) -> Option<UpstreamTls> {
    let ca = section.file_required("ca");
    let certificate = section.file_optional("certificate");
    let key = section.file_optional("key");
    let server_name = if section.has("server_name") {
        section.required::<String>("server_name").map(String::into_boxed_str)
    } else {
        hosts.and_then(|hosts| hosts.first()).cloned()
    };
    if let Some(name) = &server_name
        && !is_host_name(name)
    {
        section.reject("server_name", format!("{name:?} is no host name"));
        return None;
    }
    section.finish();
    let client = match (certificate?, key?) {
        (Some(certificate), Some(key)) => Some(ClientCertificate { certificate, key }),
        (None, None) => None,
        (Some(_), None) => {
            section.reject("certificate", "needs a key: both, or neither");
            return None;
        }
        (None, Some(_)) => {
            section.reject("key", "needs a certificate: both, or neither");
            return None;
        }
    };
    Some(UpstreamTls { ca: ca?, client, server_name: server_name? })
}

fn health(section: &Section<'_>) -> Option<Health> {
    let path: Option<String> = section.required("path");
    let path = path.and_then(|path| match crate::hygiene::check_path(path.as_bytes()) {
        Ok(()) => Some(path.into_boxed_str()),
        Err(fault) => {
            section.reject("path", format!("is no path: {fault}"));
            None
        }
    });
    let interval = section.within("interval_s", 5_u64, 1, 3_600);
    let timeout = milliseconds(section, "timeout_ms", 1_000, 60_000);
    let unhealthy_after = section.within("unhealthy_after", 2_u32, 1, 100);
    let healthy_after = section.within("healthy_after", 1_u32, 1, 100);
    section.finish();
    Some(Health {
        path: path?,
        interval: Duration::from_secs(interval?),
        timeout: timeout?,
        unhealthy_after: unhealthy_after?,
        healthy_after: healthy_after?,
    })
}

fn milliseconds(section: &Section<'_>, key: &str, default: u64, most: u64) -> Option<Duration> {
    section.within(key, default, 1, most).map(Duration::from_millis)
}

fn route(
    section: &Section<'_>,
    id: Option<RouteId>,
    name: Option<RouteName>,
    registries: &[Option<RegistryName>],
) -> Option<Route> {
    let registry = section.parsed::<RegistryName>("registry").and_then(|name| {
        let index = registries.iter().position(|known| known.as_ref() == Some(&name));
        if index.is_none() {
            section.reject("registry", format!("no [[registry]] has the name {:?}", name.as_str()));
        }
        index.and_then(RegistryId::new)
    });
    let methods = methods(section);
    let template = section.parsed::<Template>("path");
    let access = section.word(
        "access",
        Some(Access::Grant),
        &[("grant", Access::Grant), ("session", Access::Session), ("device", Access::Device)],
    );
    let right = one_of(section, "right", Right::ALL, Right::as_str);
    let activity = one_of(section, "activity", Activity::ALL, Activity::as_str);
    let purpose = one_of(section, "purpose", Purpose::ALL, Purpose::as_str);
    let resource = section.required::<String>("resource");
    let sensitivity = one_of(section, "sensitivity", Sensitivity::ALL, Sensitivity::as_str);
    let patients = patients(section, template.as_ref());
    let search_terms = section
        .or("search_terms", Vec::<String>::new())
        .and_then(|names| names.iter().map(|name| field(section, "search_terms", name)).collect::<Option<Vec<_>>>());
    let body_bytes_max = section.within("body_bytes_max", BODY_BYTES_DEFAULT, 0, BODY_BYTES_MAX);
    let websocket = section.or("websocket", false);
    if websocket == Some(true) && methods.is_some_and(|methods| !methods.contains(Verb::Get)) {
        section.reject("websocket", "a WebSocket is opened by GET, and the route has no GET");
    }
    let read_whole = patients.as_ref().is_some_and(|patients| patients.places().iter().any(Place::is_in_body));
    if read_whole && body_bytes_max.is_some_and(|max| max > BODY_BYTES_READ_MAX) {
        section.reject(
            "body_bytes_max",
            format!("a body in which patients stand is read before it is forwarded: at most {BODY_BYTES_READ_MAX}"),
        );
    }
    let unit =
        if section.has("unit") { unit(&section.section("unit"), template.as_ref()).map(Some) } else { Some(None) };
    let anonymous_redirect = section.or("anonymous_redirect", true);
    let emergency = section.or("emergency", false);
    let route = Route {
        id: id?,
        name: name?,
        registry: registry?,
        methods: methods?,
        template: template?,
        access: access?,
        right: right.ok()?,
        activity: activity.ok()?,
        purpose: purpose.ok()?.unwrap_or(Purpose::Care),
        resource: resource?.into(),
        sensitivity: sensitivity.ok()?.unwrap_or(Sensitivity::Normal),
        patients: patients?,
        search_terms: search_terms?,
        body_bytes_max: body_bytes_max?,
        websocket: websocket?,
        unit: unit?,
        anonymous_redirect: anonymous_redirect?,
        emergency: emergency?,
    };
    if route.emergency
        && let Some(unfit) = route.unfit_for_emergencies()
    {
        section.reject("emergency", unfit);
    }
    Some(route)
}

fn methods(section: &Section<'_>) -> Option<Methods> {
    let texts: Vec<String> = section.required("methods")?;
    if texts.is_empty() {
        section.reject("methods", "at least one method must be named");
        return None;
    }
    let known: Vec<_> = Verb::ALL.iter().map(|verb| verb.as_str()).collect();
    let mut methods = Methods::default();
    let mut whole = true;
    for text in &texts {
        if let Some(verb) = Verb::parse(text) {
            methods.insert(verb);
        } else {
            section.reject("methods", format!("{text:?} is no method that can pass; known: {}", known.join(", ")));
            whole = false;
        }
    }
    whole.then_some(methods)
}

/// A mistake that is in the document's list.
struct Noted;

/// A word of a closed list of the contract, if it is there.
fn one_of<T: Copy>(
    section: &Section<'_>,
    key: &str,
    all: &[T],
    text: impl Fn(T) -> &'static str,
) -> Result<Option<T>, Noted> {
    if !section.has(key) {
        return Ok(None);
    }
    let words: Vec<_> = all.iter().map(|value| (text(*value), *value)).collect();
    section.word(key, None, &words).map(Some).ok_or(Noted)
}

/// `patient = {…}` for one place, `patients = [{…}, {…}]` (or `[[route.patients]]`) for several.
fn patients(section: &Section<'_>, template: Option<&Template>) -> Option<Patients> {
    let sections = match (section.has("patient"), section.has("patients")) {
        (true, true) => {
            section.reject("patients", "either `patient` for one place, or `patients` for several");
            return None;
        }
        (true, false) if section.is_table("patient") => vec![section.section("patient")],
        (true, false) => {
            section.reject(
                "patient",
                "one place is expected: { in = …, name = … }; several stand in `patients = [{ … }, { … }]`",
            );
            return None;
        }
        (false, true) if section.is_table("patients") => {
            section
                .reject("patients", "a list of places is expected: [{ in = …, name = … }, …]; one stands in `patient`");
            return None;
        }
        (false, true) => section.sections("patients"),
        (false, false) => {
            section.reject(
                "patient",
                "is missing: where the patient's identity stands; { in = \"none\" } for no patient data",
            );
            return None;
        }
    };
    let mut places = Vec::new();
    let (mut none, mut response, mut whole) = (false, None, !sections.is_empty());
    if sections.is_empty() {
        section.reject("patients", "names no place: [{ in = …, name = … }, …] is expected");
    }
    for section in &sections {
        match place(section, template) {
            Some(Where::None) => none = true,
            Some(Where::Response(_)) if response.is_some() => {
                section.reject("in", "\"response\" stands here twice: its keys belong into one place");
                whole = false;
            }
            Some(Where::Response(how)) => response = Some(how),
            // Copied, and then not changed: the place that was meant would never be looked at.
            Some(Where::Request(place)) if places.contains(&place) => {
                section.reject("name", "this place stands here twice");
                whole = false;
            }
            Some(Where::Request(place)) => places.push(place),
            None => whole = false,
        }
        section.finish();
    }
    if none && sections.len() > 1 {
        section.reject("patients", "\"none\" says that there is no patient data, and stands alone");
        return None;
    }
    whole.then_some(if none { Patients::None } else { Patients::Named { places, response } })
}

enum Where {
    None,
    Response(InResponse),
    Request(Place),
}

#[derive(Clone, Copy, PartialEq)]
enum In {
    None,
    Response,
    Path,
    Query,
    Form,
    Header,
    Json,
}

fn place(section: &Section<'_>, template: Option<&Template>) -> Option<Where> {
    let words = [
        ("path", In::Path),
        ("query", In::Query),
        ("form", In::Form),
        ("header", In::Header),
        ("json", In::Json),
        ("response", In::Response),
        ("none", In::None),
    ];
    let Some(kind) = section.word("in", None, &words) else {
        // It would be known, were the word before it.
        let _known = section.has("name");
        return None;
    };
    if kind == In::None {
        return Some(Where::None);
    }
    if kind == In::Response {
        return in_response(section).map(Where::Response);
    }
    let name: String = section.required("name")?;
    Some(Where::Request(match kind {
        In::Path => Place::Path(parameter(section, &name, template)?),
        In::Query => Place::Query(field(section, "name", &name)?),
        In::Form => Place::Form(field(section, "name", &name)?),
        In::Header => Place::Header(header(section, &name)?),
        In::Json | In::None | In::Response => Place::Json(field(section, "name", &name)?),
    }))
}

fn in_response(section: &Section<'_>) -> Option<InResponse> {
    let json = section
        .or("json", Vec::<String>::new())
        .and_then(|names| names.iter().map(|name| field(section, "json", name)).collect::<Option<Vec<_>>>());
    let fhir = section.or("fhir", false);
    if fhir == Some(true) && json.as_ref().is_some_and(|json| !json.is_empty()) {
        section.reject("json", "FHIR says itself where patients stand: either `json` or `fhir`");
        return None;
    }
    let headers = section
        .or("headers", Vec::<String>::new())
        .and_then(|names| names.iter().map(|name| response_header(section, name)).collect::<Option<Vec<_>>>());
    let passes = section.word("unscanned", Some(false), &[("refuse", false), ("pass", true)]);
    Some(InResponse { json: json?.into(), fhir: fhir?, headers: headers?, passes_unscanned: passes? })
}

fn response_header(section: &Section<'_>, name: &str) -> Option<HeaderName> {
    let header = name.parse::<HeaderName>().ok().filter(crate::hygiene::is_clean_name);
    if header.is_none() {
        section.reject("headers", format!("{name:?} is no name of a header: letters, digits and '-'"));
    }
    header
}

fn unit(section: &Section<'_>, template: Option<&Template>) -> Option<UnitPlace> {
    let kind = section.word("in", None, &[("path", In::Path), ("query", In::Query), ("header", In::Header)]);
    let name: Option<String> = section.required("name");
    section.finish();
    let name = name?;
    Some(match kind? {
        In::Path => UnitPlace::Path(parameter(section, &name, template)?),
        In::Query => UnitPlace::Query(field(section, "name", &name)?),
        _ => UnitPlace::Header(header(section, &name)?),
    })
}

fn parameter(section: &Section<'_>, name: &str, template: Option<&Template>) -> Option<usize> {
    // A template with a mistake of its own was noted already.
    let template = template?;
    let index = template.parameter(name);
    if index.is_none() {
        section.reject("name", format!("the path has no parameter {{{name}}}"));
    }
    index
}

fn field(section: &Section<'_>, key: &str, name: &str) -> Option<FieldPath> {
    let field = FieldPath::parse(name);
    if field.is_none() {
        section.reject(key, format!("{name:?} is no name of a field: keys with '.' between, `[*]` for every element"));
    }
    field
}

fn header(section: &Section<'_>, name: &str) -> Option<HeaderName> {
    let header = name.parse::<HeaderName>().ok().filter(crate::hygiene::is_clean_name);
    match &header {
        None => section.reject("name", format!("{name:?} is no name of a header: letters, digits and '-'")),
        Some(header) if crate::hygiene::is_stripped(header) => {
            section.reject("name", format!("{name:?} is taken out of each request, and so cannot name anything"));
            return None;
        }
        Some(_) => {}
    }
    header
}

fn table(document: &Document, registries: &[Option<Arc<Registry>>], routes: &[Option<(Arc<Route>, At)>]) -> Table {
    let mut table = Table::default();
    for host in registries.iter().flatten().flat_map(|registry| &registry.hosts) {
        table.insert_host(host);
    }
    let hosts =
        |route: &Route| registries.get(route.registry.index()).and_then(Option::as_ref).map(|r| r.hosts.as_slice());
    for (route, at) in routes.iter().flatten() {
        for host in hosts(route).unwrap_or_default() {
            if let Err(taken) = table.insert(host, &route.template, route.methods, route.id) {
                let other =
                    routes.get(taken.by.index()).and_then(Option::as_ref).map_or("another", |(r, _)| r.name.as_str());
                let verb = taken.verb.as_str();
                document.reject(at, format!("route {other:?} already takes {verb} of such paths on host {host:?}"));
            }
        }
        for (other, _) in routes.iter().flatten() {
            let shared =
                || hosts(route).unwrap_or_default().iter().any(|host| hosts(other).unwrap_or_default().contains(host));
            if route.access < other.access && route.template.stands_above(&other.template) && shared() {
                document.reject(
                    at,
                    format!(
                        "takes every path that the routes beneath it do not list, but asks for less (access {:?}) than route {:?} there (access {:?})",
                        route.access.as_str(),
                        other.name.as_str(),
                        other.access.as_str(),
                    ),
                );
                break;
            }
        }
    }
    table.finish();
    table
}
