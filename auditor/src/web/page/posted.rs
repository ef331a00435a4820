//! What a page's form sent.

mod multipart;

use super::super::form::Bound;
use super::super::member::Member;
use super::super::pages::{from_elsewhere, record_forged};
use super::super::{App, problem};
use super::{Frame, Trouble};
use crate::clock;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts as _, Request};
use axum::http::{StatusCode, header};
use axum::response::Response;
use percent_encoding::percent_decode;
use std::sync::Arc;

/// At most so many fields are read.
const FIELDS_MAX: usize = 200;

/// What a form sent. Whether it was asked for here is looked at first: [`Posted::asked_for`].
#[derive(Debug)]
pub(in crate::web) struct Posted {
    typed: Typed,
    asked_for: bool,
}

/// The fields of a form, as they were typed.
#[derive(Default, Clone)]
pub(in crate::web) struct Typed(Vec<(String, String)>);

impl std::fmt::Debug for Typed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Typed(hidden)")
    }
}

impl Posted {
    /// What was typed into a form of a page that this session had asked for. Else what to show again, with
    /// `wrong-stale`: nothing may be done with it.
    pub(in crate::web) fn asked_for(self) -> Result<Typed, Typed> {
        if self.asked_for { Ok(self.typed) } else { Err(self.typed) }
    }

    /// What was sent, to be shown again. Nothing may be done by it alone.
    pub(in crate::web) fn copy(&self) -> Typed {
        self.typed.clone()
    }

    /// Whether a field of this name was sent.
    pub(in crate::web) fn has(&self, name: &str) -> bool {
        self.typed.names().any(|known| known == name)
    }

    /// What says which of several forms of the page it is. Nothing may be done by it alone.
    pub(in crate::web) fn peek(&self, name: &str) -> Option<&str> {
        self.has(name).then(|| self.typed.get(name))
    }
}

impl Typed {
    /// A field as it was typed, without spaces around it. Empty: it was left out.
    pub(in crate::web) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.trim())
    }

    /// The names of all fields that were sent.
    pub(in crate::web) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// Without fields of these names.
    pub(in crate::web) fn without(&self, names: &[&str]) -> Self {
        Self(self.0.iter().filter(|(name, _)| !names.contains(&name.as_str())).cloned().collect())
    }

    /// Reads `application/x-www-form-urlencoded`.
    pub(in crate::web) fn read(body: &[u8]) -> Option<Self> {
        let pairs = body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
        let mut fields = Vec::new();
        for pair in pairs {
            let mut parts = pair.splitn(2, |byte| *byte == b'=');
            let (name, value) = (parts.next()?, parts.next().unwrap_or_default());
            fields.push((decoded(name)?, decoded(value)?));
            if fields.len() > FIELDS_MAX {
                return None;
            }
        }
        Some(Self(fields))
    }
}

fn is_form(kind: &str) -> bool {
    kind.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded")
}

fn decoded(text: &[u8]) -> Option<String> {
    let spaced: Vec<u8> = text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    Some(percent_decode(&spaced).decode_utf8().ok()?.into_owned())
}

impl FromRequest<Arc<App>> for Posted {
    type Rejection = Response;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let frame = Frame::from_request_parts(&mut parts, app).await?;
        let Some(member) = parts.extensions.get::<Member>().cloned() else {
            return Err(problem(StatusCode::UNAUTHORIZED, "Not logged in"));
        };
        let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).map(str::to_owned);
        let elsewhere = from_elsewhere(&parts.headers);
        let body = Bytes::from_request(Request::from_parts(parts, body), app).await;
        let typed = body.ok().zip(kind).and_then(|(body, kind)| match multipart::boundary(&kind) {
            Some(boundary) => multipart::read(&body, &boundary).map(Typed),
            None if is_form(&kind) => Typed::read(&body),
            None => None,
        });
        let Some(typed) = typed else { return Err(Trouble::Unreadable.page(frame)) };
        let (bound, device) = (Bound::Session(member.session), member.caller.assertion.device_cert);
        let asked_for = !elsewhere && app.form.holds(typed.get("form"), bound, device, clock::now());
        if !asked_for {
            record_forged(app, &member.caller).await;
        }
        Ok(Self { typed, asked_for })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_as_browsers_send_them() {
        let typed = Typed::read(b"a=1+2&b=%C3%A5%26&a=+3+&c").expect("a form");
        assert_eq!(typed.get("a"), "1 2");
        assert_eq!((typed.get("b"), typed.get("c"), typed.get("d")), ("å&", "", ""));
        assert!(Typed::read(b"a=%FF").is_none(), "no UTF-8");
        assert!(Typed::read("a=1&".repeat(FIELDS_MAX + 1).as_bytes()).is_none());
    }
}
