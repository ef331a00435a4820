//! From the settings file to [`Config`].

use super::{Auditor, ClickHouse, Config, Identity, InternalAddress, Limits, Listen, Node, Tls, Witness, WitnessUrl};
use crate::journal;
use crate::route::Routes;
use contract::Text;
use contract::pseudonym::{AuditorPublicKey, PseudonymKey};
use contract::settings::{Document, OneOrSeveral, Problems, Section, overrides};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(super) fn load(
    path: &Path,
    environment: impl IntoIterator<Item = (String, String)>,
    files: bool,
) -> Result<Config, Problems> {
    let read = |path: &Path, overrides| {
        let document = Document::read(path, overrides);
        if files { document.looking_at_files() } else { document }
    };
    let document = read(path, overrides("GATEWAY", environment));
    let root = document.root();
    let node = node(&root.section("node"));
    let listen = listen(&root.section("listen"));
    let tls = tls(&root.section("tls"));
    let limits = limits(&root.section("limits"));
    let auditor = auditor(&root.section("auditor"));
    let identity = identity(&root.section("identity"));
    let journal = journal(&root.section("journal"), node.as_ref());
    let clickhouse = clickhouse(&root.section("clickhouse"));
    let witness = witness(&root.section("witness"));
    let geo = root.section("geo");
    let geo_database = geo.file_optional("database");
    geo.finish();
    let discover_section = root.section("discover");
    let discover = discover_section.or("enabled", false);
    discover_section.finish();
    let routes_section = root.section("routes");
    let routes_file = routes_section.path_required("file");
    routes_section.finish();
    root.finish();

    let mut of_routes = Vec::new();
    let mut routes = None;
    if let Some(file) = routes_file {
        let document = read(&file, Vec::new());
        routes = Routes::read(&document);
        of_routes.extend(document.finish().err().map(|problems| problems.0).unwrap_or_default());
    }
    if let (Some(routes), Some(auditor)) = (&routes, &auditor)
        && !routes.registries().iter().any(|registry| registry.name == auditor.registry)
    {
        root.section("auditor").reject("registry", format!("{} is no registry of the routes", auditor.registry));
    }
    let mut problems = document.finish().err().map(|problems| problems.0).unwrap_or_default();
    problems.extend(of_routes);
    if !problems.is_empty() {
        return Err(Problems(problems));
    }
    let whole = || {
        Some(Config {
            node: node?,
            listen: listen?,
            tls: tls?,
            limits: limits?,
            auditor: auditor?,
            identity: identity?,
            journal: journal?,
            clickhouse: clickhouse?,
            witness: witness?,
            geo_database: geo_database?,
            discover: discover?,
            routes: routes?,
        })
    };
    // Every reader that gives nothing has noted why: no problem means a whole config.
    whole().ok_or_else(|| Problems(Vec::new()))
}

fn millis(section: &Section<'_>, key: &str, default: u64, low: u64, high: u64) -> Option<Duration> {
    section.within(key, default, low, high).map(Duration::from_millis)
}

fn seconds(section: &Section<'_>, key: &str, default: u64, low: u64, high: u64) -> Option<Duration> {
    section.within(key, default, low, high).map(Duration::from_secs)
}

fn node(section: &Section<'_>) -> Option<Node> {
    let name = section.parsed("name");
    let tenant = section.parsed("tenant");
    let state_dir = section.path_required("state_dir");
    let threads = section.within("threads", 0_usize, 0, 1024);
    section.finish();
    let threads = threads?;
    Some(Node { name: name?, tenant: tenant?, state_dir: state_dir?, threads: (threads > 0).then_some(threads) })
}

