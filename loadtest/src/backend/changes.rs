//! The list of changing requests that reached the sample registry, by the request id that the gateway gave them.
//!
//! Whoever audits the gateway asks here: a change that arrived must have its record. The list is served on the
//! registry's own port, to which the gateway has no route.

use super::store::Store;
use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, Method};
use axum::routing::get;
use parking_lot::Mutex;
use std::fmt::Write as _;
use std::sync::Arc;
use uuid::Uuid;

/// Where the list is served. `?after=N` leaves out the first N.
pub const PATH: &str = "/-/changes";
/// The longest part of the list in one answer.
pub const PAGE_MAX: usize = 50_000;
const CHANGES_MAX: usize = 4_000_000;

/// Request ids in order of arrival; nil for a change that came without a readable id.
#[derive(Debug, Default)]
pub(super) struct Changes(Mutex<Vec<Uuid>>);

/// Whether a request changes data. Searches by POST only read.
pub(super) fn is_changing(method: &Method, path: &str) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) && !matches!(path, "/search" | "/api/search")
}

impl Changes {
    pub(super) fn note(&self, headers: &HeaderMap) {
        let id = headers
            .get("x-request-id")
            .and_then(|value| value.to_str().ok())
            .and_then(|text| Uuid::parse_str(text).ok())
            .unwrap_or_default();
        let mut list = self.0.lock();
        if list.len() < CHANGES_MAX {
            list.push(id);
        }
    }
}

pub(super) fn routes() -> Router<Arc<Store>> {
    Router::new().route(PATH, get(list))
}

#[derive(serde::Deserialize)]
struct Part {
    #[serde(default)]
    after: usize,
}

async fn list(State(store): State<Arc<Store>>, Query(part): Query<Part>) -> String {
    let list = store.changes.0.lock();
    let mut text = String::new();
    for id in list.iter().skip(part.after).take(PAGE_MAX) {
        let _ = writeln!(text, "{id}");
    }
    text
}
