//! What is done with forms: each move is signed, on the version that was seen.

use super::body::Fields;
use super::member::Member;
use super::problem::Problem;
use super::view::FormHead;
use super::work::Deed;
use super::{Id, answer, seen};
use crate::web::App;
use axum::Extension;
use axum::extract::State as Shared;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use contract::id::FormId;
use std::sync::Arc;
use utoipa::ToSchema;

/// How an approver knows the person.
#[derive(ToSchema)]
#[expect(dead_code, reason = "says what a body has; it is read by `Fields`")]
pub(super) struct Basis {
    /// In words: they stand in the form.
    basis: String,
}

/// Why a form is refused or sent back.
#[derive(ToSchema)]
#[expect(dead_code, reason = "says what a body has; it is read by `Fields`")]
pub(super) struct Because {
    /// In words: the person reads them.
    reason: String,
}

/// What an execution needs.
#[derive(ToSchema)]
#[expect(dead_code, reason = "says what a body has; it is read by `Fields`")]
pub(super) struct Execution {
    /// Of form 1, the new account's user name; else nothing.
    user_name: Option<String>,
}

impl App {
    async fn moved(
        &self,
        member: &Member,
        form: FormId,
        headers: &HeaderMap,
        (deed, fields): (Deed, Fields),
    ) -> Result<Response, Problem> {
        let heading = self.visible(member, form, deed.as_str()).await?;
        let version = seen(headers)?;
        let ready = deed.read(fields, &heading, member.account)?;
        let heading = self.make(member, (form, version), ready).await?;
        Ok(answer(StatusCode::OK, Some(heading.version), &FormHead::from(&heading)))
    }
}

/// Submits a form: one's own, or for another one that only takes away. What it takes away, it takes away at once.
#[utoipa::path(
    post, path = "/forms/{id}/submit", tag = "moves", operation_id = "submit_form",
    params(
        ("id" = String, Path, description = "the form's id"),
        ("If-Match" = String, Header, description = "the ETag of what was seen"),
    ),
    responses((status = 200, description = "It waits for the region's approver", body = FormHead))
)]
pub(super) async fn submit(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    Id(form): Id<FormId>,
    headers: HeaderMap,
    fields: Fields,
) -> Result<Response, Problem> {
    app.moved(&member, form, &headers, (Deed::Submit, fields)).await
}

/// Approves a form for its region.
#[utoipa::path(
    post, path = "/forms/{id}/approve", tag = "moves", operation_id = "approve_form", request_body = Basis,
    params(
        ("id" = String, Path, description = "the form's id"),
        ("If-Match" = String, Header, description = "the ETag of what was seen"),
    ),
    responses((status = 200, description = "It waits for the registry's holder", body = FormHead))
)]
pub(super) async fn approve(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    Id(form): Id<FormId>,
    headers: HeaderMap,
    fields: Fields,
) -> Result<Response, Problem> {
    app.moved(&member, form, &headers, (Deed::Approve, fields)).await
}

/// Refuses a form, for good.
#[utoipa::path(
    post, path = "/forms/{id}/refuse", tag = "moves", operation_id = "refuse_form", request_body = Because,
    params(
        ("id" = String, Path, description = "the form's id"),
        ("If-Match" = String, Header, description = "the ETag of what was seen"),
    ),
    responses((status = 200, description = "It is refused", body = FormHead))
)]
pub(super) async fn refuse(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    Id(form): Id<FormId>,
    headers: HeaderMap,
    fields: Fields,
) -> Result<Response, Problem> {
    app.moved(&member, form, &headers, (Deed::Refuse, fields)).await
}

/// Sends a form back, to be mended and submitted again.
#[utoipa::path(
    post, path = "/forms/{id}/return", tag = "moves", operation_id = "return_form", request_body = Because,
    params(
        ("id" = String, Path, description = "the form's id"),
        ("If-Match" = String, Header, description = "the ETag of what was seen"),
    ),
    responses((status = 200, description = "It is a draft again", body = FormHead))
)]
pub(super) async fn send_back(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    Id(form): Id<FormId>,
    headers: HeaderMap,
    fields: Fields,
) -> Result<Response, Problem> {
    app.moved(&member, form, &headers, (Deed::Return, fields)).await
}

/// Forwards an approved form, as it is.
#[utoipa::path(
    post, path = "/forms/{id}/forward", tag = "moves", operation_id = "forward_form",
    params(
        ("id" = String, Path, description = "the form's id"),
        ("If-Match" = String, Header, description = "the ETag of what was seen"),
    ),
    responses((status = 200, description = "It waits for an account administrator", body = FormHead))
)]
pub(super) async fn forward(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    Id(form): Id<FormId>,
    headers: HeaderMap,
    fields: Fields,
) -> Result<Response, Problem> {
    app.moved(&member, form, &headers, (Deed::Forward, fields)).await
}

/// Executes a forwarded form: what it gives, it gives now.
#[utoipa::path(
    post, path = "/forms/{id}/execute", tag = "moves", operation_id = "execute_form", request_body = Execution,
    params(
        ("id" = String, Path, description = "the form's id"),
        ("If-Match" = String, Header, description = "the ETag of what was seen"),
    ),
    responses((status = 200, description = "It is done; `account` is the one that it was done to", body = FormHead))
)]
pub(super) async fn execute(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    Id(form): Id<FormId>,
    headers: HeaderMap,
    fields: Fields,
) -> Result<Response, Problem> {
    app.moved(&member, form, &headers, (Deed::Execute, fields)).await
}
