//! Credentials handed out: made in two halves, printed, posted, read out, and sent another way.

pub(in crate::web) mod deeds;

use super::body::Fields;
use super::member::Member;
use super::problem::Problem;
use super::query::{Asked, Parameters};
use super::view::{known, time};
use super::{Id, answer};
use crate::clock;
use crate::store::{Half, Handout};
use crate::web::App;
use axum::Extension;
use axum::extract::State as Shared;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use contract::id::{AccountId, HandoutId};
use deeds::{Deed, Handed};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// Credentials to be handed out.
#[derive(ToSchema)]
#[expect(dead_code, reason = "says what a body has; it is read by `Fields`")]
pub(super) struct SentHandout {
    /// For whom: an account's id.
    account: String,
    /// How the enrolment id goes: letter, sms, phone or fax [letter].
    id_by: Option<String>,
    /// How the code goes, another way [sms].
    code_by: Option<String>,
    /// That you have called the number of the person's form and spoken to them: needed for a new second factor.
    called_back: Option<bool>,
}

/// Which half.
#[derive(ToSchema)]
#[expect(dead_code, reason = "says what a body has; it is read by `Fields`")]
pub(super) struct SentHalf {
    /// id or code.
    half: String,
}

/// Which half is read out.
#[derive(ToSchema)]
#[expect(dead_code, reason = "says what a body has; it is read by `Fields`")]
pub(super) struct SentCall {
    /// id or code.
    half: String,
    /// That you have called the number of the person's form and speak to them now.
    called_back: bool,
}

/// Which half goes another way.
#[derive(ToSchema)]
#[expect(dead_code, reason = "says what a body has; it is read by `Fields`")]
pub(super) struct SentWay {
    /// id or code.
    half: String,
    /// letter, sms, phone or fax.
    channel: String,
}

/// Credentials on their way. No half is in it.
#[derive(Serialize, ToSchema)]
pub(super) struct HandoutView {
    /// Their id.
    id: String,
    /// Whose: an account's id.
    account: String,
    /// first, or reset: a new second factor.
    purpose: &'static str,
    /// open, collected, spent (tried too often), replaced or expired.
    state: &'static str,
    /// Since when.
    since: String,
    /// When they were made.
    issued: String,
    /// By whom; null: on the command line.
    issued_by: Option<String>,
    /// Wrong codes so far.
    tries: u32,
    /// The enrolment id's way, and the code's.
    halves: Vec<HalfView>,
}

/// The way of a half.
#[derive(Serialize, ToSchema)]
pub(super) struct HalfView {
    /// id or code.
    half: &'static str,
    /// letter, sms, phone or fax.
    channel: &'static str,
    /// waiting, printed, queued, sent, failed, delivered or gone.
    stage: &'static str,
    /// Since when.
    since: String,
    /// Until when it is good, once it has gone out.
    until: Option<String>,
    /// How often it was tried to send it.
    tries: u32,
    /// When it is tried next.
    next_try: Option<String>,
}

/// A page of credentials on their way.
#[derive(Serialize, ToSchema)]
pub(super) struct HandoutPage {
    /// Them, the oldest first.
    handouts: Vec<HandoutView>,
    /// What to send as `cursor` for the next page; null: there is none.
    next: Option<String>,
}

/// Whom to call.
#[derive(Serialize, ToSchema)]
pub(super) struct NumberView {
    /// The person's name.
    name: String,
    /// The number at work that their form has.
    telephone: String,
}

/// A half to be read out, this once.
#[derive(Serialize, ToSchema)]
pub(super) struct ReadOut {
    /// It, in groups.
    half: String,
}

impl From<&Handout> for HandoutView {
    fn from(handout: &Handout) -> Self {
        Self {
            id: handout.id.to_string(),
            account: handout.account.to_string(),
            purpose: handout.purpose.as_str(),
            state: handout.state.as_str(),
            since: clock::rfc3339(handout.state_at),
            issued: clock::rfc3339(handout.issued),
            issued_by: known(handout.issued_by),
            tries: handout.tries,
            halves: handout.halves.iter().map(HalfView::from).collect(),
        }
    }
}

impl From<&Half> for HalfView {
    fn from(half: &Half) -> Self {
        Self {
            half: half.part.as_str(),
            channel: half.channel.as_str(),
            stage: half.stage.as_str(),
            since: clock::rfc3339(half.stage_at),
            until: time(half.until),
            tries: half.tries,
            next_try: time(half.next_try),
        }
    }
}

/// Credentials on their way: the print queue, the calls to make, the messages that wait or failed.
#[utoipa::path(
    get, path = "/handouts", tag = "handouts", operation_id = "list_handouts",
    params(
        ("state" = Option<String>, Query, description = "open, collected, spent, replaced or expired"),
        ("account" = Option<String>, Query, description = "whose: an account's id"),
        ("channel" = Option<String>, Query, description = "with a half that goes so: letter, sms, phone or fax"),
        ("stage" = Option<String>, Query, description = "with a half that is there, as waiting or failed"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<u32>, Query, description = "1 to 100 [50]"),
    ),
    responses((status = 200, description = "A page", body = HandoutPage))
)]
pub(super) async fn list(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    asked: Asked,
) -> Result<Response, Problem> {
    let sought = deeds::sought(Parameters::new(asked)?)?;
    let (found, next) = app.handout_list(&member, sought).await?;
    let handouts = found.iter().map(HandoutView::from).collect();
    Ok(answer(StatusCode::OK, None, &HandoutPage { handouts, next }))
}

