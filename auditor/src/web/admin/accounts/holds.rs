//! Locks, blocks, the yearly review, and sessions of an account.

use super::super::body::Fields;
use super::super::member::Member;
use super::super::problem::{Kind, Problem};
use super::super::{Id, answer, refused};
use super::{AccountView, look};
use crate::clock;
use crate::duties::{Action, Region};
use crate::handout::CalledBack;
use crate::sessions::over;
use crate::store::{StoreError, Which};
use crate::web::App;
use crate::web::attempt::by;
use axum::Extension;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::Response;
use contract::directory::Session;
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

/// At most so many sessions of one account are shown.
const SESSIONS_MAX: u32 = 200;

impl App {
    /// What is done with an account that the member may know of; then the account, as it is.
    async fn done(
        &self,
        member: &Member,
        account: AccountId,
        action: Action,
        done: Result<(), StoreError>,
    ) -> Result<Response, Problem> {
        done.map_err(|error| Problem::from_store(&error, action))?;
        let view = look(self, member, account, Action::SeeAccount).await?.ok_or(Kind::NotFound)?;
        Ok(answer(StatusCode::OK, None, &view))
    }

    /// An account that a member may know of by a duty, or as their own; else that they tried is on record.
    async fn known(&self, member: &Member, account: AccountId, duty: Action, wanted: &str) -> Result<(), Problem> {
        match look(self, member, account, duty).await? {
            Some(_) => Ok(()),
            None => self.hide(member, Some(account), wanted).await,
        }
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
    app.known(&member, account, Action::SeeAccount, "lock").await?;
    fields.finish()?;
    let done = app.office.lock(clock::now(), by(&member.caller), account).await;
    app.done(&member, account, Action::Lock, done).await
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
    mut fields: Fields,
) -> Result<Response, Problem> {
    app.known(&member, account, Action::SeeAccount, "unlock").await?;
    let said = CalledBack::confirmed(fields.needed_flag("called_back"));
    fields.finish()?;
    said.ok_or_else(|| {
        Problem::field("/called_back", "refused", "an account is unlocked after a call to the number on file")
    })?;
    let signature = app.sign(&member, clock::now()).await?;
    let done = app.office.unlock(clock::now(), by(&member.caller), &signature, account).await;
    app.done(&member, account, Action::Unlock, done).await
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
    mut fields: Fields,
) -> Result<Response, Problem> {
    app.known(&member, account, Action::SeeAccount, "block").await?;
    let reason = fields.words("reason");
    fields.finish()?;
    let signature = app.sign(&member, clock::now()).await?;
    let reason = reason.unwrap_or_default();
    let done = app.office.block(clock::now(), by(&member.caller), &signature, account, &reason).await;
    app.done(&member, account, Action::Block, done).await
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
    app.known(&member, account, Action::SeeAccount, "propose lift").await?;
    fields.finish()?;
    let signature = app.sign(&member, clock::now()).await?;
    let done = app.office.propose_lift(clock::now(), by(&member.caller), &signature, account).await;
    app.done(&member, account, Action::LiftBlock, done).await
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
    app.known(&member, account, Action::SeeAccount, "lift").await?;
    fields.finish()?;
    let signature = app.sign(&member, clock::now()).await?;
    let done = app.office.lift(clock::now(), by(&member.caller), &signature, account).await;
    app.done(&member, account, Action::LiftBlock, done).await
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
    mut fields: Fields,
) -> Result<Response, Problem> {
    app.known(&member, account, Action::SeeAccount, "confirm").await?;
    let region = region(&mut fields);
    fields.finish()?;
    let region = region.ok_or(Kind::Invalid)?;
    let signature = app.sign(&member, clock::now()).await?;
    let done = app.office.confirm(clock::now(), by(&member.caller), &signature, account, region).await;
    app.done(&member, account, Action::Reconfirm, done).await
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
    mut fields: Fields,
) -> Result<Response, Problem> {
    app.known(&member, account, Action::SeeAccount, "reactivate").await?;
    let region = region(&mut fields);
    fields.finish()?;
    let region = region.ok_or(Kind::Invalid)?;
    let signature = app.sign(&member, clock::now()).await?;
    let done = app.office.reactivate(clock::now(), by(&member.caller), &signature, account, region).await;
    app.done(&member, account, Action::Reconfirm, done).await
}

fn region(fields: &mut Fields) -> Option<Region> {
    fields.parsed("region", "a region's code (länskod)", Region::parse)
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
    let sessions = open(&app, &member, account, "see sessions").await?;
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

/// Sessions of an account that go on, for who may know of them.
async fn open(app: &App, member: &Member, account: AccountId, wanted: &str) -> Result<Vec<Session>, Problem> {
    app.known(member, account, Action::Lock, wanted).await?;
    let mut sessions = app.store.open_sessions(Some(account), SESSIONS_MAX).await.map_err(|error| refused(&error))?;
    let now = clock::now();
    // What is over has ended, though the sweeper has not come by yet.
    sessions.retain(|session| over(session, now).is_none());
    Ok(sessions)
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
    mut fields: Fields,
) -> Result<Response, Problem> {
    let sessions = open(&app, &member, account, "end sessions").await?;
    let number = fields.optional_parsed("session", "a session's number", |text| text.parse::<u64>().ok());
    fields.finish()?;
    let which = match number {
        Some(number) => {
            let session = sessions.iter().find(|session| session.key.reference() == number);
            Which::One(session.ok_or(Kind::NotFound)?.key)
        }
        None if account == member.account => Which::AllBut(member.session),
        None => Which::All,
    };
    let done = app.office.end_sessions(clock::now(), by(&member.caller), account, which).await;
    app.done(&member, account, Action::Lock, done).await
}
