//! An account's page: who it is, how it stands, and what the member can do with it now.

mod offers;

pub(super) use offers::called_back;

use super::field::{Field, summary};
use super::leaf::{Go, Leaf, Offer, row, time};
use super::said::{self, Names};
use super::sent::{Again, At, Move, Undone};
use super::wrong::trouble;
use super::{handouts, sessions, words};
use crate::accounts::Account;
use crate::clock;
use crate::duties::{Action, may_about_account};
use crate::store::{Block, Vouched};
use crate::web::App;
use crate::web::admin::accounts::deeds::{self, Deed};
use crate::web::admin::problem::{Kind, Problem};
use crate::web::member::Member;
use crate::web::page::{Frame, Posted, Trouble};
use crate::web::pages::see_other;
use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State as Shared};
use axum::response::Response;
use contract::directory::{Grant, Session};
use contract::id::AccountId;
use serde::Deserialize;
use std::borrow::Cow;
use std::sync::Arc;

const LIST: &str = "/admin/accounts";

/// What was just done, for the page that follows it.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Done {
    done: Option<String>,
}

/// What a page needs to know of an account.
struct Seen {
    me: Account,
    account: Account,
    grants: Vec<Grant>,
    regions: Vec<Vouched>,
    block: Option<Block>,
    sessions: Option<Vec<Session>>,
}

impl Seen {
    async fn read(app: &App, member: &Member, id: AccountId) -> Result<Self, Problem> {
        app.known_account(member, id, Action::SeeAccount, "see account").await?;
        let (account, grants, regions) = app.visible_account(member, id).await?.ok_or(Kind::NotFound)?;
        let me = app.visible_account(member, member.account).await?;
        let (me, _, _) = me.ok_or(Kind::NotLoggedIn)?;
        let block = app.store.block(id).await.map_err(|error| Problem::from_store(&error, Action::SeeAccount))?;
        let mut seen = Self { me, account, grants, regions, block, sessions: None };
        if seen.is_own() || seen.may(member, Action::Lock) {
            seen.sessions = Some(app.sessions_of(member, id, "see sessions").await?);
        }
        Ok(seen)
    }

    /// Whether it is the member's own.
    fn is_own(&self) -> bool {
        self.account.id == self.me.id || self.account.hsa.is_some() && self.account.hsa == self.me.hsa
    }

    /// Whether a duty of theirs reaches it.
    fn may(&self, member: &Member, action: Action) -> bool {
        let (regions, registries) =
            (self.regions.iter().map(|of| of.region), self.grants.iter().map(|of| &of.registry));
        may_about_account(&member.viewer.appointments, action, regions, registries)
    }

    fn name(&self) -> String {
        let account = &self.account;
        if account.name.is_empty() { account.user_name.as_str().to_owned() } else { account.name.clone() }
    }
}

/// The page.
pub(super) async fn show(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    Path(id): Path<String>,
    frame: Frame,
    done: Result<Query<Done>, QueryRejection>,
) -> Response {
    let done = done.ok().and_then(|Query(done)| done.done).and_then(|done| told(&frame, &done));
    let at = At { app: &app, member: &member, frame: &frame };
    again(at, &id, None, Again::default(), done).await
}

fn told(frame: &Frame, done: &str) -> Option<Cow<'static, str>> {
    match Deed::parse(done) {
        Some(deed) => Some(frame.say(words::account_deed(deed)[2])),
        None if done == "sessions" => Some(frame.say("sessions-done")),
        None => None,
    }
}

/// The page as it is now, with what somebody has tried on it.
async fn again(at: At<'_>, id: &str, tried: Option<&str>, again: Again, done: Option<Cow<'static, str>>) -> Response {
    match leaf(at, id, tried, &again, done).await {
        Ok(leaf) => leaf.page(again.status),
        Err(problem) => trouble(at.frame.clone(), &problem),
    }
}

async fn leaf(
    At { app, member, frame }: At<'_>,
    id: &str,
    tried: Option<&str>,
    again: &Again,
    done: Option<Cow<'static, str>>,
) -> Result<Leaf, Problem> {
    let id: AccountId = id.parse().map_err(|_| Kind::NotFound)?;
    let seen = Seen::read(app, member, id).await?;
    let by = seen.block.iter().flat_map(|block| [Some(block.blocked_by), block.proposed_by]).flatten();
    let names = Names::of(app, member, &by.collect::<Vec<_>>()).await?;
    let (offers, why_not) = offers::offers(app, member, frame, &seen);
    let fill = |offer: Offer| {
        let mine = tried == Some(offer.name.as_str());
        let fill = |field: Field| {
            let value = if mine { again.typed.get(field.name).replace("\r\n", "\n") } else { field.value.clone() };
            field.with(&value, if mine { again.wrong.as_slice() } else { &[] }).within(&offer.name)
        };
        Offer { fields: offer.fields.into_iter().map(fill).collect(), ..offer }
    };
    let offers: Vec<Offer> = offers.into_iter().map(fill).collect();
    let mine = offers.iter().find(|offer| tried == Some(offer.name.as_str()));
    let mut leaf = Leaf::new(frame.clone(), seen.name());
    leaf.told = summary(&again.wrong, mine.map_or(&[], |offer| offer.fields.as_slice()));
    leaf.done = done;
    let (state, since, until) = seen.account.state.at(clock::now()).parts();
    leaf.state = Some(frame.say(words::account_state(state)));
    leaf.rows = rows(frame, &seen, &names);
    leaf.rows.insert(0, row(frame, "accounts-since", time(frame, Some(since), "accounts-never")));
    if until.is_some() {
        leaf.rows.insert(1, row(frame, "accounts-until", time(frame, until, "accounts-never")));
    }
    leaf.links = links(member, frame, &seen);
    if let Some(open) = &seen.sessions {
        let place = format!("{LIST}/{id}/end-sessions");
        let devices = std::collections::HashMap::new();
        leaf.tables.push(sessions::table(frame, member, open, &place, &devices));
    }
    leaf.offers = offers;
    leaf.why_not = why_not;
    Ok(leaf)
}