fn listen(section: &Section<'_>) -> Option<Listen> {
    let https: Option<Vec<SocketAddr>> = section.parsed_list("https");
    if https.as_ref().is_some_and(Vec::is_empty) {
        section.reject("https", "must name at least one address to listen on");
    }
    let ops: Option<SocketAddr> = section.parsed("ops");
    if let (Some(https), Some(ops)) = (&https, ops)
        && ops.port() != 0
        && https.contains(&ops)
    {
        section.reject("ops", "is an address of https, too; operators need one of their own");
    }
    let hosts: Option<Vec<String>> = section.required("hosts");
    if hosts.as_ref().is_some_and(Vec::is_empty) {
        section.reject("hosts", "must name at least one host that is served");
    }
    for host in hosts.iter().flatten().filter(|host| !is_host(host)) {
        section.reject("hosts", format!("{host:?} is no host name: no scheme, port, path or spaces"));
    }
    section.finish();
    let hosts = hosts?.into_iter().map(|host| Text::from(host.to_ascii_lowercase())).collect();
    Some(Listen { https: https?, ops: ops?, hosts })
}

/// A name or address as it stands in `Host`, without the port: requests are compared without theirs.
fn is_host(text: &str) -> bool {
    let authority = text.parse::<http::uri::Authority>();
    authority.is_ok_and(|authority| authority.host() == text && !text.is_empty())
}

/// A name that needs no quotes in SQL.
fn is_identifier(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn tls(section: &Section<'_>) -> Option<Tls> {
    let certificate = section.file_required("certificate");
    let key = section.file_required("key");
    let client_ca = section.files("client_ca");
    if client_ca.as_ref().is_some_and(Vec::is_empty) {
        section.reject("client_ca", "must name at least one authority: without one no device can connect");
    }
    let handshake_timeout = millis(section, "handshake_timeout_ms", 10_000, 100, 60_000);
    let certificates = |key: &str, path: &PathBuf| {
        section.file_holds(key, path, "a certificate in PEM form", |pem| {
            let mut all = CertificateDer::pem_slice_iter(pem).peekable();
            all.peek().is_some() && all.all(|one| one.is_ok())
        })
    };
    let mut all = certificate.iter().all(|path| certificates("certificate", path));
    all &= client_ca.iter().flatten().filter(|path| !certificates("client_ca", path)).count() == 0;
    all &= key.iter().all(|path| {
        let read = |pem: &[u8]| PrivateKeyDer::from_pem_slice(pem).is_ok();
        section.file_holds("key", path, "a private key in PEM form", read)
    });
    section.finish();
    all.then_some(())?;
    Some(Tls { certificate: certificate?, key: key?, client_ca: client_ca?, handshake_timeout: handshake_timeout? })
}

fn limits(section: &Section<'_>) -> Option<Limits> {
    let connections_max = section.within("connections_max", 20_000, 1, 1_000_000);
    let connections_per_address = section.within("connections_per_address", 2_000, 1, 1_000_000);
    let handshakes = section.within("handshakes_per_address_per_s", 200, 1, 100_000);
    let requests = section.within("requests_per_device_per_s", 5_000, 1, 1_000_000);
    let head_bytes_max = section.within("head_bytes_max", 32_768, 1_024, 262_144);
    let head_timeout = millis(section, "head_timeout_ms", 10_000, 100, 120_000);
    let body_timeout = millis(section, "body_timeout_ms", 60_000, 100, 600_000);
    let response_patients_max = section.within("response_patients_max", 100_000, 1, 1_000_000);
    let idle_timeout = seconds(section, "idle_timeout_s", 75, 1, 3_600);
    let drain_timeout = seconds(section, "drain_timeout_s", 30, 0, 3_600);
    section.finish();
    Some(Limits {
        connections_max: connections_max?,
        connections_per_address: connections_per_address?,
        handshakes_per_address_per_s: handshakes?,
        requests_per_device_per_s: requests?,
        head_bytes_max: head_bytes_max?,
        head_timeout: head_timeout?,
        body_timeout: body_timeout?,
        response_patients_max: response_patients_max?,
        idle_timeout: idle_timeout?,
        drain_timeout: drain_timeout?,
    })
}

fn auditor(section: &Section<'_>) -> Option<Auditor> {
    let directory = internal_addresses(section);
    let registry = section.parsed("registry");
    let stale_after = seconds(section, "stale_after_s", 900, 5, 86_400);
    let help_contact: Option<String> = section.required("help_contact");
    section.finish();
    Some(Auditor {
        directory: directory?,
        registry: registry?,
        stale_after: stale_after?,
        help_contact: help_contact?.into(),
    })
}

/// Auditors that one gateway may know at the most: one that asks them all in turn must still come to an end soon.
const AUDITORS_MAX: usize = 8;

fn internal_addresses(section: &Section<'_>) -> Option<Vec<InternalAddress>> {
    let OneOrSeveral(texts) = section.required::<OneOrSeveral<String>>("directory")?;
    // The files are the same for all: they are asked for once, and only if there is a use for them.
    let files = texts
        .iter()
        .any(|text| text.starts_with("https://"))
        .then(|| (section.file_required("ca"), section.file_required("certificate"), section.file_required("key")));
    let files = files.and_then(|(ca, certificate, key)| Some((ca?, certificate?, key?)));
    if texts.is_empty() || texts.len() > AUDITORS_MAX {
        section.reject("directory", format!("names {} auditors, and must name 1 to {AUDITORS_MAX}", texts.len()));
        return None;
    }
    // What is written in two ways may be one place.
    let same = |text: &str| match text.strip_prefix("unix:") {
        Some(path) => section.resolve(path),
        None => PathBuf::from(text.trim_end_matches('/').to_ascii_lowercase()),
    };
    let mut places = Vec::with_capacity(texts.len());
    for text in &texts {
        let place = same(text);
        if places.contains(&place) {
            section.reject("directory", format!("names {text:?} twice; leave one out, each auditor stands there once"));
            return None;
        }
        places.push(place);
    }
    let addresses: Vec<_> = texts.iter().map(|text| internal_address(section, text, files.as_ref())).collect();
    addresses.into_iter().collect()
}

fn internal_address(
    section: &Section<'_>,
    text: &str,
    files: Option<&(PathBuf, PathBuf, PathBuf)>,
) -> Option<InternalAddress> {
    if let Some(path) = text.strip_prefix("unix:") {
        return Some(InternalAddress::Unix(section.resolve(path)));
    }
    let Some(authority) = text.strip_prefix("https://").map(|rest| rest.trim_end_matches('/')) else {
        section.reject("directory", format!("is {text:?}, and must be unix:PATH or https://HOST:PORT"));
        return None;
    };
    let Some((host, port)) = authority.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()) else {
        section.reject("directory", format!("is {text:?}, and must name a port: https://HOST:PORT"));
        return None;
    };
    let (ca, certificate, key) = files?.clone();
    Some(InternalAddress::Tls { authority: format!("{host}:{port}"), host: host.to_owned(), ca, certificate, key })
}

