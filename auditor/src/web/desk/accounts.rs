//! The accounts that duties reach. What is looked for by a name is sent, and stands in no address; all else is chosen by
//! the address, in which the next page begins after an account's id.

use super::day::Shown;
use super::field::{Choice, Field, Input, Wrong, summary};
use super::leaf::{Cell, Filter, Leaf, Next, Table, kept};
use super::wrong::{trouble, whole};
use super::{paper, words};
use crate::accounts::Account;
use crate::clock;
use crate::store::AccountPage;
use crate::web::App;
use crate::web::admin::accounts::list::{ORDERS, STATES, read};
use crate::web::admin::body::Fields;
use crate::web::admin::problem::{Kind, Problem};
use crate::web::admin::query::Asked;
use crate::web::member::Member;
use crate::web::page::{Frame, Posted, Typed};
use crate::web::pages::see_other;
use axum::Extension;
use axum::extract::{Query, State as Shared};
use axum::http::StatusCode;
use axum::response::Response;
use contract::id::AccountId;
use serde_json::Map;
use std::sync::Arc;

const LIST: &str = "/admin/accounts";
/// What is chosen, by the names in addresses and fields.
const NAMES: [&str; 4] = ["state", "region", "registry", "sort"];
/// And what is sent alone.
const SENT: [&str; 6] = ["text", "after", "state", "region", "registry", "sort"];

/// What is chosen.
#[derive(Debug, Default)]
struct Chosen {
    /// Never in an address.
    text: String,
    /// The account after which the page begins.
    after: String,
    values: [String; 4],
}

impl Chosen {
    fn new(get: impl Fn(&str) -> String) -> Self {
        Self { text: get("text"), after: get("after"), values: NAMES.map(get) }
    }

    fn fields(&self) -> Fields {
        let pairs = NAMES.into_iter().zip(&self.values).chain([("text", &self.text)]);
        let pairs = pairs.filter(|(_, value)| !value.is_empty());
        Fields::typed(pairs.map(|(name, value)| (name.to_owned(), value.as_str().into())).collect::<Map<_, _>>())
    }

    fn get(&self, name: &str) -> &str {
        if name == "text" {
            return &self.text;
        }
        NAMES.iter().zip(&self.values).find(|(known, _)| **known == name).map_or("", |(_, value)| value)
    }

    fn address(&self, after: &str) -> String {
        let mut to = LIST.to_owned();
        for (name, value) in NAMES.iter().zip(&self.values) {
            kept(&mut to, name, value);
        }
        kept(&mut to, "after", after);
        to
    }

    fn next(&self, last: &Account) -> Next {
        let after = last.id.to_string();
        if self.text.is_empty() {
            return Next::Get(self.address(&after));
        }
        let chosen = NAMES.into_iter().zip(&self.values).filter(|(_, value)| !value.is_empty());
        let mut hidden: Vec<_> = chosen.map(|(name, value)| (name, value.clone())).collect();
        hidden.extend([("text", self.text.clone()), ("after", after)]);
        Next::Post(LIST.to_owned(), hidden)
    }
}

/// The list.
pub(super) async fn list(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    frame: Frame,
    asked: Asked,
) -> Response {
    let asked = asked.map(|Query(asked)| asked).unwrap_or_default();
    let find = |name: &str| asked.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    // A name in an address is none that this page has made.
    let chosen = Chosen::new(|name| if name == "text" { String::new() } else { find(name).unwrap_or_default() });
    shown(&app, &member, frame, &chosen, StatusCode::OK, &[]).await
}

/// The list, looked for by name.
pub(super) async fn search(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    frame: Frame,
    posted: Posted,
) -> Response {
    let asked_for = posted.asked_for();
    let (Ok(typed) | Err(typed)) = &asked_for;
    let chosen = Chosen::new(|name| typed.get(name).to_owned());
    if asked_for.is_err() {
        let wrong = vec![whole(&frame, "wrong-stale")];
        let chosen = Chosen { after: String::new(), ..chosen };
        return shown(&app, &member, frame, &chosen, StatusCode::FORBIDDEN, &wrong).await;
    }
    if strange(typed) {
        let wrong = vec![whole(&frame, "problem-unknown")];
        return shown(&app, &member, frame, &Chosen::default(), StatusCode::UNPROCESSABLE_ENTITY, &wrong).await;
    }
    if chosen.text.is_empty() {
        return see_other(&chosen.address(&chosen.after));
    }
    shown(&app, &member, frame, &chosen, StatusCode::OK, &[]).await
}

