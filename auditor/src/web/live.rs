//! Lists that change in place, where the settings name htmx. Pages are the same without it: the server answers whole pages,
//! and the scripts take the list out of them. Only pages with a list run scripts, and only these two, by their hashes:
//! registries stand on the same host, so that `'self'` would say too little.

use super::{App, problem};
use crate::config::Htmx;
use askama::filters::HtmlSafe;
use aws_lc_rs::digest::{SHA256, digest};
use axum::extract::State as Shared;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use std::fmt;
use std::sync::Arc;

/// What htmx does not do: see there.
const LISTS: &str = include_str!("../../templates/lists.js");

/// htmx' settings: nothing of a page is kept in the browser, nothing is evaluated, nothing is styled, nothing is asked of other
/// hosts, and nobody's view jumps while they type.
const SETTINGS: &str = concat!(
    r#"{"allowEval":false,"allowScriptTags":false,"includeIndicatorStyles":false,"selfRequestsOnly":true,"#,
    r#""historyCacheSize":0,"refreshOnHistoryMiss":true,"scrollIntoViewOnBoost":false}"#
);

/// The scripts of lists.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) htmx: Script,
    pub(super) lists: Script,
    pub(super) settings: &'static str,
    policy: HeaderValue,
}

/// A script, and what a page says of it.
pub(super) struct Script {
    text: Bytes,
    /// Where it is. A hash in it lets browsers keep it for long.
    pub(super) address: String,
    /// `sha256-` and its SHA-256, as pages and policies have it.
    pub(super) integrity: String,
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Script({})", self.address)
    }
}

impl Script {
    fn new(path: &str, text: &str) -> Self {
        let hash = digest(&SHA256, text.as_bytes());
        let short = hex::encode(hash.as_ref().get(..8).unwrap_or_default());
        let integrity = format!("sha256-{}", STANDARD.encode(hash));
        let text = Bytes::copy_from_slice(text.as_bytes());
        Self { text, address: format!("{path}?v={short}"), integrity }
    }

    fn answer(&self) -> Response {
        let headers = [
            (header::CONTENT_TYPE, "text/javascript; charset=utf-8"),
            (header::CACHE_CONTROL, "private, max-age=31536000, immutable"),
        ];
        (headers, self.text.clone()).into_response()
    }
}

/// What a page with such a list may do, instead of what pages may.
#[derive(Debug, Clone)]
pub(super) struct Policy(pub(super) HeaderValue);

impl Live {
    pub(super) fn new(htmx: &Htmx) -> Self {
        let htmx = Script::new("/auth/static/htmx.js", htmx.text());
        let lists = Script::new("/auth/static/lists.js", LISTS);
        let policy = format!(
            "default-src 'none'; script-src '{}' '{}'; connect-src 'self'; style-src 'self'; img-src 'self'; \
             form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
            htmx.integrity, lists.integrity
        );
        let policy = HeaderValue::try_from(policy).expect("invariant: hashes in base64 are letters of headers");
        Self { htmx, lists, settings: SETTINGS, policy }
    }

    /// An answer that is a page with the scripts.
    pub(super) fn mark(&self, response: &mut Response) {
        response.extensions_mut().insert(Policy(self.policy.clone()));
    }
}

/// Attributes of an element, most of them for htmx: none where there are no scripts. They begin with a space.
#[derive(Debug, Clone, Copy)]
pub(super) struct Marks(pub(super) &'static str);

impl Marks {
    pub(super) const NONE: Self = Self("");
    /// Of a form with a field for a file.
    pub(super) const FILES: Self = Self(" enctype=\"multipart/form-data\"");
    /// Of what surrounds a list, and what chooses in it.
    pub(super) const AROUND: Self = Self(
        " hx-target=\"#list\" hx-select=\"#list\" hx-select-oob=\"#found:innerHTML\" hx-swap=\"outerHTML\" \
         hx-indicator=\"#busy\" hx-sync=\"this:replace\"",
    );
    /// Of a form that chooses. What is typed to search for counts soon, what is chosen at once, all else when it is sent. An
    /// address for each letter would be of no use in the history.
    pub(super) const FILTER: Self = Self(
        " hx-boost=\"true\" hx-trigger=\"submit, change target:select, input target:[type=search] delay:300ms\" \
         hx-replace-url=\"true\"",
    );
    /// Of what leads to another order or page of a list.
    pub(super) const STEP: Self = Self(" hx-boost=\"true\"");
}

impl fmt::Display for Marks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

// They stand above.
impl HtmlSafe for Marks {}

/// The script htmx.
pub(super) async fn htmx(Shared(app): Shared<Arc<App>>) -> Response {
    script(app.live.as_deref().map(|live| &live.htmx))
}

/// The script beside it.
pub(super) async fn lists(Shared(app): Shared<Arc<App>>) -> Response {
    script(app.live.as_deref().map(|live| &live.lists))
}

fn script(script: Option<&Script>) -> Response {
    script.map_or_else(|| problem(StatusCode::NOT_FOUND, "There is no such script here"), Script::answer)
}
