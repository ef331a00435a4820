//! Tests of request hygiene.

use super::*;
use crate::route::Routes;
use contract::settings::Document;
use http::{HeaderName, HeaderValue};
use proptest::prelude::*;

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        map.append(
            HeaderName::from_bytes(name.as_bytes()).expect("a name"),
            HeaderValue::from_str(value).expect("a value"),
        );
    }
    map
}

struct Case {
    method: Method,
    target: &'static str,
    authority: Option<&'static str>,
    version: Version,
    headers: Vec<(&'static str, &'static str)>,
}

fn http1(method: &str, target: &'static str, more: &[(&'static str, &'static str)]) -> Case {
    let mut headers = vec![("host", "r.example")];
    headers.extend_from_slice(more);
    let method = Method::from_bytes(method.as_bytes()).expect("a method");
    Case { method, target, authority: None, version: Version::HTTP_11, headers }
}

fn http2(method: &str, target: &'static str, more: &[(&'static str, &'static str)]) -> Case {
    let case = http1(method, target, &[]);
    Case { authority: Some("r.example"), version: Version::HTTP_2, headers: more.to_vec(), ..case }
}

impl Case {
    fn fault(&self) -> Option<Fault> {
        self.check(&Limits::default()).err().map(|refusal| refusal.fault)
    }

    fn check(&self, limits: &Limits) -> Result<(String, BodyLength, bool), Refusal> {
        let headers = headers(&self.headers);
        let head = Head {
            method: &self.method,
            target: self.target.as_bytes(),
            authority: self.authority,
            version: self.version,
            headers: &headers,
        };
        check(&head, limits).map(|clean| (clean.host().to_owned(), clean.body(), clean.websocket()))
    }
}

#[test]
fn common_requests_pass() {
    for case in [
        http1("GET", "/", &[]),
        http1("GET", "/patients/191212121212?view=full&x=%C3%A5&y=a|b&z={1}", &[("accept", "*/*"), ("cookie", "a=b")]),
        http1("GET", "/s%C3%B6k/%E2%82%AC/a%20b/", &[]),
        http1("GET", "/a:b@c!$&'()*+,=~-._", &[]),
        http1("GET", "/a?q=%e5&raw=%0d%0a&path=../..//x;y", &[]),
        http1("GET", "/a", &[("content-length", "0"), ("connection", "keep-alive, TE"), ("te", "trailers")]),
        http1("POST", "/a", &[("content-length", "12"), ("expect", "100-continue")]),
        http1("POST", "/a", &[("transfer-encoding", "chunked")]),
        http1("DELETE", "/a", &[]),
        http1("GET", "/ws", &[("connection", "Upgrade"), ("upgrade", "WebSocket"), ("sec-websocket-key", "x")]),
        http2("GET", "/a", &[("te", "trailers")]),
        http2("GET", "/a", &[("host", "r.example")]),
        http2("POST", "/a", &[]),
    ] {
        assert_eq!(case.fault(), None, "{} {} {:?}", case.method, case.target, case.headers);
    }
}