fn strange(typed: &Typed) -> bool {
    typed.names().any(|name| !SENT.contains(&name) && name != "form")
}

async fn shown(
    app: &App,
    member: &Member,
    frame: Frame,
    chosen: &Chosen,
    status: StatusCode,
    wrong: &[Wrong],
) -> Response {
    match find(app, member, chosen).await {
        Ok((found, more)) => leaf(&frame, chosen, &found, more, wrong).page(status),
        Err(problem) if problem.kind() == Kind::Unavailable => trouble(frame, &problem),
        // An address that somebody has changed by hand, or of long ago.
        Err(_) => match find(app, member, &Chosen::default()).await {
            Ok((found, more)) => {
                let wrong = vec![whole(&frame, "accounts-wrong")];
                leaf(&frame, &Chosen::default(), &found, more, &wrong).page(StatusCode::BAD_REQUEST)
            }
            Err(problem) => trouble(frame, &problem),
        },
    }
}

async fn find(app: &App, member: &Member, chosen: &Chosen) -> Result<(Vec<Account>, bool), Problem> {
    let (mut page, _) = read(chosen.fields())?;
    if !chosen.after.is_empty() {
        let id: AccountId = chosen.after.parse().map_err(|_| Kind::Malformed)?;
        let (last, _, _) = app.visible_account(member, id).await?.ok_or(Kind::NotFound)?;
        page = AccountPage { after: Some((page.order.key(&last), id)), ..page };
    }
    app.account_list(member, page).await
}

fn leaf(frame: &Frame, chosen: &Chosen, found: &[Account], more: bool, wrong: &[Wrong]) -> Leaf {
    let head = ["forms-name", "accounts-user-name", "forms-hsa", "accounts-state", "accounts-since", "accounts-login"];
    let mut table = Table::new(frame, "accounts", ["accounts-found", "accounts-none"], &head);
    table.lines = found.iter().map(|account| line(frame, account)).collect();
    table.next = found.last().filter(|_| more).map(|last| chosen.next(last));
    table.first = (!chosen.after.is_empty() && chosen.text.is_empty()).then(|| chosen.address(""));
    let fields = fields(frame, chosen, wrong);
    let mut leaf = Leaf::new(frame.clone(), frame.say("accounts-heading"));
    leaf.told = summary(wrong, &fields);
    leaf.tables = vec![table];
    leaf.with_list(Filter { to: LIST.to_owned(), post: true, fields })
}

fn line(frame: &Frame, account: &Account) -> Vec<Cell> {
    let (state, since, _) = account.state.at(clock::now()).parts();
    let name = if account.name.is_empty() { account.user_name.as_str() } else { &account.name };
    vec![
        Cell::link(format!("{LIST}/{}", account.id), name.to_owned()),
        Cell::text(account.user_name.as_str().to_owned()),
        Cell::text(account.hsa.as_ref().map(ToString::to_string).unwrap_or_default()),
        Cell::text(frame.say(words::account_state(state))),
        Cell::text(Shown::minute(since).text),
        Cell::time(account.last_login, frame.say("accounts-never")),
    ]
}

fn fields(frame: &Frame, chosen: &Chosen, wrong: &[Wrong]) -> Vec<Field> {
    let any = || Choice::new("", frame.say("forms-list-any"));
    let states = STATES.iter().map(|state| Choice::new(*state, frame.say(words::account_state(state))));
    let sorts = ORDERS.iter().map(|(name, _)| Choice::new(*name, frame.say(words::account_order(name))));
    let mut region = paper::region(frame);
    if let Input::Select(choices) = &mut region.input
        && let Some(none) = choices.first_mut()
    {
        *none = any();
    }
    let select = |name, key, choices| Field::line(frame, name, key).input(Input::Select(choices));
    let text = Field::line(frame, "text", "accounts-text").hinted(frame, "accounts-text-hint");
    let all = [
        text.input(Input::Line("search")),
        select("state", "accounts-state", std::iter::once(any()).chain(states).collect()),
        region,
        Field::line(frame, "registry", "forms-list-registry"),
        select("sort", "accounts-sort", sorts.collect()),
    ];
    let fill = |field: Field| {
        let value = chosen.get(field.name).to_owned();
        field.with(&value, wrong)
    };
    all.into_iter().map(fill).collect()
}