/// Makes credentials for an account, in two halves for two channels. Those before are void.
#[utoipa::path(
    post, path = "/handouts", tag = "handouts", operation_id = "issue_handout", request_body = SentHandout,
    responses((status = 201, description = "They are made, and on their way", body = HandoutView))
)]
pub(super) async fn issue(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    mut fields: Fields,
) -> Result<Response, Problem> {
    let account = fields.parsed("account", "an account's id", |text| text.parse::<AccountId>().ok());
    let issue = deeds::issue(account.unwrap_or(AccountId::NONE), &mut fields);
    fields.finish()?;
    let id = app.issue_handout(&member, &issue).await?;
    app.shown_handout(&member, id, StatusCode::CREATED).await
}

/// Credentials on their way.
#[utoipa::path(
    get, path = "/handouts/{id}", tag = "handouts", operation_id = "read_handout",
    params(("id" = String, Path, description = "their id")),
    responses((status = 200, description = "Where the halves are", body = HandoutView))
)]
pub(super) async fn show(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    Id(id): Id<HandoutId>,
) -> Result<Response, Problem> {
    app.shown_handout(&member, id, StatusCode::OK).await
}

/// A half as a letter, to be printed. That it was is on record.
#[utoipa::path(
    post, path = "/handouts/{id}/letter", tag = "handouts", operation_id = "print_letter", request_body = SentHalf,
    params(("id" = String, Path, description = "the handout's id")),
    responses((status = 200, description = "The letter, A4", content_type = "application/pdf"))
)]
pub(super) async fn letter(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    Id(id): Id<HandoutId>,
    fields: Fields,
) -> Result<Response, Problem> {
    app.handed(&member, id, Deed::Letter, fields).await
}

/// The letter is in the post, or the fax has gone.
#[utoipa::path(
    post, path = "/handouts/{id}/posted", tag = "handouts", operation_id = "mark_posted", request_body = SentHalf,
    params(("id" = String, Path, description = "the handout's id")),
    responses((status = 200, description = "Where the halves are", body = HandoutView))
)]
pub(super) async fn posted(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    Id(id): Id<HandoutId>,
    fields: Fields,
) -> Result<Response, Problem> {
    app.handed(&member, id, Deed::Posted, fields).await
}

/// Whom to call, by the number of their form. That it was shown is on record.
#[utoipa::path(
    post, path = "/handouts/{id}/number", tag = "handouts", operation_id = "show_number", request_body = SentHalf,
    params(("id" = String, Path, description = "the handout's id")),
    responses((status = 200, description = "Name and number", body = NumberView))
)]
pub(super) async fn number(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    Id(id): Id<HandoutId>,
    fields: Fields,
) -> Result<Response, Problem> {
    app.handed(&member, id, Deed::Number, fields).await
}

/// A half to be read out to the person who was called. It is shown this once.
#[utoipa::path(
    post, path = "/handouts/{id}/called", tag = "handouts", operation_id = "read_out", request_body = SentCall,
    params(("id" = String, Path, description = "the handout's id")),
    responses((status = 200, description = "The half", body = ReadOut))
)]
pub(super) async fn called(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    Id(id): Id<HandoutId>,
    fields: Fields,
) -> Result<Response, Problem> {
    app.handed(&member, id, Deed::Called, fields).await
}

/// Makes a half anew, to go another way: the one before is void.
#[utoipa::path(
    post, path = "/handouts/{id}/reroute", tag = "handouts", operation_id = "reroute_half", request_body = SentWay,
    params(("id" = String, Path, description = "the handout's id")),
    responses((status = 200, description = "Where the halves are", body = HandoutView))
)]
pub(super) async fn reroute(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    Id(id): Id<HandoutId>,
    fields: Fields,
) -> Result<Response, Problem> {
    app.handed(&member, id, Deed::Reroute, fields).await
}

impl App {
    async fn handed(&self, member: &Member, id: HandoutId, deed: Deed, fields: Fields) -> Result<Response, Problem> {
        match self.hand(member, id, deed.read(fields)?).await? {
            Handed::Done => self.shown_handout(member, id, StatusCode::OK).await,
            Handed::Letter(pdf) => Ok(pdf_file(pdf)),
            Handed::Number(told) => {
                Ok(answer(StatusCode::OK, None, &NumberView { name: told.name, telephone: told.telephone }))
            }
            Handed::Half(half) => Ok(answer(StatusCode::OK, None, &ReadOut { half: half.to_string() })),
        }
    }

    async fn shown_handout(&self, member: &Member, id: HandoutId, status: StatusCode) -> Result<Response, Problem> {
        Ok(answer(status, None, &HandoutView::from(&self.handout(member, id).await?)))
    }
}

/// A letter, to be kept as a file.
pub(in crate::web) fn pdf_file(pdf: Vec<u8>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/pdf"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"letter.pdf\""),
    ];
    (StatusCode::OK, headers, pdf).into_response()
}