fn rows(frame: &Frame, seen: &Seen, names: &Names) -> Vec<said::Row> {
    let account = &seen.account;
    let mut rows = vec![row(frame, "accounts-user-name", account.user_name.as_str())];
    if !account.title.is_empty() {
        rows.push(row(frame, "forms-title", &account.title));
    }
    rows.extend(account.hsa.as_ref().map(|hsa| row(frame, "forms-hsa", hsa.as_str())));
    rows.push(row(frame, "accounts-login", time(frame, account.last_login, "accounts-never")));
    rows.push(row(frame, "accounts-created", time(frame, Some(account.created), "accounts-never")));
    if let Some(block) = &seen.block {
        rows.push(row(frame, "accounts-blocked-by", names.get(frame, block.blocked_by)));
        rows.extend(block.proposed_by.map(|by| row(frame, "accounts-lift-by", names.get(frame, by))));
    }
    for of in &seen.regions {
        let text = format!("{}\n{}", of.region.name(), said_when(frame, of));
        rows.push(row(frame, "accounts-vouches", text));
    }
    for grant in &seen.grants {
        let text = format!("{}\n{}", grant.registry.as_str(), said::right(frame, Some(grant)));
        rows.push(row(frame, "forms-right", text));
    }
    if seen.grants.is_empty() {
        rows.push(row(frame, "forms-right", frame.say("forms-right-none")));
    }
    rows
}

fn said_when(frame: &Frame, of: &Vouched) -> String {
    frame.say_of("accounts-confirmed", "at", time(frame, Some(of.confirmed), "accounts-never"))
}

/// Where one goes on: to the forms that change it, and to its credentials.
fn links(member: &Member, frame: &Frame, seen: &Seen) -> Vec<Go> {
    let mut links = vec![Go::to(LIST, frame.say("accounts-back"))];
    let id = seen.account.id;
    let own = seen.account.id == member.account;
    if !seen.account.state.is_final() && (own || seen.may(member, Action::Deregister)) {
        for (paper, key) in [("change", "forms-new-alteration"), ("deregistration", "forms-new-deregistration")] {
            links.push(Go::to(format!("/admin/forms/new/{paper}?account={id}"), frame.say(key)));
        }
    }
    if handouts::hands_out(member) {
        links.push(Go::to(format!("/admin/handouts?account={id}"), frame.say("handouts-of-account")));
    }
    links
}

/// Something done with an account, sent from its page.
pub(super) async fn post(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    Path((id, name)): Path<(String, String)>,
    frame: Frame,
    posted: Posted,
) -> Response {
    let at = At { app: &app, member: &member, frame: &frame };
    let place = format!("{LIST}/{id}");
    let Ok(account) = id.parse::<AccountId>() else { return Trouble::NotFound.page(frame) };
    let duty = if name == "end-sessions" { Action::Lock } else { Action::SeeAccount };
    let seen = match known(at, account, duty, &name).await {
        Ok(seen) => seen,
        Err(problem) => return trouble(frame, &problem),
    };
    let sent = Move {
        to: format!("{place}/{name}"),
        back: place.clone(),
        what: String::new(),
        names: &[],
        flags: &[],
        fields: Vec::new(),
    };
    let done = match name.as_str() {
        "end-sessions" => {
            let sent = Move { names: &["session"], ..sent };
            let end = async |number| app.end_sessions(&member, account, number).await;
            at.run(posted, sent, deeds::session, end).await.map(|()| format!("{place}?done=sessions"))
        }
        "handout" => handouts::issued(at, posted, sent, &seen.account).await,
        _ => {
            let Some(deed) = Deed::parse(&name) else { return Trouble::NotFound.page(frame) };
            let fields = offers::fields(&frame, deed, &seen.regions.iter().map(|of| of.region).collect::<Vec<_>>());
            let what = format!("{}: {}", frame.say(words::account_deed(deed)[0]), seen.name());
            let (names, flags): (&[_], &[_]) = match deed {
                Deed::Unlock => (&["called_back"], &["called_back"]),
                _ => (&["reason", "region"], &[]),
            };
            let sent = Move { what, names, flags, fields, ..sent };
            let make = async |ready| app.keep(&member, account, ready).await;
            let done = at.run(posted, sent, |fields| deed.read(fields), make).await;
            done.map(|()| format!("{place}?done={}", deed.as_str()))
        }
    };
    match done {
        Ok(to) => see_other(&to),
        Err(Undone::Page(page)) => *page,
        Err(Undone::Again(tried)) => again(at, &id, Some(&name), tried, None).await,
    }
}

async fn known(at: At<'_>, account: AccountId, duty: Action, wanted: &str) -> Result<Seen, Problem> {
    at.app.known_account(at.member, account, duty, wanted).await?;
    Seen::read(at.app, at.member, account).await
}
