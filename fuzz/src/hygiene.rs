//! Request hygiene: what is accepted means the same to another parser, a plain one written for that.

use gateway::hygiene::{BodyLength, CleanRequest, Head, Limits, check, check_raw, is_stripped, stripped};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version, header};

/// `2`: the same as a head of HTTP/2. Else the bytes of an HTTP/1 head.
pub fn hygiene(data: &[u8]) {
    let (http2, bytes) = match data {
        [b'2', rest @ ..] => (true, rest),
        _ => (false, data),
    };
    let mut room = [httparse::EMPTY_HEADER; 128];
    let mut request = httparse::Request::new(&mut room);
    let Ok(httparse::Status::Complete(end)) = request.parse(bytes) else { return };
    let (Some(method), Some(target), Some(version)) = (request.method, request.path, request.version) else { return };
    let Ok(method) = Method::from_bytes(method.as_bytes()) else { return };
    let mut headers = HeaderMap::new();
    for header in request.headers.iter() {
        let name = HeaderName::from_bytes(header.name.as_bytes());
        let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(header.value)) else { return };
        headers.append(name, value);
    }
    let authority =
        if http2 { headers.get(header::HOST).and_then(|host| host.to_str().ok()).map(str::to_owned) } else { None };
    let version = match (http2, version) {
        (true, _) => Version::HTTP_2,
        (false, 1) => Version::HTTP_11,
        (false, _) => Version::HTTP_10,
    };
    let head = Head {
        method: &method,
        target: target.as_bytes(),
        authority: authority.as_deref(),
        version,
        headers: &headers,
    };
    let limits = Limits { headers_max: 64, ..Limits::default() };
    let Ok(clean) = check(&head, &limits) else { return };
    target_means_one_thing(&clean, target);
    headers_mean_one_thing(&clean, &headers, version);
    let raw = bytes.get(..end).expect("the head");
    if !http2 && check_raw(raw, target.as_bytes()).is_ok() {
        plainly(raw, &method, target, &headers, &clean);
    }
}

/// A browser's reading of the target changes nothing, and decoding it makes no other path.
fn target_means_one_thing(clean: &CleanRequest<'_>, target: &str) {
    let url = url::Url::parse(&format!("https://host{target}")).expect("a path is part of a URL");
    assert_eq!(url.host_str(), Some("host"), "the host moved");
    assert_eq!(url.path().as_bytes(), clean.path(), "a browser reads another path");
    assert_eq!(url.query().is_some(), clean.query().is_some());
    assert_eq!(url.fragment(), None);
    let decoded: Vec<u8> = percent(clean.path());
    let text = std::str::from_utf8(&decoded).expect("a path is text");
    assert!(!text.contains(|c: char| c.is_control() || matches!(c, '\\' | ';')), "a path with two meanings");
    let count = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'/').count();
    assert_eq!(count(&decoded), count(clean.path()), "a hidden slash");
    let inner: Vec<&str> = text.split('/').skip(1).collect();
    let (_, before) = inner.split_last().expect("a path has a segment");
    assert!(before.iter().all(|segment| !segment.is_empty()), "an empty segment");
    assert!(inner.iter().all(|segment| !matches!(*segment, "." | "..")), "a dot segment");
}

fn percent(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let [first, after @ ..] = rest {
        rest = after;
        let escaped = if *first == b'%' { after.split_first_chunk::<2>() } else { None };
        match escaped.and_then(|(digits, after)| Some((std::str::from_utf8(digits).ok()?, after))) {
            Some((digits, after)) => {
                out.push(u8::from_str_radix(digits, 16).expect("an escape has two digits"));
                rest = after;
            }
            None => out.push(*first),
        }
    }
    out
}

fn headers_mean_one_thing(clean: &CleanRequest<'_>, headers: &HeaderMap, version: Version) {
    let count = |name: HeaderName| headers.get_all(name).iter().count();
    assert!(count(header::HOST) <= 1 && count(header::CONTENT_LENGTH) + count(header::TRANSFER_ENCODING) <= 1);
    assert!(!clean.host().is_empty() && !clean.host().contains(['@', '/', ' ', ',', '%', '\\']));
    assert!(!clean.websocket() || (version == Version::HTTP_11 && clean.body() == BodyLength::None));
    for (name, value) in headers {
        assert!(!name.as_str().contains('_'), "a name that CGI makes another's");
        assert!(!value.as_bytes().iter().any(|byte| *byte < b' ' && *byte != b'\t'));
    }
    let mut left = headers.clone();
    for name in stripped(headers) {
        left.remove(name);
    }
    assert!(!left.keys().any(is_stripped), "an identity header goes on");
}

/// RFC 9112, 2 to 6, word for word: no repair of any kind.
fn plainly(raw: &[u8], method: &Method, target: &str, headers: &HeaderMap, clean: &CleanRequest<'_>) {
    let text: String = raw.iter().map(|byte| char::from(*byte)).collect();
    // A parser may skip empty lines before the request.
    let text = text.trim_start_matches("\r\n");
    let (lines, end) = text.split_at(text.len() - 4);
    assert_eq!(end, "\r\n\r\n");
    let mut lines = lines.split("\r\n");
    let first: Vec<&str> = lines.next().expect("a line").split(' ').collect();
    let [first_method, first_target, version] = first.as_slice() else { panic!("{first:?}") };
    assert_eq!((*first_method, *first_target), (method.as_str(), target));
    assert!(["HTTP/1.0", "HTTP/1.1"].contains(version));
    let mut length = None;
    let mut chunked = false;
    let mut count = 0;
    for line in lines {
        assert!(!line.contains(['\r', '\n']), "half a line end");
        let (name, value) = line.split_once(':').expect("a header");
        assert!(!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'), "{name:?}");
        let value = value.trim_matches([' ', '\t']);
        let known = headers
            .get_all(name)
            .iter()
            .any(|known| known.as_bytes().iter().copied().map(char::from).eq(value.chars()));
        assert!(known, "another value of {name}: {value:?}");
        if name.eq_ignore_ascii_case("content-length") {
            assert_eq!(length.replace(value.parse::<u64>().expect("a number")), None);
        }
        if name.eq_ignore_ascii_case("transfer-encoding") {
            assert!(!chunked && value == "chunked");
            chunked = true;
        }
        count += 1;
    }
    assert_eq!(count, headers.len());
    let body = match (length, chunked) {
        (None | Some(0), false) => BodyLength::None,
        (Some(length), false) => BodyLength::Known(length),
        (None, true) => BodyLength::Unknown,
        (Some(_), true) => panic!("two framings"),
    };
    assert_eq!(clean.body(), body, "another body");
}