#[test]
fn hosts() {
    let host = |host: &'static str| {
        let case = Case { headers: vec![("host", host)], ..http1("GET", "/", &[]) };
        case.check(&Limits::default()).map(|(host, ..)| host).map_err(|refusal| refusal.fault)
    };
    assert_eq!(host("R.example:8443"), Ok("R.example".to_owned()));
    assert_eq!(host("127.0.0.1"), Ok("127.0.0.1".to_owned()));
    assert_eq!(host("[::1]:443"), Ok("[::1]".to_owned()));
    for bad in [
        "",
        ":80",
        "user@r.example",
        "r.example:",
        "r.example:x",
        "r.example:99999",
        "r.example:1:2",
        "a,b",
        "a b",
        "a/b",
        ".a",
        "[::1",
        "[x]",
        "[::1]x",
        "r%2eexample",
        "a\\b",
        "a?b",
        "a#b",
    ] {
        // An empty port is legal, and no client sends one.
        assert_eq!(host(bad), Err(Fault::HostForm), "{bad}");
    }
    let fault = |case: Case| case.fault().expect("refused");
    assert_eq!(fault(Case { headers: vec![], ..http1("GET", "/", &[]) }), Fault::HostMissing);
    assert_eq!(
        fault(Case { headers: vec![], version: Version::HTTP_10, ..http1("GET", "/", &[]) }),
        Fault::HostMissing
    );
    assert_eq!(fault(http1("GET", "/", &[("host", "r.example")])), Fault::HostRepeated);
    assert_eq!(fault(http2("GET", "/", &[("host", "other.example")])), Fault::HostConflict);
    assert_eq!(fault(http2("GET", "/", &[("host", "r.example"), ("host", "r.example")])), Fault::HostRepeated);
    assert_eq!(fault(Case { authority: None, ..http2("GET", "/", &[("host", "r.example")]) }), Fault::HostMissing);
    assert_eq!(fault(Case { authority: Some("u:p@r.example"), ..http2("GET", "/", &[]) }), Fault::HostForm);
    assert_eq!(fault(Case { authority: Some("other"), ..http1("GET", "/", &[]) }), Fault::HostConflict);
}

#[test]
fn targets_that_could_mean_two_things() {
    use PathFault as P;
    for (target, fault) in [
        ("http://r.example/a", Fault::TargetForm),
        ("*", Fault::TargetForm),
        ("r.example:443", Fault::TargetForm),
        ("", Fault::TargetForm),
        ("?a", Fault::TargetForm),
        ("//r.example/a", Fault::Path(P::Empty)),
        ("/a//b", Fault::Path(P::Empty)),
        ("/./a", Fault::Path(P::Dot)),
        ("/a/..", Fault::Path(P::Dot)),
        ("/a/../b", Fault::Path(P::Dot)),
        ("/a/%2e%2e/b", Fault::Path(P::Hidden)),
        ("/a/.%2E/b", Fault::Path(P::Hidden)),
        ("/a%2fb", Fault::Path(P::Hidden)),
        ("/a%5Cb", Fault::Path(P::Hidden)),
        ("/a%3bb", Fault::Path(P::Hidden)),
        ("/%61dmin", Fault::Path(P::Hidden)),
        ("/a%00", Fault::Path(P::Hidden)),
        ("/a%0d%0ab", Fault::Path(P::Hidden)),
        ("/a%7f", Fault::Path(P::Hidden)),
        ("/a%c2%85", Fault::Path(P::Hidden)),
        ("/a\\b", Fault::Path(P::Character)),
        ("/a;b=c/d", Fault::Path(P::Character)),
        ("/a#b", Fault::Path(P::Character)),
        ("/a b", Fault::Path(P::Character)),
        ("/a|b", Fault::Path(P::Character)),
        ("/å", Fault::Path(P::Character)),
        ("/a\0", Fault::Path(P::Character)),
        ("/a%", Fault::Path(P::Escape)),
        ("/a%4", Fault::Path(P::Escape)),
        ("/a%zz", Fault::Path(P::Escape)),
        ("/a%%41", Fault::Path(P::Escape)),
        ("/a%c0%af", Fault::Path(P::Encoding)),
        ("/a%e5", Fault::Path(P::Encoding)),
        ("/a%ed%a0%80", Fault::Path(P::Encoding)),
        ("/a%e2%82x", Fault::Path(P::Encoding)),
        ("/a?b#c", Fault::Query(P::Character)),
        ("/a?b\\c", Fault::Query(P::Character)),
        ("/a?b c", Fault::Query(P::Character)),
        ("/a?å", Fault::Query(P::Character)),
        ("/a?b%", Fault::Query(P::Escape)),
        ("/a?b=%g0", Fault::Query(P::Escape)),
        ("/a?b=%00", Fault::Query(P::Hidden)),
    ] {
        assert_eq!(http1("GET", target, &[]).fault(), Some(fault), "{target}");
    }
}

