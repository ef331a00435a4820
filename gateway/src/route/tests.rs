//! Tests of reading and matching routes.

mod emergency;

use super::*;
use proptest::prelude::*;
use std::fmt::Write;

const HEAD: &str = "[[registry]]\nname = \"r\"\nhosts = [\"r.example\", \"R2.example\"]\npeers = [\"127.0.0.1:1\"]\n";

fn document(routes: &str) -> Document {
    Document::parse("routes.toml", &format!("{HEAD}{routes}"), [])
}

/// A file with these routes: name, methods, path, access.
fn file(routes: &[(&str, &str, &str, &str)]) -> String {
    let mut text = String::new();
    for (name, methods, path, access) in routes {
        let written = write!(
            text,
            "[[route]]\nname = \"{name}\"\nregistry = \"r\"\nmethods = {methods}\npath = \"{path}\"\naccess = \"{access}\"\nresource = \"x\"\npatient = {{ in = \"none\" }}\n"
        );
        written.expect("a String takes all");
    }
    text
}

fn routes(text: &str) -> Routes {
    let document = document(text);
    let routes = Routes::read(&document);
    document.finish().expect("a good file");
    routes.expect("no mistakes, so routes")
}

fn mistakes(text: &str) -> String {
    let document = document(text);
    assert!(Routes::read(&document).is_none());
    document.finish().expect_err("mistakes").to_string()
}

fn find<'r>(routes: &'r Routes, method: &Method, path: &str) -> Result<&'r str, NoMatch> {
    routes.find("r.example", method, path.as_bytes()).map(|matched| matched.route.name.as_str())
}

#[test]
fn the_example_file_reads() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/routes.toml");
    let document = Document::read(&path, []);
    let routes = Routes::read(&document);
    document.finish().expect("the example has no mistakes");
    let routes = routes.expect("routes");
    let found = |method: Method, path: &str| {
        let matched = routes.find("LOCALHOST", &method, path.as_bytes()).expect("a route");
        (matched.registry.name.as_str(), matched.route.name.as_str(), matched.route.right(&method))
    };
    assert_eq!(found(Method::GET, "/patients/191212121212"), ("exempelregistret", "patient-page", Right::Read));
    assert_eq!(found(Method::POST, "/search"), ("exempelregistret", "search-form", Right::Read));
    assert_eq!(
        found(Method::PUT, "/api/patients/191212121212"),
        ("exempelregistret", "patient-change", Right::ReadWrite)
    );
    assert_eq!(found(Method::POST, "/auth/login"), ("auditor", "login", Right::ReadWrite));
    assert_eq!(found(Method::GET, "/admin/"), ("auditor", "administration", Right::Read));
    let imports = ("auditor", "administration-imports", Right::ReadWrite);
    assert_eq!(found(Method::POST, "/admin/api/v1/imports/units"), imports);
    assert_eq!(found(Method::GET, "/admin/imports"), ("auditor", "administration-imports-page", Right::Read));
    assert_eq!(found(Method::GET, "/admin"), ("auditor", "administration-start", Right::Read));
}

