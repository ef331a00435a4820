//! Credentials on their way: the letters to print, the calls to make, the messages that did not arrive.

use super::account::called_back;
use super::field::{Choice, Field, Input};
use super::leaf::{Cell, Chosen, Filter, Go, Leaf, Next, Offer, Table, address, get};
use super::said::Names;
use super::sent::{At, Move, Undone};
use super::words;
use super::wrong::{trouble, whole};
use crate::accounts::Account;
use crate::clock;
use crate::handout::{Channel, Pair, Part, Purpose, Stage, State};
use crate::store::{Half, Handout};
use crate::web::App;
use crate::web::admin::body::Fields;
use crate::web::admin::handouts::deeds;
use crate::web::admin::problem::{Kind, Problem};
use crate::web::admin::query::{Asked, Parameters};
use crate::web::member::Member;
use crate::web::page::{Frame, Posted};
use axum::Extension;
use axum::extract::{Query, State as Shared};
use axum::http::StatusCode;
use axum::response::Response;
use contract::id::AccountId;
use std::sync::Arc;

const LIST: &str = "/admin/handouts";
const NAMES: [&str; 4] = ["state", "account", "channel", "stage"];

/// The queues, by the texts that name them: what waits there for somebody to do.
pub(super) const QUEUES: [(&str, &str); 5] = [
    ("handouts-queue-print", "state=open&channel=letter&stage=waiting"),
    ("handouts-queue-post", "state=open&channel=letter&stage=printed"),
    ("handouts-queue-call", "state=open&channel=phone&stage=waiting"),
    ("handouts-queue-failed", "state=open&channel=sms&stage=failed"),
    ("handouts-queue-retry", "state=open&channel=sms&stage=queued"),
];

/// Whether it is somebody's duty to hand out credentials.
pub(super) fn hands_out(member: &Member) -> bool {
    deeds::hands_out(member).is_ok()
}

/// The list.
pub(super) async fn list(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    frame: Frame,
    asked: Asked,
) -> Response {
    let mut chosen = asked.map(|Query(asked)| asked).unwrap_or_default();
    let bare = chosen.iter().all(|(name, _)| name == "lang");
    chosen.retain(|(name, value)| !value.is_empty() && name != "lang");
    if bare {
        chosen = opened();
    }
    match leaf(&app, &member, &frame, &chosen).await {
        Ok(leaf) => leaf.page(StatusCode::OK),
        Err(problem) if matches!(problem.kind(), Kind::Invalid | Kind::Malformed) => {
            match leaf(&app, &member, &frame, &opened()).await {
                Ok(mut leaf) => {
                    leaf.told = super::field::summary(&[whole(&frame, "handouts-wrong")], &[]);
                    leaf.page(StatusCode::BAD_REQUEST)
                }
                Err(problem) => trouble(frame, &problem),
            }
        }
        Err(problem) => trouble(frame, &problem),
    }
}

/// What is shown if nothing is chosen: what is under way.
fn opened() -> Vec<(String, String)> {
    vec![("state".to_owned(), State::Open.as_str().to_owned())]
}

async fn leaf(app: &App, member: &Member, frame: &Frame, chosen: &Chosen) -> Result<Leaf, Problem> {
    deeds::hands_out(member)?;
    let mut asked = chosen.to_vec();
    asked.retain(|(name, value)| !(name == "state" && value == "all"));
    let (found, next) = app.handout_list(member, deeds::sought(Parameters::new(Ok(Query(asked)))?)?).await?;
    let people: Vec<AccountId> = found.iter().map(|handout| handout.account).collect();
    let names = Names::of(app, member, &people).await?;
    let head =
        ["handouts-whose", "handouts-purpose", "handouts-state", "handouts-id", "handouts-code", "handouts-issued"];
    let mut table = Table::new(frame, "handouts", ["handouts-found", "handouts-none"], &head);
    table.lines = found.iter().map(|handout| line(frame, handout, &names)).collect();
    table.next = next.map(|next| Next::Get(address(LIST, &NAMES, chosen, &next)));
    table.first = (!get(chosen, "cursor").is_empty()).then(|| address(LIST, &NAMES, chosen, ""));
    let mut leaf = Leaf::new(frame.clone(), frame.say("handouts-heading"));
    let here = address(LIST, &NAMES, chosen, "");
    leaf.intro = vec![frame.say("handouts-intro")];
    leaf.links = QUEUES.into_iter().map(|(key, query)| queue(frame, &here, key, query)).collect();
    leaf.links.insert(0, queue(frame, &here, "handouts-queue-open", "state=open"));
    leaf.tables = vec![table];
    Ok(leaf.with_list(Filter { to: LIST.to_owned(), post: false, fields: filter(frame, chosen) }))
}

fn queue(frame: &Frame, here: &str, key: &'static str, query: &str) -> Go {
    let to = format!("{LIST}?{query}");
    Go { here: to == here, text: frame.say(key), to }
}

