//! A form's page: what stands in it, its way so far, and what the member can do with it now.

use super::field::{self, Field, Input, Told, Wrong};
use super::leaf::Offer;
use super::said::{self, Names, Row, Stage};
use super::turn::{Turn, turn};
use super::{paper, words, wrong};
use crate::clock;
use crate::forms::{self, State, has_lapsed};
use crate::store::{Filed, Heading};
use crate::web::App;
use crate::web::admin::problem::{Kind, Problem};
use crate::web::admin::work::{Deed, makes_account};
use crate::web::member::Member;
use crate::web::page::{Frame, Typed, page};
use askama::Template;
use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State as Shared};
use axum::http::StatusCode;
use axum::response::Response;
use contract::id::FormId;
use serde::Deserialize;
use std::borrow::Cow;
use std::sync::Arc;

/// What was just done, for the page that follows it.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Done {
    done: Option<String>,
}

impl Done {
    /// That it was done, in words.
    pub(super) fn words(&self, frame: &Frame) -> Option<Cow<'static, str>> {
        let done = self.done.as_deref()?;
        let key = match Deed::parse(done) {
            Some(deed) => words::deed(deed)[2],
            None if done == "saved" => "forms-done-saved",
            None => return None,
        };
        Some(frame.say(key))
    }
}

#[derive(Template)]
#[template(path = "admin/form.html")]
struct FormPage {
    frame: Frame,
    heading: Cow<'static, str>,
    done: Option<Cow<'static, str>>,
    told: Vec<Told>,
    state: Cow<'static, str>,
    next: String,
    /// Nothing leads on.
    ended: bool,
    rows: Vec<Row>,
    stages: Vec<Stage>,
    offers: Vec<Offer>,
    why_not: Option<Cow<'static, str>>,
    edit: Option<String>,
    revealed: bool,
}

/// What somebody has just tried with a form.
#[derive(Debug, Default)]
pub(super) struct Tried {
    pub(super) status: StatusCode,
    pub(super) deed: Option<Deed>,
    pub(super) typed: Typed,
    pub(super) wrong: Vec<Wrong>,
    pub(super) done: Done,
}

/// The page.
pub(super) async fn show(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    frame: Frame,
    Path(id): Path<String>,
    done: Result<Query<Done>, QueryRejection>,
) -> Response {
    let done = done.map(|Query(done)| done).unwrap_or_default();
    again(&app, &member, frame, &id, Tried { done, ..Tried::default() }).await
}

/// The page as it is now, with what somebody has tried on it.
pub(super) async fn again(app: &App, member: &Member, frame: Frame, id: &str, tried: Tried) -> Response {
    match form_page(app, member, frame.clone(), id, &tried).await {
        Ok(shown) => page(tried.status, &shown),
        Err(problem) => wrong::trouble(frame, &problem),
    }
}

async fn form_page(app: &App, member: &Member, frame: Frame, id: &str, tried: &Tried) -> Result<FormPage, Problem> {
    let id: FormId = id.parse().map_err(|_| Kind::NotFound)?;
    let filed = app.read_form(member, id).await?;
    let me = app.visible_account(member, member.account).await?;
    let (me, _, _) = me.ok_or(Kind::NotLoggedIn)?;
    let names = Names::in_form(app, member, &filed).await?;
    let lapsed =
        !filed.heading.state.is_final() && has_lapsed(filed.heading.state_at, clock::now(), app.request_life_us);
    let state = if lapsed { State::Lapsed } else { filed.heading.state };
    let (deeds, why_not) = match turn(member, &me, &filed, lapsed) {
        Turn::Theirs(deeds) => (deeds, None),
        Turn::Not(why) => (&[][..], Some(frame.say(why))),
        Turn::Others => (&[][..], None),
    };
    let offers: Vec<Offer> = deeds.iter().map(|deed| offer(&frame, *deed, &filed, tried)).collect();
    let mine = offers.iter().find(|offer| tried.deed.is_some_and(|deed| offer.name == deed.as_str()));
    let told = field::summary(&tried.wrong, mine.map_or(&[], |offer| offer.fields.as_slice()));
    let owns = member.viewer.owns(&filed.heading);
    let edit = (state == State::Draft && owns).then(|| format!("/admin/forms/{id}/edit"));
    Ok(FormPage {
        heading: frame.say(words::kind(filed.heading.kind)),
        done: tried.done.words(&frame),
        told,
        state: frame.say(words::state(state)),
        next: said::next(&frame, &filed.heading, state),
        ended: state.is_final(),
        rows: said::rows(&frame, &filed, &names),
        stages: said::stages(&frame, member, &filed, &names),
        offers,
        why_not,
        edit,
        revealed: !owns,
        frame,
    })
}

/// A form to make a move by. What was typed into it stands in it again.
fn offer(frame: &Frame, deed: Deed, filed: &Filed, tried: &Tried) -> Offer {
    let [heading, intro, _] = words::deed(deed);
    let closes = deed == Deed::Submit && filed.heading.kind == forms::Kind::Deregistration;
    let mine = tried.deed == Some(deed);
    let wrong = if mine { tried.wrong.as_slice() } else { &[] };
    let fill = |field: Field| {
        let value = if mine { tried.typed.get(field.name).replace("\r\n", "\n") } else { String::new() };
        field.with(&value, wrong).within(deed.as_str())
    };
    Offer {
        name: deed.as_str().to_owned(),
        to: format!("/admin/forms/{}/{}", filed.heading.id, deed.as_str()),
        heading: frame.say(heading),
        intro: frame.say(if closes { "forms-submit-closes" } else { intro }),
        hidden: vec![("version", filed.heading.version.to_string())],
        fields: fields(frame, deed, &filed.heading).into_iter().map(fill).collect(),
        second: matches!(deed, Deed::Return | Deed::Refuse),
        files: false,
    }
}

/// What one fills in for a move.
pub(super) fn fields(frame: &Frame, deed: Deed, heading: &Heading) -> Vec<Field> {
    match deed {
        Deed::Submit => {
            let mark = Input::Mark(frame.say("forms-submit-assured"));
            vec![Field::line(frame, ASSURED, "forms-submit-assurance").input(mark)]
        }
        Deed::Approve => {
            vec![paper::words(frame, "basis", "forms-approve-basis").hinted(frame, "forms-approve-basis-hint")]
        }
        Deed::Return => {
            vec![paper::words(frame, "reason", "forms-return-reason").hinted(frame, "forms-return-reason-hint")]
        }
        Deed::Refuse => {
            vec![paper::words(frame, "reason", "forms-refuse-reason").hinted(frame, "forms-return-reason-hint")]
        }
        Deed::Execute if makes_account(heading) => {
            let name = Field::line(frame, "user_name", "forms-execute-user-name");
            vec![name.hinted(frame, "forms-execute-user-name-hint")]
        }
        Deed::Forward | Deed::Execute => Vec::new(),
    }
}

/// The box by which somebody assures what they submit.
pub(super) const ASSURED: &str = "assured";