#[test]
fn literal_segments_win_then_parameters_then_the_rest() {
    let routes = routes(&file(&[
        ("rest", r#"["GET"]"#, "/a/{*rest}", "grant"),
        ("two", r#"["GET"]"#, "/a/{x}/{y}", "grant"),
        ("literal", r#"["GET"]"#, "/a/b", "grant"),
        ("parameter", r#"["GET", "POST"]"#, "/a/{x}", "grant"),
        ("end", r#"["GET"]"#, "/a/b/end", "grant"),
        ("root", r#"["GET"]"#, "/", "grant"),
        ("slash", r#"["GET"]"#, "/c/", "grant"),
    ]));
    for (path, expected) in [
        ("/", "root"),
        ("/a/b", "literal"),
        ("/a/c", "parameter"),
        ("/a/b/end", "end"),
        ("/a/b/x", "two"),
        ("/a/c/end", "two"),
        ("/a/", "rest"),
        ("/a/b/", "rest"),
        ("/a/b/c/d", "rest"),
        ("/c/", "slash"),
    ] {
        assert_eq!(find(&routes, &Method::GET, path), Ok(expected), "{path}");
    }
    for path in ["/a", "/b", "/c", "/c/d", "", "a", "*", "/A/b", "/a/B", "/a/B/c", "/%61/b"] {
        assert_eq!(find(&routes, &Method::GET, path), Err(NoMatch::NoRoute), "{path}");
    }
    let matched = routes.find("r.example", &Method::GET, b"/a/1912/x").expect("a route");
    assert_eq!(matched.route.template.parameter("x"), Some(0));
    assert_eq!(matched.params.get(0, b"/a/1912/x"), Some(b"1912".as_slice()));
    assert_eq!(matched.params.get(1, b"/a/1912/x"), Some(b"x".as_slice()));
    assert_eq!(matched.params.get(2, b"/a/1912/x"), None);
    let matched = routes.find("r.example", &Method::GET, b"/a/b/c/d").expect("a route");
    assert_eq!(matched.params.get(0, b"/a/b/c/d"), Some(b"b/c/d".as_slice()));
    assert_eq!(matched.params.len(), 1, "what was tried on the way is forgotten");
}

#[test]
fn the_method_decides_last() {
    let routes = routes(&file(&[
        ("read", r#"["GET"]"#, "/a", "grant"),
        ("write", r#"["POST", "DELETE"]"#, "/a", "grant"),
        ("own-head", r#"["HEAD"]"#, "/b", "grant"),
        ("b", r#"["GET"]"#, "/b", "grant"),
    ]));
    assert_eq!(find(&routes, &Method::HEAD, "/a"), Ok("read"));
    assert_eq!(find(&routes, &Method::HEAD, "/b"), Ok("own-head"));
    assert_eq!(find(&routes, &Method::DELETE, "/a"), Ok("write"));
    for method in [Method::PUT, Method::TRACE, Method::from_bytes(b"PURGE").expect("a method")] {
        let allow = Methods::from_iter([Verb::Get, Verb::Head, Verb::Post, Verb::Delete]);
        assert_eq!(allow.to_string(), "GET, HEAD, POST, DELETE");
        assert_eq!(find(&routes, &method, "/a"), Err(NoMatch::MethodNotAllowed { allow }), "{method}");
    }
}

#[test]
fn hosts_are_compared_without_case() {
    let routes = routes(&file(&[("a", r#"["GET"]"#, "/a", "grant")]));
    for host in ["r.example", "R.EXAMPLE", "r2.example"] {
        assert!(routes.serves(host));
        assert!(routes.find(host, &Method::GET, b"/a").is_ok(), "{host}");
    }
    for host in ["", "example", "r.example.", "r.example:443", "xr.example"] {
        assert!(!routes.serves(host));
        assert_eq!(routes.find(host, &Method::GET, b"/a").map(|m| m.route.id), Err(NoMatch::UnknownHost), "{host}");
    }
}

#[test]
fn rights_and_activities_by_default() {
    let text = |more: &str| {
        format!(
            "[[route]]\nname = \"a\"\nregistry = \"r\"\nmethods = [\"GET\", \"POST\", \"DELETE\"]\npath = \"/a\"\nresource = \"x\"\npatient = {{ in = \"none\" }}\n{more}\n"
        )
    };
    let of = |more: &str, method: Method| {
        let routes = routes(&text(more));
        let matched = routes.find("r.example", &method, b"/a").expect("a route");
        (matched.route.right(&method), matched.route.activity(&method))
    };
    assert_eq!(of("", Method::GET), (Right::Read, Activity::Read));
    assert_eq!(of("", Method::HEAD), (Right::Read, Activity::Read));
    assert_eq!(of("", Method::POST), (Right::ReadWrite, Activity::Write));
    assert_eq!(of("", Method::DELETE), (Right::ReadWrite, Activity::Delete));
    assert_eq!(of("activity = \"search\"", Method::POST), (Right::Read, Activity::Search));
    assert_eq!(of("activity = \"sign\"", Method::GET), (Right::ReadWrite, Activity::Sign));
    assert_eq!(of("activity = \"search\"\nright = \"read_write\"", Method::POST), (Right::ReadWrite, Activity::Search));
}

#[test]
fn a_whole_registry() {
    let text = r#"
[[registry]]
name = "full"
hosts = ["full.example", "[::1]"]
peers = ["10.0.0.1:9001", "[::1]:9002", "backend:80", "unix:/run/full.sock"]
protocol = "http2"
tls = { ca = "ca.pem", certificate = "gw.pem", key = "/keys/gw.key" }
system_hsa = "SE2321000016-1"
connect_timeout_ms = 250
connections_max = 10
health = { path = "/healthz", interval_s = 1 }
organisations = ["SE2321000016-39KJ"]
"#;
    let document = Document::parse("/etc/grindvakt/routes.toml", text, []);
    let routes = Routes::read(&document);
    document.finish().expect("a good file");
    let routes = routes.expect("routes");
    let full = routes.registries().first().expect("a registry");
    let peers: Vec<String> = full.peers.iter().map(ToString::to_string).collect();
    assert_eq!(peers, ["10.0.0.1:9001", "[::1]:9002", "backend:80", "unix:/run/full.sock"]);
    let tls = full.tls.as_ref().expect("TLS");
    assert_eq!(tls.ca, std::path::Path::new("/etc/grindvakt/ca.pem"));
    assert_eq!(tls.client.as_ref().map(|client| client.key.clone()), Some("/keys/gw.key".into()));
    assert_eq!(tls.server_name.as_ref(), "full.example");
    assert_eq!((full.connections_max, full.connect_timeout.as_millis()), (10, 250));
    assert_eq!(full.organisations.len(), 1);
    assert!(routes.serves("[::1]"));
}

#[test]
fn every_mistake_is_named_at_once() {
    let text = r#"
[[registry]]
name = "r"
hosts = ["r3.example:443", "a..b", "x", "X"]
peers = ["nowhere", "unix:relative", "1.2.3.4:0"]
protocol = "http3"
tls = { key = "k" }
health = { path = "//", intervall_s = 3 }
organisations = ["SE1"]

[[registry]]
name = "Upper"
hosts = []

[[route]]
name = "a"
registry = "none"
methods = ["get", "TRACE"]
path = "/a/{b/c"
access = "everyone"
resource = 3
patient = { in = "path", name = "p" }
body_bytes_max = -1

[[route]]
name = "a"
registry = "r"
methods = []
path = "/a/{x}/{x}"
right = "write"
activity = "look"
resource = "x"
patients = [{ in = "json", name = "a[0].b" }, { in = "header", name = "x_patient" }, { in = "header", name = "x-forwarded-for" }]
search_terms = ["a..b"]

[[route]]
name = "c"
registry = "r"
methods = ["POST"]
path = "/{*all}/more"
resource = "x"
patients = [{ in = "none" }, { in = "response" }]
websocket = true

[[route]]
name = "d"
registry = "r"
methods = ["GET"]
path = "/a/%2e%2e/b"
resource = "x"
unit = { in = "form", name = "u" }
sensitivty = "high"

[[route]]
name = "e"
registry = "r"
methods = ["GET"]
path = "/e/{id}"
resource = "x"
patient = { in = "path", name = "other" }
"#;
    insta::assert_snapshot!(mistakes(text));
}

#[test]
fn conflicts_between_routes_are_mistakes() {
    let text = file(&[
        ("one", r#"["GET", "POST"]"#, "/a/{x}", "grant"),
        ("other", r#"["POST"]"#, "/a/{y}", "grant"),
        ("third", r#"["PUT"]"#, "/a/{z}", "grant"),
        ("weak", r#"["GET"]"#, "/{*rest}", "device"),
        ("beside", r#"["GET"]"#, "/static/{*rest}", "device"),
    ]);
    insta::assert_snapshot!(mistakes(&text));
    assert!(Document::parse("routes.toml", "", []).finish().is_ok());
    let empty = Document::parse("routes.toml", "", []);
    assert!(Routes::read(&empty).is_none());
    assert!(empty.finish().is_err());
}

#[test]
fn mistakes_in_several_places() {
    let told: Vec<String> = [
        r#"patient = [{ in = "path", name = "id" }, { in = "query", name = "p" }]"#,
        r#"patient = "path""#,
        r#"patients = { in = "path", name = "id" }"#,
        r#"patients = ["path:id", { in = "query", name = "p" }]"#,
        "patients = []",
        "patient = { in = \"path\", name = \"id\" }\npatients = [{ in = \"query\", name = \"p\" }]",
        r#"patients = [{ in = "path", name = "id" }, { in = "query" }, { in = "body", name = "p" }, { in = "json", nam = "p" }]"#,
        r#"patients = [{ in = "path", name = "id" }, { in = "none" }]"#,
        r#"patients = [{ in = "response" }, { in = "response", fhir = true }]"#,
        r#"patient = { in = "response", fhir = true, json = ["a"] }"#,
        r#"patient = { in = "response", json = ["a[0]"], headers = ["x patient"], unscanned = "ignore", name = "p" }"#,
        r#"patients = [{ in = "query", name = "p" }, { in = "form", name = "p" }, { in = "query", name = "p" }]"#,
    ]
    .iter()
    .map(|patients| format!("{patients}\n{}", mistakes(&one_route(patients))))
    .collect();
    insta::assert_snapshot!(told.join("\n\n"));
}

#[test]
fn a_body_that_is_read_is_small() {
    let json = |max: &str| one_route(&format!("body_bytes_max = {max}\npatient = {{ in = \"json\", name = \"p\" }}"));
    routes(&json("1048576"));
    let told = mistakes(&json("1048577"));
    assert!(
        told.contains("body_bytes_max: a body in which patients stand is read") && told.contains("1048576"),
        "{told}"
    );
    // One that passes through may be as large as it likes.
    routes(&one_route("body_bytes_max = 1073741824\npatient = { in = \"path\", name = \"id\" }"));
}

#[test]
fn several_places_in_either_form() {
    let list = routes(&one_route(r#"patients = [{ in = "path", name = "id" }, { in = "query", name = "pnr" }]"#));
    let tables = routes(&one_route(
        "[[route.patients]]\nin = \"path\"\nname = \"id\"\n[[route.patients]]\nin = \"query\"\nname = \"pnr\"",
    ));
    let one = routes(&one_route(r#"patients = [{ in = "none" }]"#));
    let of = |routes: &Routes| routes.routes().first().map(|route| route.patients.clone());
    assert_eq!(of(&list), of(&tables));
    let query = FieldPath::parse("pnr").expect("a name");
    assert_eq!(of(&list).expect("a route").places(), [Place::Path(0), Place::Query(query)]);
    assert_eq!(of(&one), Some(Patients::None));
}

fn one_route(patients: &str) -> String {
    format!(
        "[[route]]\nname = \"a\"\nregistry = \"r\"\nmethods = [\"GET\"]\npath = \"/p/{{id}}\"\nresource = \"x\"\n{patients}\n"
    )
}

#[test]
fn field_paths() {
    let keys = |text: &str| FieldPath::parse(text).map(|path| path.keys().join("/"));
    assert_eq!(keys("a"), Some("a".to_owned()));
    assert_eq!(keys("entry[*].resource.subject"), Some("entry/resource/subject".to_owned()));
    assert_eq!(keys("[*].id"), Some("id".to_owned()));
    assert_eq!(keys("a[*][*].b"), Some("a/b".to_owned()));
    for bad in ["", ".", "a.", ".a", "a..b", "a[0]", "a]", "[*]", &"a.".repeat(20)] {
        assert_eq!(keys(bad), None, "{bad}");
    }
}

/// The specification: compare segment by segment, most literal first.
fn slow_find<'t>(templates: &'t [String], path: &str) -> Option<&'t str> {
    let ranked = templates.iter().filter_map(|template| {
        let (mut have, mut rank) = (path.split('/').skip(1), Vec::new());
        for want in template.split('/').skip(1) {
            if want.starts_with("{*") {
                rank.push(2);
                // There is a segment, if only an empty one.
                return have.next().map(|_| (rank, template));
            }
            let segment = have.next()?;
            match want.starts_with('{') {
                true if !segment.is_empty() => rank.push(1),
                false if want == segment => rank.push(0),
                _ => return None,
            }
        }
        have.next().is_none().then_some((rank, template))
    });
    ranked.min().map(|(_, template)| template.as_str())
}

fn template() -> impl Strategy<Value = String> {
    let segment = prop_oneof![3 => "[ab]", 1 => Just("{}".to_owned())];
    (proptest::collection::vec(segment, 0..4), any::<bool>()).prop_map(|(segments, rest)| {
        let mut text = String::new();
        for (i, segment) in segments.iter().enumerate() {
            text.push('/');
            text.push_str(&segment.replace("{}", &format!("{{p{i}}}")));
        }
        if rest || text.is_empty() {
            text.push_str(if rest { "/{*rest}" } else { "/" });
        }
        text
    })
}

proptest! {
    #[test]
    fn the_table_finds_what_the_specification_finds(
        templates in proptest::collection::btree_set(template(), 1..12),
        path in "(/[abc]?){1,4}",
    ) {
        let templates: Vec<String> = templates.into_iter().collect();
        let entries: Vec<_> = templates.iter().enumerate().map(|(i, t)| (format!("n{i}"), t)).collect();
        let rows: Vec<_> = entries.iter().map(|(name, t)| (name.as_str(), r#"["GET"]"#, t.as_str(), "grant")).collect();
        let routes = routes(&file(&rows));
        let found = routes.find("r.example", &Method::GET, path.as_bytes()).ok();
        let found = found.map(|matched| matched.route.template.to_string());
        prop_assert_eq!(found.as_deref(), slow_find(&templates, &path));
    }

    #[test]
    fn no_path_panics(path in proptest::collection::vec(any::<u8>(), 0..64), host in "\\PC{0,12}") {
        let routes = routes(&file(&[
            ("a", r#"["GET"]"#, "/a/{x}/c", "grant"),
            ("b", r#"["GET"]"#, "/{*rest}", "grant"),
        ]));
        let _ = routes.find(&host, &Method::GET, &path);
        if let Ok(matched) = routes.find("r.example", &Method::GET, &path) {
            for index in 0..matched.params.len() {
                prop_assert!(matched.params.get(index, &path).is_some());
            }
        }
    }
}

#[test]
fn another_case_is_not_taken_by_a_wider_route_further_up() {
    let routes = routes(&file(&[
        ("all", "[\"GET\"]", "/{*rest}", "device"),
        ("notes", "[\"GET\"]", "/patients/{patient}/notes", "device"),
        ("users", "[\"GET\"]", "/admin/users", "device"),
    ]));
    assert_eq!(find(&routes, &Method::GET, "/patients/1/notes"), Ok("notes"));
    assert_eq!(find(&routes, &Method::GET, "/patients/1/other"), Ok("all"));
    for path in ["/patients/1/NOTES", "/patients/1/Notes", "/admin/USERS", "/admin/Users/1", "/Admin/users"] {
        assert_eq!(find(&routes, &Method::GET, path), Err(NoMatch::NoRoute), "{path}");
    }
}