#[test]
fn framing_connection_and_methods() {
    for (case, fault) in [
        (http1("POST", "/", &[("content-length", "1"), ("transfer-encoding", "chunked")]), Fault::TwoFramings),
        (http1("POST", "/", &[("content-length", "1"), ("content-length", "1")]), Fault::LengthRepeated),
        (http1("POST", "/", &[("content-length", "1, 1")]), Fault::LengthForm),
        (http1("POST", "/", &[("content-length", "+1")]), Fault::LengthForm),
        (http1("POST", "/", &[("content-length", "")]), Fault::LengthForm),
        (http1("POST", "/", &[("content-length", "99999999999999999999")]), Fault::LengthForm),
        (http1("POST", "/", &[("transfer-encoding", "gzip, chunked")]), Fault::TransferEncoding),
        (http1("POST", "/", &[("transfer-encoding", "Chunked")]), Fault::TransferEncoding),
        (
            http1("POST", "/", &[("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")]),
            Fault::TransferEncoding,
        ),
        (
            Case { version: Version::HTTP_10, ..http1("POST", "/", &[("transfer-encoding", "chunked")]) },
            Fault::TransferEncoding,
        ),
        (http2("POST", "/", &[("transfer-encoding", "chunked")]), Fault::ConnectionHeader),
        (http1("GET", "/", &[("content-length", "1")]), Fault::BodyWithoutMeaning),
        (http1("HEAD", "/", &[("transfer-encoding", "chunked")]), Fault::BodyWithoutMeaning),
        (http2("GET", "/", &[("content-length", "1")]), Fault::BodyWithoutMeaning),
        (http1("TRACE", "/", &[]), Fault::MethodForbidden),
        (http1("CONNECT", "/", &[]), Fault::MethodForbidden),
        (http1("PURGE", "/", &[]), Fault::MethodUnknown),
        (http1("get", "/", &[]), Fault::MethodUnknown),
        (Case { version: Version::HTTP_09, ..http1("GET", "/", &[]) }, Fault::Version),
        (Case { version: Version::HTTP_3, ..http1("GET", "/", &[]) }, Fault::Version),
        (http1("GET", "/", &[("connection", "close, cookie")]), Fault::Connection),
        (http1("GET", "/", &[("connection", "keep-alive"), ("connection", "grindvakt-assertion")]), Fault::Connection),
        (http1("GET", "/", &[("connection", "upgrade")]), Fault::Upgrade),
        (http1("GET", "/", &[("upgrade", "websocket")]), Fault::Upgrade),
        (http1("GET", "/", &[("connection", "upgrade"), ("upgrade", "h2c")]), Fault::Upgrade),
        (http1("GET", "/", &[("connection", "upgrade"), ("upgrade", "websocket, h2c")]), Fault::Upgrade),
        (http1("POST", "/", &[("connection", "upgrade"), ("upgrade", "websocket")]), Fault::Upgrade),
        (http2("GET", "/", &[("connection", "close")]), Fault::ConnectionHeader),
        (http2("GET", "/", &[("upgrade", "websocket")]), Fault::ConnectionHeader),
        (http2("GET", "/", &[("te", "gzip")]), Fault::ConnectionHeader),
        (http1("POST", "/", &[("expect", "200-ok")]), Fault::Expect),
        (http1("POST", "/", &[("expect", "100-continue"), ("expect", "100-continue")]), Fault::Expect),
        (http1("GET", "/", &[("x_request_id", "1")]), Fault::HeaderName),
        (http1("GET", "/", &[("grindvakt.assertion", "1")]), Fault::HeaderName),
        (http1("GET", "/", &[("x-http-method-override", "PUT")]), Fault::HeaderOverride),
        (http1("GET", "/", &[("x-original-url", "/b")]), Fault::HeaderOverride),
    ] {
        assert_eq!(case.fault(), Some(fault), "{} {:?}", case.method, case.headers);
    }
}