fn identity(section: &Section<'_>) -> Option<Identity> {
    let pseudonym_key = section.file_required("pseudonym_key");
    let auditor_public_key = section.file_required("auditor_public_key");
    let issuer: Option<String> = section.or("assertion_issuer", "grindvakt".to_owned());
    let holds = |key: &str, path: &Option<PathBuf>, what: &str, read: &dyn Fn(&str) -> bool| {
        let text = |bytes: &[u8]| str::from_utf8(bytes).is_ok_and(|text| read(text.trim()));
        path.as_ref().is_none_or(|path| section.file_holds(key, path, what, text))
    };
    let digits = "64 hexadecimal digits, as `auditor init` makes them";
    let all = holds("pseudonym_key", &pseudonym_key, digits, &|text| PseudonymKey::from_hex(text).is_ok())
        & holds("auditor_public_key", &auditor_public_key, digits, &|text| AuditorPublicKey::from_hex(text).is_ok());
    section.finish();
    all.then_some(())?;
    Some(Identity {
        pseudonym_key: pseudonym_key?,
        auditor_public_key: auditor_public_key?,
        assertion_issuer: issuer?.into(),
    })
}

fn journal(section: &Section<'_>, node: Option<&Node>) -> Option<journal::Config> {
    let dir = section.path_required("dir");
    let segment_bytes = section.within("segment_bytes", 64 << 20, 64 << 10, 1 << 30);
    let budget_bytes = section.within("budget_bytes", 10 << 30, 1 << 18, 1 << 44);
    let gather_us = section.within("gather_us", 2_000, 0, 100_000);
    let commit_timeout_ms = section.within("commit_timeout_ms", 2_000, 10, 60_000);
    let grace_s = section.within("grace_s", 3_600, 0, 30 * 86_400);
    section.finish();
    let mut id = [0; 16];
    // Without a name there is no config; the rest of the section is checked all the same.
    let name = node.map_or("", |node| node.name.as_str());
    for (to, from) in id.iter_mut().zip(blake3::hash(name.as_bytes()).as_bytes()) {
        *to = *from;
    }
    let mut config = journal::Config::new(dir?, id);
    config.segment_bytes = segment_bytes?;
    config.budget_bytes = budget_bytes?;
    // Requests under way must be able to record how they end: the last tenth is theirs.
    config.high_water_bytes = config.budget_bytes / 10 * 9;
    config.gather_us = gather_us?;
    config.commit_timeout_ms = commit_timeout_ms?;
    config.grace_s = grace_s?;
    for (key, reason) in config.mistakes() {
        section.reject(key, reason);
    }
    Some(config)
}

