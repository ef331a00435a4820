//! Accounts that duties reach, page by page.

use super::super::body::Fields;
use super::super::member::Member;
use super::super::problem::Problem;
use super::super::view::{known, time};
use super::super::{answer, refused};
use crate::accounts::Account;
use crate::clock;
use crate::duties::Region;
use crate::store::{AccountKey, AccountOrder, AccountPage};
use crate::web::App;
use axum::Extension;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contract::Micros;
use contract::id::{AccountId, RegistryName};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// What is looked for. It is sent in a body: names do not belong into addresses.
#[derive(ToSchema)]
#[expect(dead_code, reason = "says what a body has; it is read by `Fields`")]
pub(in crate::web::admin) struct Wanted {
    /// In the name or user name, or the whole HSA-id.
    text: Option<String>,
    /// created, handed_out, active, locked, locked_unused, dormant, blocked, deregistered or lapsed.
    state: Option<String>,
    /// That this region (länskod) vouches for.
    region: Option<String>,
    /// With a right in this registry.
    registry: Option<String>,
    /// name, newest, unused (since the last login) or rested (in their state) [name]
    sort: Option<String>,
    /// `next` of the page before, in the same order.
    cursor: Option<String>,
    /// 1 to 100, as a text [50].
    limit: Option<String>,
}

/// A line of the list.
#[derive(Serialize, ToSchema)]
pub(in crate::web::admin) struct AccountHead {
    /// Its id.
    id: String,
    /// What its user logs in by.
    user_name: String,
    /// The user's name.
    name: String,
    /// The user's HSA-id.
    hsa: Option<String>,
    /// Its state.
    state: &'static str,
    /// Since when.
    since: String,
    /// The last login.
    last_login: Option<String>,
}

/// A page of accounts.
#[derive(Serialize, ToSchema)]
pub(in crate::web::admin) struct AccountList {
    /// The accounts.
    accounts: Vec<AccountHead>,
    /// What to send as `cursor` for the next page; null: there is none.
    next: Option<String>,
}

impl From<&Account> for AccountHead {
    fn from(account: &Account) -> Self {
        let state = account.state.at(clock::now());
        Self {
            id: known(account.id).unwrap_or_default(),
            user_name: account.user_name.as_str().to_owned(),
            name: account.name.clone(),
            hsa: account.hsa.as_ref().map(ToString::to_string),
            state: state.parts().0,
            since: clock::rfc3339(state.parts().1),
            last_login: time(account.last_login),
        }
    }
}

/// Orders, by their names.
pub(in crate::web) const ORDERS: [(&str, AccountOrder); 4] = [
    ("name", AccountOrder::Name),
    ("newest", AccountOrder::Newest),
    ("unused", AccountOrder::Unused),
    ("rested", AccountOrder::Rested),
];

/// Names of states, as a table has them.
pub(in crate::web) const STATES: [&str; 9] =
    ["created", "handed_out", "active", "locked", "locked_unused", "dormant", "blocked", "deregistered", "lapsed"];

const LIMIT: u32 = 50;
const LIMIT_MAX: u32 = 100;
/// A name is never longer.
const TEXT_MAX: usize = 200;

/// Where a page ended.
#[derive(Serialize, Deserialize)]
struct Cursor {
    order: String,
    text: Option<String>,
    time: Option<Micros>,
    id: AccountId,
}

fn cursor(order: &str, key: AccountKey, id: AccountId) -> Option<String> {
    let (text, time) = match key {
        AccountKey::Text(text) => (Some(text), None),
        AccountKey::Time(time) => (None, Some(time)),
    };
    let cursor = serde_json::to_vec(&Cursor { order: order.to_owned(), text, time, id }).ok()?;
    Some(URL_SAFE_NO_PAD.encode(cursor))
}

fn after(text: &str, order: &str) -> Option<(AccountKey, AccountId)> {
    let cursor: Cursor = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    let key = match (cursor.text, cursor.time, order == "name") {
        (Some(text), None, true) => AccountKey::Text(text),
        (None, Some(time), false) => AccountKey::Time(time),
        _ => return None,
    };
    (cursor.order == order).then_some((key, cursor.id))
}

/// The accounts that one's duties reach, with one's own.
#[utoipa::path(
    post, path = "/accounts/search", tag = "accounts", operation_id = "search_accounts", request_body = Wanted,
    responses((status = 200, description = "A page", body = AccountList))
)]
pub(in crate::web::admin) async fn search(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    fields: Fields,
) -> Result<Response, Problem> {
    let (page, order) = read(fields)?;
    let (found, more) = app.account_list(&member, page.clone()).await?;
    let next = found.last().filter(|_| more).and_then(|last| cursor(order, page.order.key(last), last.id));
    Ok(answer(StatusCode::OK, None, &AccountList { accounts: found.iter().map(AccountHead::from).collect(), next }))
}

/// What is looked for, and the name of its order.
pub(in crate::web) fn read(mut fields: Fields) -> Result<(AccountPage, &'static str), Problem> {
    let text = fields.optional_parsed("text", "at most 200 characters", |text| {
        (text.chars().count() <= TEXT_MAX).then(|| text.trim().to_owned())
    });
    let state = fields.optional_parsed("state", "a state that an account can have", |text| {
        STATES.into_iter().find(|state| *state == text)
    });
    let region = fields.optional_parsed("region", "a region's code (länskod)", Region::parse);
    let registry = fields.optional_parsed("registry", "a registry's name", |text| RegistryName::parse(text).ok());
    let order = fields.optional_parsed("sort", "name, newest, unused or rested", |text| {
        ORDERS.into_iter().find(|(name, _)| *name == text)
    });
    let (name, order) = order.unwrap_or(("name", AccountOrder::Name));
    let after = fields.optional_parsed("cursor", "that of a page before, in the same order", |text| after(text, name));
    let limit = fields
        .optional_parsed("limit", "1 to 100", |text| text.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit)));
    let limit = limit.unwrap_or(LIMIT);
    fields.finish()?;
    let text = text.unwrap_or_default();
    Ok((AccountPage { text, state, region, registry, order, after, limit }, name))
}

impl App {
    /// A page of the accounts that a member's duties reach, with their own, and whether there are more.
    pub(in crate::web) async fn account_list(
        &self,
        member: &Member,
        page: AccountPage,
    ) -> Result<(Vec<Account>, bool), Problem> {
        let limit = page.limit;
        let page = AccountPage { limit: limit.saturating_add(1), ..page };
        let mut found = self.store.account_page(&member.viewer, &page).await.map_err(|error| refused(&error))?;
        let more = found.len() > limit as usize;
        found.truncate(limit as usize);
        Ok((found, more))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_of_one_order() {
        let id = AccountId::new(uuid::Uuid::from_u128(7));
        let (named, timed) = (AccountKey::Text("Åsa".to_owned()), AccountKey::Time(-3));
        let by_name = cursor("name", named.clone(), id).expect("made");
        let by_time = cursor("newest", timed.clone(), id).expect("made");
        assert_eq!(after(&by_name, "name"), Some((named, id)));
        assert_eq!(after(&by_time, "newest"), Some((timed, id)));
        for (text, order) in [(&by_name, "newest"), (&by_time, "name"), (&by_time, "unused"), (&"x".to_owned(), "name")]
        {
            assert_eq!(after(text, order), None, "{order}");
        }
    }
}
