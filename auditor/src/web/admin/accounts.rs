//! An account, for those who may see it.

use super::member::Member;
use super::problem::{Kind, Problem};
use super::view::{GrantView, time};
use super::{Id, answer, refused};
use crate::accounts::Account;
use crate::clock;
use crate::duties::{About, Action, may};
use crate::store::{StoreError, Vouched};
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
    let Some((account, grants, regions)) = read(&app, wanted).await.map_err(|error| refused(&error))? else {
        return Err(Kind::NotFound.into());
    };
    if wanted != member.account && !reached(&member, &grants, &regions) {
        return app.hide(&member, Some(wanted), "see account").await;
    }
    let view = AccountView {
        id: account.id.to_string(),
        user_name: account.user_name.as_str().to_owned(),
        name: account.name,
        title: account.title,
        hsa: account.hsa.as_ref().map(ToString::to_string),
        state: account.state.at(clock::now()).parts().0,
        grants: grants.iter().map(GrantView::from).collect(),
        regions: regions
            .iter()
            .map(|of| RegionView { region: of.region.as_str(), confirmed: clock::rfc3339(of.confirmed) })
            .collect(),
        last_login: time(account.last_login),
        created: clock::rfc3339(account.created),
    };
    Ok(answer(StatusCode::OK, None, &view))
}

type Whole = (Account, Vec<Grant>, Vec<Vouched>);

async fn read(app: &App, id: AccountId) -> Result<Option<Whole>, StoreError> {
    let Some(account) = app.store.account(id).await? else { return Ok(None) };
    Ok(Some((account, app.store.grants(id).await?, app.store.regions(id).await?)))
}

/// Whether a duty reaches an account: by a region that vouches for it, or a registry that it has a right in.
fn reached(member: &Member, grants: &[Grant], regions: &[Vouched]) -> bool {
    let by_region = regions.iter().map(|of| About { region: Some(of.region), ..About::default() });
    let by_registry = grants.iter().map(|of| About { registry: Some(of.registry.clone()), ..About::default() });
    let mut ways = std::iter::once(About::default()).chain(by_region).chain(by_registry);
    ways.any(|about| may(&member.viewer.appointments, Action::SeeAccount, &about))
}
