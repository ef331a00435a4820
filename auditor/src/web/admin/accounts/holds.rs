//! Locks, blocks, the yearly review, and sessions of an account.

use super::super::body::Fields;
use super::super::member::Member;
use super::super::problem::{Kind, Problem};
use super::super::{Id, answer};
use super::deeds::{self, Deed};
use super::{AccountView, look};
use crate::clock;
use crate::duties::Action;
use crate::web::App;
use axum::Extension;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::Response;
use contract::id::AccountId;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// An unlocking.
#[derive(ToSchema)]
#[expect(dead_code, reason = "says what a body has; it is read by `Fields`")]
pub(in crate::web::admin) struct SentCallBack {
    /// That you have called the number on file and spoken to the person.
    called_back: bool,
}

/// A block.
#[derive(ToSchema)]
#[expect(dead_code, reason = "says what a body has; it is read by `Fields`")]
pub(in crate::web::admin) struct Incident {
    /// What happened, in words. It is kept sealed.
    reason: String,
}

/// A region's word.
#[derive(ToSchema)]
#[expect(dead_code, reason = "says what a body has; it is read by `Fields`")]
pub(in crate::web::admin) struct ForRegion {
    /// The region's code (länskod).
    region: String,
}

/// An end of sessions.
#[derive(ToSchema)]
#[expect(dead_code, reason = "says what a body has; it is read by `Fields`")]
pub(in crate::web::admin) struct EndOf {
    /// One of them, by its number; without it all, but of one's own the one that asks.
    session: Option<String>,
}

/// A session.
#[derive(Serialize, ToSchema)]
pub(in crate::web::admin) struct SessionView {
    /// Its number, as in the audit log.
    session: String,
    /// The device that it is bound to.
    device: String,
    /// How its user logged in.
    method: &'static str,
    /// Since when.
    since: String,
    /// When it was last used, as far as gateways have told.
    last_used: String,
    /// When it ends at the latest.
    ends: String,
    /// Whether it is the one that asks.
    this: bool,
}

/// An account's sessions.
#[derive(Serialize, ToSchema)]
pub(in crate::web::admin) struct SessionList {
    /// The sessions, the last used first.
    sessions: Vec<SessionView>,
}

impl App {
    /// Does something with an account that the member may know of; then the account, as it is.
    async fn done(&self, member: &Member, account: AccountId, deed: Deed, fields: Fields) -> Result<Response, Problem> {
        self.known_account(member, account, Action::SeeAccount, deed.as_str()).await?;
        let ready = deed.read(fields)?;
        self.keep(member, account, ready).await?;
        self.seen(member, account).await
    }

    async fn seen(&self, member: &Member, account: AccountId) -> Result<Response, Problem> {
        let view = look(self, member, account, Action::SeeAccount).await?.ok_or(Kind::NotFound)?;
        Ok(answer(StatusCode::OK, None, &view))
    }
}

/// Locks an account until it is unlocked. Its sessions end. No signature: it only takes away.
#[utoipa::path(
    post, path = "/accounts/{id}/lock", tag = "accounts", operation_id = "lock_account",
    params(("id" = String, Path, description = "the account's id")),
    responses((status = 200, description = "It is locked", body = AccountView))
)]
pub(in crate::web::admin) async fn lock(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    Id(account): Id<AccountId>,
    fields: Fields,
) -> Result<Response, Problem> {
    app.done(&member, account, Deed::Lock, fields).await
}

/// Unlocks an account, after a call-back.
#[utoipa::path(
    post, path = "/accounts/{id}/unlock", tag = "accounts", operation_id = "unlock_account", request_body = SentCallBack,
    params(("id" = String, Path, description = "the account's id")),
    responses((status = 200, description = "It is unlocked", body = AccountView))
)]
pub(in crate::web::admin) async fn unlock(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    Id(account): Id<AccountId>,
    fields: Fields,
) -> Result<Response, Problem> {
    app.done(&member, account, Deed::Unlock, fields).await
}

