//! The forms that one may see: chosen by a form of the page, ordered by its columns, page by page. No personal data.

use super::day::Shown;
use super::field::{Choice, Field, Input};
use super::paper;
use super::show::Done;
use super::words;
use crate::forms::{Kind, State};
use crate::store::{Heading, Queue};
use crate::web::App;
use crate::web::admin::forms::List;
use crate::web::admin::problem::{self, Problem};
use crate::web::admin::query::{Asked, Parameters};
use crate::web::member::Member;
use crate::web::page::{Frame, page_of_list};
use askama::Template;
use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State as Shared};
use axum::http::StatusCode;
use axum::response::Response;
use std::borrow::Cow;
use std::sync::Arc;

/// A line of a list.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) to: String,
    pub(super) kind: Cow<'static, str>,
    pub(super) state: Cow<'static, str>,
    pub(super) region: &'static str,
    pub(super) registry: String,
    pub(super) since: Shown,
    pub(super) begun: Shown,
    pub(super) own: bool,
}

/// A column that orders the list.
#[derive(Debug)]
struct Column {
    label: Cow<'static, str>,
    /// Where the order is changed.
    to: String,
    /// How it is ordered now, as `aria-sort` has it.
    sorted: &'static str,
}

#[derive(Template)]
#[template(path = "admin/forms.html")]
struct ListPage {
    frame: Frame,
    heading: Cow<'static, str>,
    done: Option<Cow<'static, str>>,
    wrong: Option<Cow<'static, str>>,
    fields: Vec<Field>,
    sort: &'static str,
    caption: String,
    columns: [Column; 2],
    lines: Vec<Line>,
    next: Option<String>,
    first: Option<String>,
}

/// Filters, by their names in addresses.
const FILTERS: [&str; 5] = ["queue", "state", "kind", "region", "registry"];

/// What an address chooses.
#[derive(Debug, Default)]
struct Chosen(Vec<(String, String)>);

impl Chosen {
    fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// An address with the same filters, in an order, from a place in it on.
    fn address(&self, sort: &str, cursor: Option<&str>) -> String {
        let mut to = format!("/admin/forms?sort={sort}");
        for name in FILTERS {
            let value = self.get(name);
            // What was read has these letters only.
            if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
                to.extend(["&", name, "=", value]);
            }
        }
        if let Some(cursor) = cursor {
            to.extend(["&cursor=", cursor]);
        }
        to
    }
}

/// The list.
pub(super) async fn list(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    frame: Frame,
    asked: Asked,
    done: Result<Query<Done>, QueryRejection>,
) -> Response {
    let asked = asked.map(|Query(asked)| asked).unwrap_or_default();
    // A form sends what was not chosen, too.
    let chosen = asked.into_iter().filter(|(name, value)| !value.is_empty() && name != "lang" && name != "done");
    let chosen = Chosen(chosen.collect());
    let done = done.ok().and_then(|Query(done)| done.words(&frame));
    let found = find(&app, &member, &chosen).await;
    match found {
        Ok((list, forms, next)) => {
            let shown = list_page(frame, &member, &chosen, &list, (&forms, next), done);
            page_of_list(StatusCode::OK, &shown.frame, &shown)
        }
        Err(problem) if problem.kind() == problem::Kind::Unavailable => super::wrong::trouble(frame, &problem),
        // An address that somebody has changed by hand, or of long ago.
        Err(_) => match find(&app, &member, &Chosen::default()).await {
            Ok((list, forms, next)) => {
                let chosen = Chosen::default();
                let mut shown = list_page(frame, &member, &chosen, &list, (&forms, next), done);
                shown.wrong = Some(shown.frame.say("forms-list-wrong"));
                shown.frame = shown.frame.of_list(true);
                page_of_list(StatusCode::BAD_REQUEST, &shown.frame, &shown)
            }
            Err(problem) => super::wrong::trouble(frame, &problem),
        },
    }
}

type Found = (List, Vec<Heading>, Option<String>);

async fn find(app: &App, member: &Member, chosen: &Chosen) -> Result<Found, Problem> {
    let list = List::read(Parameters::new(Ok(Query(chosen.0.clone())))?)?;
    let (forms, next) = app.form_list(member, &list).await?;
    Ok((list, forms, next))
}

fn list_page(
    frame: Frame,
    member: &Member,
    chosen: &Chosen,
    list: &List,
    (forms, next): (&[Heading], Option<String>),
    done: Option<Cow<'static, str>>,
) -> ListPage {
    let column = |key, [rising, falling]: [&'static str; 2]| {
        let sorted = match list.sort {
            sort if sort == rising => "ascending",
            sort if sort == falling => "descending",
            _ => "none",
        };
        let to = chosen.address(if sorted == "ascending" { falling } else { rising }, None);
        Column { label: frame.say(key), to, sorted }
    };
    let order = match list.sort {
        "moved" => "forms-list-order-moved",
        "oldest" => "forms-list-order-oldest",
        "newest" => "forms-list-order-newest",
        _ => "forms-list-order-waited",
    };
    let heading = match list.page.queue {
        Queue::Waiting => "forms-link-waiting",
        Queue::All | Queue::Mine => "forms-list-heading",
    };
    ListPage {
        heading: frame.say(heading),
        done,
        wrong: None,
        fields: fields(&frame, chosen),
        sort: list.sort,
        caption: frame.say_of("forms-list-caption", "order", frame.say(order).as_ref()),
        columns: [column("forms-list-since", ["waited", "moved"]), column("forms-list-begun", ["oldest", "newest"])],
        lines: forms.iter().map(|form| line(&frame, member, form)).collect(),
        next: next.map(|next| chosen.address(list.sort, Some(&next))),
        first: list.page.after.map(|_| chosen.address(list.sort, None)),
        frame: frame.of_list(false),
    }
}

/// A form's line.
pub(super) fn line(frame: &Frame, member: &Member, form: &Heading) -> Line {
    Line {
        to: format!("/admin/forms/{}", form.id),
        kind: frame.say(words::kind(form.kind)),
        state: frame.say(words::state(form.state)),
        region: form.region.name(),
        registry: form.registry.as_str().to_owned(),
        since: Shown::minute(form.state_at),
        begun: Shown::minute(form.created),
        own: member.viewer.owns(form),
    }
}

fn fields(frame: &Frame, chosen: &Chosen) -> Vec<Field> {
    let any = || Choice::new("", frame.say("forms-list-any"));
    let queues = vec![
        Choice::new("", frame.say("forms-list-queue-all")),
        Choice::new("waiting", frame.say("forms-list-queue-waiting")),
        Choice::new("mine", frame.say("forms-list-queue-mine")),
    ];
    let states = State::ALL.iter().map(|state| Choice::new(state.as_str(), frame.say(words::state(*state))));
    let kinds = Kind::ALL.iter().map(|kind| Choice::new(kind.as_str(), frame.say(words::kind(*kind))));
    let mut region = paper::region(frame);
    if let Input::Select(choices) = &mut region.input
        && let Some(none) = choices.first_mut()
    {
        *none = any();
    }
    let select = |name, key, choices| Field::line(frame, name, key).input(Input::Select(choices));
    let all = [
        select("queue", "forms-list-queue", queues),
        select("kind", "forms-list-kind", std::iter::once(any()).chain(kinds).collect()),
        select("state", "forms-list-state", std::iter::once(any()).chain(states).collect()),
        region,
        Field::line(frame, "registry", "forms-list-registry"),
    ];
    let fill = |field: Field| {
        let name = field.name;
        field.with(chosen.get(name), &[])
    };
    all.into_iter().map(fill).collect()
}
