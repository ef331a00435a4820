//! Data about people and units from other systems.

use super::body::is_json;
use super::member::Member;
use super::problem::{Kind, Problem};
use super::query::{Asked, Parameters};
use super::{Id, answer};
use crate::clock;
use crate::duties::{About, Action, may};
use crate::imports::{Faults, Feed, Format, Imported};
use crate::store::{StoreError, Wish};
use crate::web::App;
use crate::web::attempt::by;
use axum::Extension;
use axum::body::Bytes;
use axum::extract::State as Shared;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// Most bytes of a table.
pub(super) const BODY_BYTES_MAX: usize = 16 << 20;

/// So many accounts may end by a list if it is not said otherwise.
pub(in crate::web) const CLOSES_MAX: usize = 20;

/// What was done, or would be.
#[derive(Serialize, ToSchema)]
pub(super) struct ImportView {
    /// Rows that were read.
    rows: usize,
    /// Of these, such as were not known.
    new: usize,
    /// And such as say something else than was known.
    changed: usize,
    /// Accounts that ended.
    closed: usize,
    /// Whether nothing of it was kept.
    dry_run: bool,
}

/// Brings in a table: all of it, or nothing. Columns of employments: hsa, last_day; of units: hsa, name, provider_hsa,
/// valid_from, valid_to; of assignments: hsa, unit_hsa, title, valid_from, valid_to. Days as 2026-11-01, the last one
/// counts, an end may be empty.
#[utoipa::path(
    post, path = "/imports/{feed}", tag = "imports", operation_id = "import",
    request_body(
        content((Vec<std::collections::BTreeMap<String, String>> = "application/json"), (String = "text/csv")),
        description = "CSV with a line of names, in UTF-8, or a list of objects whose values are texts or null",
    ),
    params(
        ("feed" = String, Path, description = "employments, units or assignments"),
        ("dry_run" = Option<bool>, Query, description = "only tell what would be done [false]"),
        ("closes_at_most" = Option<u32>, Query, description = "at most so many accounts may end by it [20]"),
    ),
    responses((status = 200, description = "What was done", body = ImportView))
)]
pub(super) async fn bring(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    Id(feed): Id<Feed>,
    asked: Asked,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let mut asked = Parameters::new(asked)?;
    let dry_run = asked.parsed("dry_run", "true or false", |text| text.parse().ok()).unwrap_or(false);
    let closes_max = asked.parsed("closes_at_most", "a number", |text| text.parse().ok()).unwrap_or(CLOSES_MAX);
    asked.finish()?;
    let format = match headers.get(header::CONTENT_TYPE) {
        Some(kind) if is_json(kind) => Format::Json,
        Some(kind) if kind.as_bytes().to_ascii_lowercase().starts_with(b"text/csv") => Format::Csv,
        _ => return Err(Kind::UnsupportedMediaType.into()),
    };
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Kind::TooLarge,
        _ => Kind::Malformed,
    })?;
    let done = app.import(&member, (feed, format), &body, Wish { dry_run, closes_max }).await;
    let done = done.map_err(|undone| match undone {
        NotBrought::Rows(faults) => Problem::rows(&faults),
        NotBrought::Problem(problem) => problem,
    })?;
    let view = ImportView { rows: done.rows, new: done.new, changed: done.changed, closed: done.closed, dry_run };
    Ok(answer(StatusCode::OK, None, &view))
}

/// Why nothing was brought in.
#[derive(Debug)]
pub(in crate::web) enum NotBrought {
    /// Rows that cannot be taken.
    Rows(Box<Faults>),
    /// Anything else.
    Problem(Problem),
}

/// Whether it is somebody's duty to bring in tables.
pub(in crate::web) fn imports(member: &Member) -> bool {
    may(&member.viewer.appointments, Action::Import, &About::default())
}

impl App {
    /// Brings in a table: all of it, or nothing. A table of somebody whose duty it is not is not even read.
    pub(in crate::web) async fn import(
        &self,
        member: &Member,
        (feed, format): (Feed, Format),
        table: &[u8],
        wish: Wish,
    ) -> Result<Imported, NotBrought> {
        let now = clock::now();
        if !imports(member) {
            let refused = self.office.refuse_import(now, by(&member.caller), feed).await;
            refused.map_err(|error| NotBrought::Problem(Problem::from_store(&error, Action::Import)))?;
        }
        let rows = feed.read(table, format).map_err(|faults| NotBrought::Rows(Box::new(faults)))?;
        let signature = self.sign(member, now).await.map_err(NotBrought::Problem)?;
        let done = self.office.import(now, by(&member.caller), &signature, &rows, wish).await;
        done.map_err(|error| match error {
            StoreError::Rows(faults) => NotBrought::Rows(faults),
            error => NotBrought::Problem(Problem::from_store(&error, Action::Import)),
        })
    }
}