/// Blocks an account after an incident. Its sessions end; two people lift it.
#[utoipa::path(
    post, path = "/accounts/{id}/block", tag = "accounts", operation_id = "block_account", request_body = Incident,
    params(("id" = String, Path, description = "the account's id")),
    responses((status = 200, description = "It is blocked", body = AccountView))
)]
pub(in crate::web::admin) async fn block(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    Id(account): Id<AccountId>,
    fields: Fields,
) -> Result<Response, Problem> {
    app.done(&member, account, Deed::Block, fields).await
}

/// Proposes that a block is lifted: the first of two.
#[utoipa::path(
    post, path = "/accounts/{id}/propose-lift", tag = "accounts", operation_id = "propose_lift",
    params(("id" = String, Path, description = "the account's id")),
    responses((status = 200, description = "Another may lift it now", body = AccountView))
)]
pub(in crate::web::admin) async fn propose_lift(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    Id(account): Id<AccountId>,
    fields: Fields,
) -> Result<Response, Problem> {
    app.done(&member, account, Deed::ProposeLift, fields).await
}

/// Lifts a block that another has proposed to lift.
#[utoipa::path(
    post, path = "/accounts/{id}/lift", tag = "accounts", operation_id = "lift_block",
    params(("id" = String, Path, description = "the account's id")),
    responses((status = 200, description = "It is lifted", body = AccountView))
)]
pub(in crate::web::admin) async fn lift(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    Id(account): Id<AccountId>,
    fields: Fields,
) -> Result<Response, Problem> {
    app.done(&member, account, Deed::Lift, fields).await
}

/// Confirms for a region that somebody still needs their account.
#[utoipa::path(
    post, path = "/accounts/{id}/confirm", tag = "accounts", operation_id = "confirm_account",
    request_body = ForRegion,
    params(("id" = String, Path, description = "the account's id")),
    responses((status = 200, description = "It is confirmed", body = AccountView))
)]
pub(in crate::web::admin) async fn confirm(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    Id(account): Id<AccountId>,
    fields: Fields,
) -> Result<Response, Problem> {
    app.done(&member, account, Deed::Confirm, fields).await
}

/// Takes a dormant account into use again, which confirms it for the region.
#[utoipa::path(
    post, path = "/accounts/{id}/reactivate", tag = "accounts", operation_id = "reactivate_account",
    request_body = ForRegion,
    params(("id" = String, Path, description = "the account's id")),
    responses((status = 200, description = "It is in use again", body = AccountView))
)]
pub(in crate::web::admin) async fn reactivate(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    Id(account): Id<AccountId>,
    fields: Fields,
) -> Result<Response, Problem> {
    app.done(&member, account, Deed::Reactivate, fields).await
}

/// The sessions of an account: one's own, or for who may end them.
#[utoipa::path(
    get, path = "/accounts/{id}/sessions", tag = "accounts", operation_id = "list_sessions",
    params(("id" = String, Path, description = "the account's id")),
    responses((status = 200, description = "Those that go on", body = SessionList))
)]
pub(in crate::web::admin) async fn sessions(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    Id(account): Id<AccountId>,
) -> Result<Response, Problem> {
    let sessions = app.sessions_of(&member, account, "see sessions").await?;
    let sessions = sessions
        .iter()
        .map(|session| SessionView {
            session: session.key.reference().to_string(),
            device: session.device.to_string(),
            method: session.auth_method.as_str(),
            since: clock::rfc3339(session.created),
            last_used: clock::rfc3339(session.last_used),
            ends: clock::rfc3339(session.expires),
            this: session.key == member.session,
        })
        .collect();
    Ok(answer(StatusCode::OK, None, &SessionList { sessions }))
}

/// Ends sessions: one's own, or those of an account that a duty to lock reaches.
#[utoipa::path(
    post, path = "/accounts/{id}/sessions/end", tag = "accounts", operation_id = "end_sessions", request_body = EndOf,
    params(("id" = String, Path, description = "the account's id")),
    responses((status = 200, description = "They have ended, at every gateway", body = AccountView))
)]
pub(in crate::web::admin) async fn end_sessions(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    Id(account): Id<AccountId>,
    fields: Fields,
) -> Result<Response, Problem> {
    app.known_account(&member, account, Action::Lock, "end sessions").await?;
    let number = deeds::session(fields)?;
    app.end_sessions(&member, account, number).await?;
    app.seen(&member, account).await
}
