//! What a backend understood of a request, read from the line of its log.

use serde_json::Value;
use std::path::Path;

/// A request as a backend understood it.
#[derive(Clone, Default, PartialEq)]
pub(super) struct Seen {
    pub(super) method: String,
    /// Path and query as they arrived.
    pub(super) target: String,
    /// The path, decoded and normalised as the backend does it.
    pub(super) path: String,
    pub(super) host: String,
    pub(super) body: Vec<u8>,
    /// Names in lower case, with `_` as `-`: some programs know no difference.
    pub(super) headers: Vec<(String, String)>,
    /// Every text that the backend takes for a patient's number, by one reading or another, with where it stands: `path`,
    /// `query`, `header`, `form` or `json`.
    pub(super) patients: Vec<(String, String)>,
    /// Which of its connections it came on, if the backend tells.
    pub(super) connection: Option<String>,
}

/// How a log tells texts.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Spelling {
    /// In hexadecimal digits; `-` for nothing.
    Hex,
    /// As they are.
    Plain,
}

/// The lines of a log that tell of requests.
pub(super) fn read(log: &Path, spelling: Spelling) -> Vec<Seen> {
    let text = std::fs::read(log).unwrap();
    let lines = text.split(|byte| *byte == b'\n').filter_map(|line| line.strip_prefix(b"seen "));
    lines.map(|line| of_line(&String::from_utf8_lossy(line), spelling)).collect()
}

fn of_line(line: &str, spelling: Spelling) -> Seen {
    let line: Value = serde_json::from_str(line).unwrap();
    let bytes = |value: &Value| -> Vec<u8> {
        match (spelling, value.as_str().unwrap_or_default()) {
            (_, "-") => Vec::new(),
            (Spelling::Plain, text) => text.as_bytes().to_vec(),
            (Spelling::Hex, digits) => hex::decode(digits).unwrap(),
        }
    };
    let text = |value: &Value| String::from_utf8_lossy(&bytes(value)).into_owned();
    let list = |name: &str| line[name].as_array().cloned().unwrap_or_default();
    let pairs = |name: &str| list(name).into_iter().map(|pair| (text(&pair[0]), text(&pair[1])));
    let mut headers: Vec<(String, String)> = pairs("headers").map(|(key, value)| (name(&key), value)).collect();
    // HAProxy's, as they arrived.
    for header in text(&line["lines"]).lines() {
        let (key, value) = header.split_once(':').unwrap_or((header, ""));
        headers.push((name(key), value.trim().to_owned()));
    }
    headers.retain(|(name, value)| !name.is_empty() && !value.is_empty());
    Seen {
        method: text(&line["method"]),
        target: text(&line["target"]),
        path: text(&line["path"]),
        host: text(&line["host"]),
        body: bytes(&line["body"]),
        headers,
        patients: pairs("patients").filter(|(_, patient)| !patient.is_empty()).collect(),
        connection: line["connection"].as_str().map(str::to_owned),
    }
}

fn name(text: &str) -> String {
    text.trim().to_ascii_lowercase().replace('_', "-")
}

impl std::fmt::Debug for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { method, target, path, host, body, patients, .. } = self;
        let (begin, id) = (String::from_utf8_lossy(&body[..body.len().min(80)]), self.value("x-request-id"));
        write!(
            f,
            "{method} {target:.200} ({path:.200}) of {host}, {} bytes {begin:?}, patients {patients:.200?}, id {id:?}",
            body.len()
        )
    }
}

impl Seen {
    /// The values of a header.
    pub(super) fn values(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
    }

    /// The one value of a header; nothing if there are several.
    pub(super) fn value(&self, name: &str) -> &str {
        if let [value] = self.values(name).as_slice() { value } else { "" }
    }
}

#[test]
fn lines_of_both_spellings_are_read() {
    let plain = of_line(
        r#"{"method":"GET","path":"/a b","headers":[["X_A","1"],["x-b",""]],"patients":[["path",""],["query","2"]],"connection":"7"}"#,
        Spelling::Plain,
    );
    assert_eq!((plain.method.as_str(), plain.path.as_str(), plain.value("x-a")), ("GET", "/a b", "1"));
    assert_eq!(
        (plain.headers.len(), plain.patients, plain.connection),
        (1, vec![("query".to_owned(), "2".to_owned())], Some("7".to_owned()))
    );
    let hex = of_line(r#"{"method":"474554","body":"-","lines":"413a20620d0a413a20630d0a0d0a"}"#, Spelling::Hex);
    assert_eq!((hex.method.as_str(), hex.body.len(), hex.values("a")), ("GET", 0, vec!["b", "c"]));
    assert_eq!(hex.value("a"), "");
}
