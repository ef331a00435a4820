//! What was sent: a JSON object whose fields are read by name, so that all mistakes are told at once and a field that
//! nobody asked for is one.

use super::problem::{FieldError, Kind, Problem};
use crate::forms::{check_line, check_words};
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{StatusCode, header};
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// So many unknown fields are told, by names of at most so many bytes.
const UNKNOWN_MAX: usize = 20;
const NAME_BYTES_MAX: usize = 64;

/// The fields of a body. No body is one without fields.
#[derive(Debug)]
pub(in crate::web) struct Fields {
    map: Map<String, Value>,
    errors: Vec<FieldError>,
}

impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let json = request.headers().get(header::CONTENT_TYPE).map(is_json);
        let body = Bytes::from_request(request, state).await.map_err(|rejection| {
            let large = rejection.status() == StatusCode::PAYLOAD_TOO_LARGE;
            Problem::from(if large { Kind::TooLarge } else { Kind::Malformed })
        })?;
        match json {
            Some(false) => return Err(Kind::UnsupportedMediaType.into()),
            None if !body.is_empty() => return Err(Kind::UnsupportedMediaType.into()),
            _ => {}
        }
        if body.is_empty() {
            return Ok(Self { map: Map::new(), errors: Vec::new() });
        }
        match serde_json::from_slice(&body) {
            Ok(Once(map)) => Ok(Self { map, errors: Vec::new() }),
            // serde's words would repeat what was written.
            Err(error) => {
                let (line, column) = (error.line(), error.column());
                let detail =
                    format!("the body is not a JSON object that has each field once: line {line}, column {column}");
                Err(Problem::new(Kind::Malformed, detail))
            }
        }
    }
}

/// An object in which no field stands twice: programs differ in which they take.
struct Once(Map<String, Value>);

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OnceVisitor)
    }
}

struct OnceVisitor;

impl<'de> Visitor<'de> for OnceVisitor {
    type Value = Once;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Once, A::Error> {
        let mut map = Map::new();
        while let Some((name, value)) = fields.next_entry::<String, Value>()? {
            if map.insert(name, value).is_some() {
                return Err(de::Error::custom("a field stands twice"));
            }
        }
        Ok(Once(map))
    }
}

/// Whether a content type is JSON's own, whatever its parameters.
pub(in crate::web) fn is_json(value: &axum::http::HeaderValue) -> bool {
    let text = value.to_str().unwrap_or_default();
    text.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

impl Fields {
    /// Fields that were typed into a page's form.
    pub(in crate::web) fn typed(map: Map<String, Value>) -> Self {
        Self { map, errors: Vec::new() }
    }

    fn wrong(&mut self, name: &str, code: &'static str, detail: &str) {
        let field = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
        self.errors.push(FieldError { field, code, detail: detail.to_owned() });
    }

    /// Whether a field is there, with null or with a value.
    pub(in crate::web) fn has(&self, name: &str) -> bool {
        self.map.contains_key(name)
    }

    /// A text that may be left out or be null.
    pub(in crate::web) fn optional(&mut self, name: &'static str) -> Option<String> {
        match self.map.remove(name) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text),
            Some(_) => {
                self.wrong(name, "type", "must be a text");
                None
            }
        }
    }

    /// A text.
    pub(in crate::web) fn text(&mut self, name: &'static str) -> Option<String> {
        let before = self.errors.len();
        let text = self.optional(name);
        if text.is_none() && self.errors.len() == before {
            self.wrong(name, "missing", "is missing");
        }
        text
    }

    /// Yes or no; left out, no.
    pub(super) fn flag(&mut self, name: &'static str) -> bool {
        match self.map.remove(name) {
            None | Some(Value::Null) => false,
            Some(Value::Bool(flag)) => flag,
            Some(_) => {
                self.wrong(name, "type", "must be true or false");
                false
            }
        }
    }

    /// Yes or no.
    pub(super) fn needed_flag(&mut self, name: &'static str) -> bool {
        if !self.has(name) {
            self.wrong(name, "missing", "is missing");
        }
        self.flag(name)
    }

    /// A text of one line.
    pub(in crate::web) fn line(&mut self, name: &'static str) -> Option<String> {
        let text = self.text(name)?;
        self.one_line(name, text)
    }

    /// A text of one line that may be left out.
    pub(in crate::web) fn optional_line(&mut self, name: &'static str) -> Option<String> {
        let text = self.optional(name)?;
        self.one_line(name, text)
    }

    fn one_line(&mut self, name: &'static str, text: String) -> Option<String> {
        if check_line(name, &text).is_err() {
            self.wrong(name, "text", "is empty, too long, or has characters that cannot be printed");
            return None;
        }
        Some(text)
    }

    /// A text of several lines.
    pub(in crate::web) fn words(&mut self, name: &'static str) -> Option<String> {
        let text = self.text(name)?;
        if check_words(name, &text).is_err() {
            self.wrong(name, "text", "is empty, too long, or has characters that cannot be printed");
            return None;
        }
        Some(text)
    }

    /// Texts of one line each.
    pub(in crate::web) fn lines(&mut self, name: &'static str) -> Option<Vec<String>> {
        let texts = match self.map.remove(name) {
            None | Some(Value::Null) => {
                self.wrong(name, "missing", "is missing");
                return None;
            }
            Some(Value::Array(values)) => values.into_iter().map(|value| match value {
                Value::String(text) => Some(text),
                _ => None,
            }),
            Some(_) => {
                self.wrong(name, "type", "must be a list of texts");
                return None;
            }
        };
        let texts: Option<Vec<String>> = texts.collect();
        match texts {
            None => self.wrong(name, "type", "must be a list of texts"),
            Some(texts) if texts.iter().all(|text| check_line(name, text).is_ok()) => return Some(texts),
            Some(_) => self.wrong(name, "text", "has an empty or too long line, or characters that cannot be printed"),
        }
        None
    }

    /// A text that `read` reads; `what`: what it must be.
    pub(in crate::web) fn parsed<T>(
        &mut self,
        name: &'static str,
        what: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text(name)?;
        self.reading(name, what, read(&text))
    }

    /// As [`Self::parsed`], and may be left out.
    pub(in crate::web) fn optional_parsed<T>(
        &mut self,
        name: &'static str,
        what: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.optional(name)?;
        self.reading(name, what, read(&text))
    }

    fn reading<T>(&mut self, name: &'static str, what: &str, read: Option<T>) -> Option<T> {
        if read.is_none() {
            self.wrong(name, "form", &format!("must be {what}"));
        }
        read
    }

    /// Texts, each of which `read` reads; none if left out.
    pub(in crate::web) fn each_parsed<T>(
        &mut self,
        name: &'static str,
        what: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Vec<T> {
        if !self.has(name) {
            return Vec::new();
        }
        let texts = self.lines(name).unwrap_or_default();
        let all: Option<Vec<T>> = texts.iter().map(|text| read(text)).collect();
        self.reading(name, what, all).unwrap_or_default()
    }

    /// Whether all was well, and nothing else was sent.
    pub(in crate::web) fn finish(mut self) -> Result<(), Problem> {
        for name in std::mem::take(&mut self.map).keys().take(UNKNOWN_MAX) {
            // Whoever writes what they mean into the name does not get it back.
            let name = if name.len() <= NAME_BYTES_MAX { name.as_str() } else { "" };
            self.wrong(name, "unknown", "is not known here");
        }
        if self.errors.is_empty() { Ok(()) } else { Err(Problem::invalid(self.errors)) }
    }
}