fn clickhouse(section: &Section<'_>) -> Option<ClickHouse> {
    let url: Option<String> = section.required("url");
    let sound = |url: &String| {
        let parsed = url.parse::<http::Uri>().ok();
        let scheme = url.starts_with("http://") || url.starts_with("https://");
        scheme && parsed.is_some_and(|uri| uri.host().is_some_and(|host| !host.is_empty()))
    };
    if url.as_ref().is_some_and(|url| !sound(url)) {
        section.reject("url", "must be http://HOST:PORT or https://HOST:PORT");
    }
    let database: Option<String> = section.or("database", "grindvakt".to_owned());
    if database.as_ref().is_some_and(|name| !is_identifier(name)) {
        section.reject("database", "must be letters, digits and _ only");
    }
    let user: Option<String> = section.or("user", "gateway".to_owned());
    let key_file = section.file_required("key_file");
    // Fewer than a seal can have leaves (`contract::wire::COUNT_MAX`), with a whole frame's rows more.
    let batch_rows_max = section.within("batch_rows_max", 100_000_usize, 1, 1_000_000);
    let batch_wait = millis(section, "batch_wait_ms", 1_000, 10, 60_000);
    section.finish();
    Some(ClickHouse {
        url: url?,
        database: database?,
        user: user?,
        key_file: key_file?,
        batch_rows_max: batch_rows_max?,
        batch_wait: batch_wait?,
    })
}

fn witness(section: &Section<'_>) -> Option<Witness> {
    let file = if section.has("file") { section.path_required("file").map(Some) } else { Some(None) };
    let uri = if section.has("url") { witness_uri(section).map(Some) } else { Some(None) };
    let ca = section.file_optional("ca");
    let token_file = section.file_optional("token_file");
    if let Some(Some(path)) = &ca {
        let certificates = |pem: &[u8]| CertificateDer::pem_slice_iter(pem).next().is_some_and(|one| one.is_ok());
        section.file_holds("ca", path, "a certificate in PEM form", certificates);
    }
    for key in ["ca", "token_file"] {
        if section.has(key) && !section.has("url") {
            section.reject(key, "is for the witness' url, and there is none");
        }
    }
    let timeout = millis(section, "timeout_ms", 10_000, 100, 60_000);
    let spool_bytes_max = section.within("spool_bytes_max", 1 << 30, 1 << 20, 1 << 40);
    section.finish();
    let (ca, token_file) = (ca?, token_file?);
    let url = uri?.map(|uri| WitnessUrl { uri, ca, token_file });
    Some(Witness { file: file?, url, timeout: timeout?, spool_bytes_max: spool_bytes_max? })
}

/// Copies of seals hold no patient, but who may change them on their way can hide that a seal was replaced.
fn witness_uri(section: &Section<'_>) -> Option<http::Uri> {
    let text: String = section.required("url")?;
    let uri = text.parse::<http::Uri>().ok().filter(|uri| {
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let here = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        let scheme = uri.scheme_str() == Some("https") || (uri.scheme_str() == Some("http") && here);
        let login = uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
        scheme && !host.is_empty() && !login
    });
    if uri.is_none() {
        // What was written may hold a password: it is not repeated.
        section.reject("url", "must be https://HOST[:PORT]/PATH without user and password, or http:// to this machine");
    }
    uri
}