fn line(frame: &Frame, handout: &Handout, names: &Names) -> Vec<Cell> {
    let way = |half: &Half| Cell::text(self::way(frame, half));
    vec![
        Cell::link(format!("{LIST}/{}", handout.id), names.get(frame, handout.account)),
        Cell::text(frame.say(words::purpose(handout.purpose))),
        Cell::text(frame.say(words::handout_state(handout.state))),
        way(handout.half(Part::Id)),
        way(handout.half(Part::Code)),
        Cell::time(Some(handout.issued), frame.say("accounts-never")),
    ]
}

/// How a half goes, and where it is.
pub(super) fn way(frame: &Frame, half: &Half) -> String {
    format!("{}: {}", frame.say(words::channel(half.channel)), frame.say(words::stage(half.channel, half.stage)))
}

fn filter(frame: &Frame, chosen: &Chosen) -> Vec<Field> {
    let any = |value: &'static str| Choice::new(value, frame.say("forms-list-any"));
    let states = State::ALL.iter().map(|state| Choice::new(state.as_str(), frame.say(words::handout_state(*state))));
    let channels = Channel::ALL.iter().map(|of| Choice::new(of.as_str(), frame.say(words::channel(*of))));
    let places = Stage::ALL.iter().map(|of| Choice::new(of.as_str(), frame.say(words::any_stage(*of))));
    let select = |name, key, choices| Field::line(frame, name, key).input(Input::Select(choices));
    let all = [
        select("state", "handouts-state", std::iter::once(any("all")).chain(states).collect()),
        select("channel", "handouts-channel", std::iter::once(any("")).chain(channels).collect()),
        select("stage", "handouts-stage", std::iter::once(any("")).chain(places).collect()),
    ];
    let fill = |field: Field| {
        let name = field.name;
        field.with(get(chosen, name), &[])
    };
    all.into_iter().map(fill).collect()
}

/// What is filled in to make credentials.
const ISSUE: [&str; 3] = ["id_by", "code_by", "called_back"];

fn issue_fields(app: &App, frame: &Frame, purpose: Purpose) -> Vec<Field> {
    let rule = app.counter.rule();
    let choices = || -> Vec<Choice> {
        let usable =
            Channel::ALL.iter().filter(|of| (rule.sms || **of != Channel::Sms) && (rule.fax || **of != Channel::Fax));
        usable.map(|of| Choice::new(of.as_str(), frame.say(words::channel(*of)))).collect()
    };
    let code_by = if rule.sms { "sms" } else { "phone" };
    let mut fields = vec![
        Field::line(frame, "id_by", "handouts-id-by").input(Input::Radio(choices())).with("letter", &[]),
        Field::line(frame, "code_by", "handouts-code-by").input(Input::Radio(choices())).with(code_by, &[]),
    ];
    fields.extend((purpose == Purpose::Reset).then(|| called_back(frame)));
    fields
}

/// A form by which an account's credentials are made.
pub(super) fn to_issue(app: &App, frame: &Frame, account: AccountId, purpose: Purpose) -> Offer {
    let (heading, intro) = match purpose {
        Purpose::First => ("handouts-issue", "handouts-issue-intro"),
        Purpose::Reset => ("handouts-reset", "handouts-reset-intro"),
    };
    Offer {
        name: "handout".to_owned(),
        to: format!("/admin/accounts/{account}/handout"),
        heading: frame.say(heading),
        intro: frame.say(intro),
        hidden: Vec::new(),
        fields: issue_fields(app, frame, purpose),
        second: purpose == Purpose::Reset,
        files: false,
    }
}

/// Credentials that are to be made, sent from an account's page. Where they are then.
pub(super) async fn issued(at: At<'_>, posted: Posted, sent: Move<'_>, account: &Account) -> Result<String, Undone> {
    let purpose = Purpose::of(account.state.at(clock::now()));
    let reset = purpose == Ok(Purpose::Reset);
    let heading = if reset { "handouts-reset" } else { "handouts-issue" };
    let sent = Move {
        what: format!("{}: {}", at.frame.say(heading), account.name),
        names: if reset { &ISSUE } else { &["id_by", "code_by"] },
        flags: if reset { &["called_back"] } else { &[] },
        fields: issue_fields(at.app, at.frame, if reset { Purpose::Reset } else { Purpose::First }),
        ..sent
    };
    let read = |mut fields: Fields| {
        let issue = deeds::issue(account.id, &mut fields);
        fields.finish()?;
        if reset && issue.called_back.is_none() {
            return Err(Problem::field("/called_back", "missing", "the person was not called back"));
        }
        Ok(issue)
    };
    let make = async |issue| at.app.issue_handout(at.member, &issue).await;
    let id = at.run(posted, sent, read, make).await?;
    Ok(format!("{LIST}/{id}?done=issue"))
}

/// The channels by which a half can go instead, beside the other's.
pub(super) fn ways(app: &App, handout: &Handout, part: Part) -> Vec<Channel> {
    let other = handout.half(part.other()).channel;
    let fits = |of: &Channel| match part {
        Part::Id => Pair::new(*of, other, app.counter.rule()).is_ok(),
        Part::Code => Pair::new(other, *of, app.counter.rule()).is_ok(),
    };
    Channel::ALL.iter().copied().filter(fits).collect()
}
