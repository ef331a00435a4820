//! Accounts, for those who may see them.

pub(in crate::web) mod deeds;
pub(super) mod holds;
pub(in crate::web) mod list;

use super::member::Member;
use super::problem::{Kind, Problem};
use super::view::{GrantView, known, time};
use super::{Id, answer, refused};
use crate::accounts::Account;
use crate::clock;
use crate::duties::{Action, may_about_account};
use crate::store::{Block, StoreError, Vouched};
use crate::web::App;
use axum::Extension;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::Response;
use contract::directory::Grant;
use contract::id::AccountId;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// An account.
#[derive(Serialize, ToSchema)]
pub(super) struct AccountView {
    /// Its id.
    id: String,
    /// What its user logs in by.
    user_name: String,
    /// The user's name.
    name: String,
    /// Title or profession.
    title: String,
    /// The user's HSA-id.
    hsa: Option<String>,
    /// created, handed_out, active, locked, locked_unused, dormant, blocked, deregistered or lapsed.
    state: &'static str,
    /// Since when.
    since: String,
    /// Who has proposed to lift its block, if anybody has; null also: it is not blocked.
    lift_proposed_by: Option<String>,
    /// What it may do.
    grants: Vec<GrantView>,
    /// The regions that vouch for it.
    regions: Vec<RegionView>,
    /// The last login.
    last_login: Option<String>,
    /// When it was made.
    created: String,
}

/// A region that vouches for an account.
#[derive(Serialize, ToSchema)]
pub(super) struct RegionView {
    /// The region's code (länskod).
    region: &'static str,
    /// When it last did.
    confirmed: String,
}

/// An account: one's own, or one that one's duties reach.
#[utoipa::path(
    get, path = "/accounts/{id}", tag = "accounts", operation_id = "read_account",
    params(("id" = String, Path, description = "the account's id")),
    responses((status = 200, description = "The account", body = AccountView))
)]
pub(super) async fn show(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    Id(wanted): Id<AccountId>,
) -> Result<Response, Problem> {
    match look(&app, &member, wanted, Action::SeeAccount).await? {
        Some(view) => Ok(answer(StatusCode::OK, None, &view)),
        None => app.hide(&member, Some(wanted), "see account").await,
    }
}

/// An account, if it is one's own or a duty to this reaches it.
async fn look(app: &App, member: &Member, id: AccountId, action: Action) -> Result<Option<AccountView>, Problem> {
    let whole = read(app, id).await.map_err(|error| refused(&error))?.ok_or(Kind::NotFound)?;
    let seen = id == member.account || reached(member, action, &whole.grants, &whole.regions);
    Ok(seen.then(|| AccountView::from(whole)))
}

/// An account with what is kept beside it.
struct Whole {
    account: Account,
    grants: Vec<Grant>,
    regions: Vec<Vouched>,
    block: Option<Block>,
}

/// An account that a member may see, with its rights and the regions that vouch for it.
pub(in crate::web) type Visible = (Account, Vec<Grant>, Vec<Vouched>);

impl App {
    /// An account, if it is a member's own or one that their duties reach.
    pub(in crate::web) async fn visible_account(
        &self,
        member: &Member,
        id: AccountId,
    ) -> Result<Option<Visible>, Problem> {
        let whole = read(self, id).await.map_err(|error| refused(&error))?;
        let seen =
            |whole: &Whole| id == member.account || reached(member, Action::SeeAccount, &whole.grants, &whole.regions);
        Ok(whole.filter(seen).map(|whole| (whole.account, whole.grants, whole.regions)))
    }
}

async fn read(app: &App, id: AccountId) -> Result<Option<Whole>, StoreError> {
    let Some(account) = app.store.account(id).await? else { return Ok(None) };
    let (grants, regions) = (app.store.grants(id).await?, app.store.regions(id).await?);
    Ok(Some(Whole { account, grants, regions, block: app.store.block(id).await? }))
}

impl From<Whole> for AccountView {
    fn from(whole: Whole) -> Self {
        let Whole { account, grants, regions, block } = whole;
        let (state, since, _) = account.state.at(clock::now()).parts();
        Self {
            id: account.id.to_string(),
            user_name: account.user_name.as_str().to_owned(),
            name: account.name,
            title: account.title,
            hsa: account.hsa.as_ref().map(ToString::to_string),
            state,
            since: clock::rfc3339(since),
            lift_proposed_by: block.and_then(|block| block.proposed_by).and_then(known),
            grants: grants.iter().map(GrantView::from).collect(),
            regions: regions
                .iter()
                .map(|of| RegionView { region: of.region.as_str(), confirmed: clock::rfc3339(of.confirmed) })
                .collect(),
            last_login: time(account.last_login),
            created: clock::rfc3339(account.created),
        }
    }
}

/// Whether a duty of theirs reaches an account.
pub(in crate::web) fn reached(member: &Member, action: Action, grants: &[Grant], regions: &[Vouched]) -> bool {
    let (regions, registries) = (regions.iter().map(|of| of.region), grants.iter().map(|of| &of.registry));
    may_about_account(&member.viewer.appointments, action, regions, registries)
}