#[test]
fn values_with_control_characters() {
    for bytes in [b"a\r\nb".as_slice(), b"a\nb", b"a\0", b"\r\n folded", b"a\x7f"] {
        let mut headers = headers(&[("host", "r.example")]);
        // A parser that is less strict than the http crate's could build such a value.
        if let Ok(value) = HeaderValue::from_maybe_shared(bytes::Bytes::copy_from_slice(bytes)) {
            headers.insert("x", value);
            let head = Head {
                method: &Method::GET,
                target: b"/",
                authority: None,
                version: Version::HTTP_11,
                headers: &headers,
            };
            assert_eq!(check(&head, &Limits::default()).map(|_| ()).map_err(|r| r.fault), Err(Fault::HeaderValue));
        }
    }
}

#[test]
fn sizes_have_limits() {
    let limits = Limits { head_bytes_max: 100, header_bytes_max: 50, headers_max: 3, target_bytes_max: 10 };
    let refused = |case: Case| {
        case.check(&limits).map(|_| ()).map_err(|refusal| (refusal.fault, refusal.status.as_u16(), refusal.reason))
    };
    assert_eq!(refused(http1("GET", "/123456789", &[])), Ok(()));
    assert_eq!(refused(http1("GET", "/1234567890", &[])), Err((Fault::TargetTooLong, 414, Reason::HeadTooLarge)));
    let too_large = Err((Fault::HeadTooLarge, 431, Reason::HeadTooLarge));
    assert_eq!(refused(http1("GET", "/", &[("a", "1"), ("b", "2"), ("c", "3")])), too_large);
    let long = "0123456789012345678901234567890123456789";
    assert_eq!(refused(http1("GET", "/", &[("a-long-name", long)])), too_large);
    assert_eq!(refused(http1("GET", "/", &[("a", long), ("b", long)])), too_large);
    assert_eq!(refused(http1("GET", "/", &[("a", long)])), Ok(()));
}

#[test]
fn identity_headers_are_taken_out() {
    let headers = headers(&[
        ("host", "r.example"),
        ("cookie", "a=b"),
        ("authorization", "Bearer x"),
        ("accept", "*/*"),
        ("x-patient-id", "191212121212"),
        ("Grindvakt-Assertion", "x"),
        ("X-Request-Id", "x"),
        ("X-Forwarded-For", "x"),
        ("X-Forwarded-For", "y"),
        ("X-Forwarded-Client-Cert", "x"),
        ("Forwarded", "x"),
        ("X-Real-IP", "x"),
        ("Remote-User", "x"),
        ("X-Remote-User", "x"),
        ("X-Client-Cert-DN", "x"),
        ("SSL-Client-S-DN", "x"),
        ("X-SSL-Client-Verify", "x"),
        ("Proxy-Authorization", "x"),
    ]);
    let mut kept: Vec<_> = headers.keys().filter(|name| !is_stripped(name)).map(HeaderName::as_str).collect();
    kept.sort_unstable();
    assert_eq!(kept, ["accept", "authorization", "cookie", "host", "x-patient-id"]);
    assert_eq!(stripped(&headers).count(), 12);
    for name in [contract::directory::ASSERTION_HEADER, contract::directory::CLIENT_ADDRESS_HEADER] {
        assert!(is_stripped(&HeaderName::from_static(name)));
    }
}

#[test]
fn a_connection_is_for_one_host() {
    assert!(!misdirected("R.example", Some("r.example")));
    assert!(!misdirected("r.example", None));
    assert!(misdirected("other.example", Some("r.example")));
}

