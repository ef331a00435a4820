//! What is done with forms: each move is signed, on the version that was seen.

use super::body::Fields;
use super::member::Member;
use super::problem::Problem;
use super::view::FormHead;
use super::{Id, answer, seen};
use crate::accounts::UserName;
use crate::clock;
use crate::duties::Action;
use crate::forms::{Kind, Move, State};
use crate::store::Heading;
use crate::web::App;
use crate::web::attempt::by;
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

/// A request to make a move.
struct Wanted {
    form: FormId,
    heading: Heading,
    version: i64,
}

impl App {
    async fn wanted(&self, member: &Member, form: FormId, headers: &HeaderMap, name: &str) -> Result<Wanted, Problem> {
        let heading = self.visible(member, form, name).await?;
        Ok(Wanted { form, heading, version: seen(headers)? })
    }

    async fn make(
        &self,
        member: &Member,
        wanted: Wanted,
        (made, duty): (Move, Action),
        user_name: Option<&UserName>,
    ) -> Result<Response, Problem> {
        let now = clock::now();
        let signature = self.sign(member, now).await?;
        let seen = (wanted.form, wanted.version);
        let made = self.office.make(now, by(&member.caller), seen, made, Some(signature), user_name).await;
        let heading = made.map_err(|error| Problem::from_store(&error, duty))?;
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
    let wanted = app.wanted(&member, form, &headers, "submit").await?;
    fields.finish()?;
    let own = wanted.heading.account == Some(member.account) || wanted.heading.kind == Kind::Application;
    let made = if own { Move::Submit } else { Move::SubmitForAnother };
    app.make(&member, wanted, (made, Action::Deregister), None).await
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
    mut fields: Fields,
) -> Result<Response, Problem> {
    let wanted = app.wanted(&member, form, &headers, "approve").await?;
    let basis = fields.words("basis");
    fields.finish()?;
    let made = Move::Approve(basis.unwrap_or_default());
    app.make(&member, wanted, (made, Action::DecideForRegion), None).await
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
    mut fields: Fields,
) -> Result<Response, Problem> {
    let wanted = app.wanted(&member, form, &headers, "refuse").await?;
    let reason = fields.words("reason");
    fields.finish()?;
    let made = Move::Refuse(reason.unwrap_or_default());
    app.make(&member, wanted, (made, Action::DecideForRegion), None).await
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
    mut fields: Fields,
) -> Result<Response, Problem> {
    let wanted = app.wanted(&member, form, &headers, "return").await?;
    let reason = fields.words("reason");
    fields.finish()?;
    // Whose it is depends on where the form stands.
    let duty = if wanted.heading.state == State::Approved { Action::Forward } else { Action::DecideForRegion };
    app.make(&member, wanted, (Move::SendBack(reason.unwrap_or_default()), duty), None).await
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
    let wanted = app.wanted(&member, form, &headers, "forward").await?;
    fields.finish()?;
    app.make(&member, wanted, (Move::Forward, Action::Forward), None).await
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
    mut fields: Fields,
) -> Result<Response, Problem> {
    let wanted = app.wanted(&member, form, &headers, "execute").await?;
    let what = "a user name: 3 to 64 letters a-z, digits, '.', '_', '-' or '@'";
    let user_name = fields.optional_parsed("user_name", what, |text| UserName::parse(text).ok());
    let makes_one = wanted.heading.kind == Kind::Application && wanted.heading.account.is_none();
    fields.finish()?;
    if makes_one && user_name.is_none() {
        return Err(Problem::field("/user_name", "missing", "a new account needs a user name"));
    }
    app.make(&member, wanted, (Move::Execute, Action::Execute), user_name.as_ref()).await
}