#[test]
fn a_route_limits_upgrades_and_bodies() {
    let text = "[[registry]]\nname = \"r\"\nhosts = [\"r.example\"]\npeers = [\"a:1\"]\n\
        [[route]]\nname = \"a\"\nregistry = \"r\"\nmethods = [\"GET\"]\npath = \"/a\"\nresource = \"x\"\npatient = { in = \"none\" }\nbody_bytes_max = 10\n\
        [[route]]\nname = \"b\"\nregistry = \"r\"\nmethods = [\"GET\"]\npath = \"/b\"\nresource = \"x\"\npatient = { in = \"none\" }\nwebsocket = true\n";
    let routes = Routes::read(&Document::parse("routes.toml", text, [])).expect("routes");
    let fits = |path: &[u8], websocket, body| {
        let clean = CleanRequest { host: "r.example", verb: Verb::Get, path, query: None, body, websocket };
        let matched = routes.find("r.example", &Method::GET, path).expect("a route");
        clean.fits(matched.route).map_err(|refusal| refusal.status.as_u16())
    };
    assert_eq!(fits(b"/a", true, BodyLength::None), Err(400));
    assert_eq!(fits(b"/b", true, BodyLength::None), Ok(()));
    assert_eq!(fits(b"/a", false, BodyLength::Known(10)), Ok(()));
    assert_eq!(fits(b"/a", false, BodyLength::Known(11)), Err(413));
}

proptest! {
    #[test]
    fn no_head_panics_and_none_is_changed(
        method in "[A-Z]{1,8}|GET|POST",
        target in proptest::collection::vec(any::<u8>(), 0..40),
        authority in proptest::option::of("\\PC{0,20}"),
        version in prop_oneof![Just(Version::HTTP_11), Just(Version::HTTP_2), Just(Version::HTTP_10)],
        pairs in proptest::collection::vec(("[a-zA-Z_.-]{1,20}|host|content-length|transfer-encoding|connection|upgrade|te", "[\\x20-\\x7e]{0,20}"), 0..8),
    ) {
        let mut map = HeaderMap::new();
        for (name, value) in &pairs {
            if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
                map.append(name, value);
            }
        }
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let head = Head { method: &method, target: &target, authority: authority.as_deref(), version, headers: &map };
        if let Ok(clean) = check(&head, &Limits::default()) {
            let mut whole = clean.path().to_vec();
            if let Some(query) = clean.query() {
                whole.push(b'?');
                whole.extend_from_slice(query);
            }
            prop_assert_eq!(whole, target);
        }
    }

    /// Decoding an accepted path, once or twice, never gives another path with other segments.
    #[test]
    fn an_accepted_path_has_one_meaning(path in "(/(a|b|%2[ef]|%5c|%25|%32|%65|\\.|%c3%a5|%3b|;|%20|%){0,4}){1,4}") {
        if check_path(path.as_bytes()).is_ok() {
            let decoded: Vec<u8> = percent_encoding::percent_decode(path.as_bytes()).collect();
            let count = |bytes: &[u8]| bytes.split(|byte| *byte == b'/').count();
            prop_assert_eq!(count(&decoded), count(path.as_bytes()));
            prop_assert!(std::str::from_utf8(&decoded).is_ok());
            for segment in decoded.split(|byte| *byte == b'/') {
                prop_assert!(segment != b".." && segment != b".");
            }
        }
    }
}

#[test]
fn what_a_parser_forgives_is_seen_in_the_bytes() {
    let head = |text: &str| check_raw(text.as_bytes(), b"/a?b");
    assert_eq!(head("GET /a?b HTTP/1.1\r\nHost: r\r\nContent-Length: 1\r\n\r\n"), Ok(()));
    assert_eq!(head("GET /a?b HTTP/1.1\r\nX-Transfer-Encoding: x\r\nContent-Length: 1\r\n\r\n"), Ok(()));
    assert_eq!(head("GET /a?b HTTP/1.1\nHost: r\r\n\r\n"), Err(Fault::LineEnd));
    assert_eq!(head("GET /a?b HTTP/1.1\r\nHost: r\n\r\n"), Err(Fault::LineEnd));
    assert_eq!(head("GET /a?b HTTP/1.1\r\nHost: r\r\n\n"), Err(Fault::LineEnd));
    assert_eq!(head("GET /a?b#c HTTP/1.1\r\nHost: r\r\n\r\n"), Err(Fault::TargetForm));
    let both = "GET /a?b HTTP/1.1\r\nTRANSFER-encoding: chunked\r\ncontent-LENGTH: 1\r\n\r\n";
    assert_eq!(head(both), Err(Fault::TwoFramings));
}
