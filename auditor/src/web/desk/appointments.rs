//! Who is appointed to what: one's own, and for who appoints, everybody's.

use super::day::{self, Shown};
use super::field::{Choice, Field, Input, Told, Wrong, summary};
use super::said::Names;
use super::step::{self, Asked as ToSign};
use super::wrong::{beside, said, trouble, whole, wrongs};
use super::{paper, words};
use crate::accounts::UserName;
use crate::clock;
use crate::duties::{Action, Appointment, Given, Why};
use crate::random;
use crate::web::App;
use crate::web::admin::appointments::ENDS;
use crate::web::admin::problem::{Kind, Problem};
use crate::web::admin::query::{Asked, Parameters};
use crate::web::admin::work::appoints;
use crate::web::member::Member;
use crate::web::page::{Frame, Posted, Typed, page, page_of_list};
use crate::web::pages::see_other;
use askama::Template;
use axum::Extension;
use axum::extract::{Path, Query, State as Shared};
use axum::http::StatusCode;
use axum::response::Response;
use contract::Micros;
use contract::id::{AccountId, AppointmentId};
use std::borrow::Cow;
use std::sync::Arc;

const LIST: &str = "/admin/appointments";
const NEW: &str = "/admin/appointments/new";

/// A line of the list.
#[derive(Debug)]
struct Line {
    whose: String,
    /// Where that account's are.
    of: String,
    what: String,
    from: String,
    to: String,
    given: Shown,
    by: String,
    ended: Option<Shown>,
    /// Where it is ended.
    end: Option<String>,
    end_of: String,
}

#[derive(Template)]
#[template(path = "admin/appointments.html")]
struct ListPage {
    frame: Frame,
    heading: String,
    done: Option<Cow<'static, str>>,
    lines: Vec<Line>,
    appoints: bool,
    /// Those that have ended are in it.
    ended: bool,
    switch: String,
    all: bool,
    next: Option<String>,
}

/// What an address chooses.
#[derive(Debug)]
struct Chosen {
    of: Option<AccountId>,
    ended: bool,
    page: (Option<(Micros, AppointmentId)>, u32),
}

impl Chosen {
    fn read(mut asked: Parameters) -> Result<Self, Problem> {
        let of = asked.parsed("account", "an account's id", |text| text.parse().ok());
        let ended = asked.parsed("ended", "true or false", |text| text.parse().ok()).unwrap_or(false);
        let page = (asked.after("given"), asked.limit());
        asked.finish()?;
        Ok(Self { of, ended, page })
    }

    fn address(&self, ended: bool, cursor: Option<&str>) -> String {
        let mut to = format!("{LIST}?ended={ended}");
        if let Some(of) = self.of {
            to.extend(["&account=", &of.to_string()]);
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
) -> Response {
    let mut asked = asked.map(|Query(asked)| asked).unwrap_or_default();
    let done = asked.iter().find(|(name, _)| name == "done").and_then(|(_, done)| match done.as_str() {
        "give" => Some(frame.say("appointments-done-give")),
        "end" => Some(frame.say("appointments-done-end")),
        _ => None,
    });
    asked.retain(|(name, value)| !value.is_empty() && name != "lang" && name != "done");
    match listed(&app, &member, frame.clone(), asked, done).await {
        Ok(shown) => page_of_list(StatusCode::OK, &shown.frame, &shown),
        Err(problem) => trouble(frame, &problem),
    }
}

async fn listed(
    app: &App,
    member: &Member,
    frame: Frame,
    asked: Vec<(String, String)>,
    done: Option<Cow<'static, str>>,
) -> Result<ListPage, Problem> {
    let chosen = Chosen::read(Parameters::new(Ok(Query(asked)))?)?;
    let (found, next) = app.appointment_list(member, chosen.of, chosen.ended, chosen.page).await?;
    let mut people: Vec<AccountId> = found.iter().flat_map(|given| [given.account, given.given_by]).collect();
    people.push(member.account);
    let names = Names::of(app, member, &people).await?;
    let appoints = appoints(member);
    let of = if appoints { chosen.of } else { Some(member.account) };
    let heading = match of {
        None => frame.say("appointments-heading").into_owned(),
        Some(of) if of == member.account => frame.say("appointments-own").into_owned(),
        Some(of) => frame.say_of("appointments-of", "name", names.get(&frame, of)),
    };
    Ok(ListPage {
        heading,
        done,
        lines: found.iter().map(|given| line(&frame, given, &names, appoints)).collect(),
        appoints,
        ended: chosen.ended,
        switch: chosen.address(!chosen.ended, None),
        all: appoints && chosen.of.is_some(),
        next: next.map(|next| chosen.address(chosen.ended, Some(&next))),
        frame: frame.of_list(false),
    })
}

fn line(frame: &Frame, given: &Given, names: &Names, appoints: bool) -> Line {
    let whose = names.get(frame, given.account);
    let what = words::appointment(frame.language, &given.appointment);
    let end_of = [("what", what.as_str().into()), ("name", whose.as_str().into())];
    Line {
        of: format!("{LIST}?account={}", given.account),
        end_of: frame.language.say_with("appointments-end-of", end_of),
        from: day::day(given.valid_from),
        to: given.valid_to.map(day::last_day).unwrap_or_default(),
        given: Shown::minute(given.given),
        by: match given.given_by {
            by if by.is_none() => frame.say("appointments-console").into_owned(),
            by => names.get(frame, by),
        },
        ended: given.ended.map(Shown::minute),
        end: (appoints && given.ended.is_none()).then(|| format!("{LIST}/{}/end", given.id)),
        whose,
        what,
    }
}

#[derive(Template)]
#[template(path = "admin/appointment.html")]
struct OnePage {
    frame: Frame,
    heading: Cow<'static, str>,
    told: Vec<Told>,
    /// What it is about.
    about: Vec<(Cow<'static, str>, String)>,
    intro: Cow<'static, str>,
    to: String,
    fields: Vec<Field>,
    button: Cow<'static, str>,
}

/// A page to appoint somebody on.
pub(super) async fn new(Extension(member): Extension<Member>, frame: Frame) -> Response {
    if !appoints(&member) {
        return trouble(frame, &Problem::lacking(Action::Appoint));
    }
    let today = day::day(clock::now());
    let value = |name: &str| if name == "valid_from" { today.clone() } else { String::new() };
    give_page(frame, StatusCode::OK, &value, &[])
}

fn give_page(frame: Frame, status: StatusCode, value: &dyn Fn(&str) -> String, wrong: &[Wrong]) -> Response {
    let fill = |field: Field| {
        let value = value(field.name);
        field.with(&value, wrong)
    };
    let fields: Vec<Field> = give_fields(&frame).into_iter().map(fill).collect();
    let shown = OnePage {
        heading: frame.say("appointments-give"),
        told: summary(wrong, &fields),
        about: Vec::new(),
        intro: frame.say("appointments-user-hint"),
        to: NEW.to_owned(),
        fields,
        button: frame.say("appointments-give"),
        frame,
    };
    page(status, &shown)
}

fn give_fields(frame: &Frame) -> Vec<Field> {
    let roles = [
        ("", "forms-choose"),
        ("approver", "appointments-role-approver"),
        ("registry_holder", "appointments-role-registry-holder"),
        ("account_admin", "appointments-role-account-admin"),
        ("device_admin", "appointments-role-device-admin"),
        ("log_reviewer", "appointments-role-log-reviewer"),
        ("log_auditor", "appointments-role-log-auditor"),
        ("help_desk", "appointments-role-help-desk"),
    ];
    let roles = roles.into_iter().map(|(name, key)| Choice::new(name, frame.say(key))).collect();
    vec![
        Field::line(frame, "user_name", "appointments-user"),
        Field::line(frame, "role", "appointments-role").input(Input::Select(roles)),
        paper::region(frame).hinted(frame, "appointments-region-hint").optional(),
        Field::line(frame, "registry", "appointments-registry").hinted(frame, "appointments-registry-hint").optional(),
        Field::line(frame, "hsa", "appointments-hsa").hinted(frame, "appointments-hsa-hint").optional(),
        Field::line(frame, "valid_from", "appointments-from").input(Input::Line("date")),
        Field::line(frame, "valid_to", "appointments-to")
            .hinted(frame, "appointments-to-hint")
            .input(Input::Line("date"))
            .optional(),
    ]
}

/// The fields that go along when a second factor is asked for.
const GIVE: [&str; 7] = ["user_name", "role", "region", "registry", "hsa", "valid_from", "valid_to"];

/// An appointment, sent.
pub(super) async fn give(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    frame: Frame,
    posted: Posted,
) -> Response {
    let asked_for = posted.asked_for();
    let (Ok(typed) | Err(typed)) = &asked_for;
    let value = |name: &str| typed.get(name).to_owned();
    if asked_for.is_err() {
        let wrong = [whole(&frame, "wrong-stale")];
        return give_page(frame, StatusCode::FORBIDDEN, &value, &wrong);
    }
    let read = match Read::new(&frame, typed) {
        Ok(read) => read,
        Err(wrong) => return give_page(frame, StatusCode::UNPROCESSABLE_ENTITY, &value, &wrong),
    };
    let sign = |frame: Frame, wrong| {
        let what = words::appointment(frame.language, &read.appointment);
        let deed = format!("{}: {what}\n{}", frame.say("appointments-give"), read.user_name.as_str());
        let asked = ToSign { to: NEW.to_owned(), deed, typed, fields: &GIVE, back: LIST.to_owned() };
        step::ask(frame, asked, wrong)
    };
    match given(&app, &member, typed, &read).await {
        Ok(Ok(())) => see_other("/admin/appointments?done=give"),
        Ok(Err(wrong)) => sign(frame, Some(wrong)),
        Err(problem) => match problem.kind() {
            Kind::StepUpRequired => sign(frame, None),
            Kind::NotLoggedIn | Kind::AccountInactive | Kind::NotAppointed => trouble(frame, &problem),
            kind => {
                let wrong = match kind {
                    Kind::Invalid => wrongs(&frame, &problem, &give_fields(&frame)),
                    _ => in_words(&frame, &problem),
                };
                give_page(frame, kind.parts().1, &value, &wrong)
            }
        },
    }
}

fn in_words(frame: &Frame, problem: &Problem) -> Vec<Wrong> {
    let (heading, text) = said(frame, problem);
    vec![Wrong { field: None, text: format!("{heading}. {text}") }]
}

/// An appointment that was read.
struct Read {
    user_name: UserName,
    appointment: Appointment,
    period: (Micros, Option<Micros>),
}

impl Read {
    /// Reads it, or tells all that is wrong with it.
    fn new(frame: &Frame, typed: &Typed) -> Result<Self, Vec<Wrong>> {
        let mut wrong = Vec::new();
        if typed.names().any(|name| !GIVE.contains(&name) && name != "form" && name != step::CODE) {
            wrong.push(whole(frame, "problem-unknown"));
        }
        let user_name = UserName::parse(typed.get("user_name")).ok();
        if user_name.is_none() {
            wrong.push(beside(frame, "user_name", "problem-user-name"));
        }
        let appointment = appointment(typed);
        match &appointment {
            Ok(_) => {}
            Err((field, Some(key))) => wrong.push(beside(frame, field, key)),
            Err((field, None)) => {
                let text = frame.say_of("problem-missing-choice", "field", frame.say("appointments-role").as_ref());
                wrong.push(Wrong { field: Some((*field).to_owned()), text });
            }
        }
        let mut moment = |name: &str, key, read: fn(&str) -> Option<Micros>| {
            let text = typed.get(name);
            let at = if text.is_empty() { None } else { read(text) };
            if at.is_none() && !text.is_empty() {
                let text = frame.say_of("problem-date", "field", frame.say(key).as_ref());
                wrong.push(Wrong { field: Some(name.to_owned()), text });
            }
            at
        };
        let from = moment("valid_from", "appointments-from", day::begin).unwrap_or_else(clock::now);
        let to = moment("valid_to", "appointments-to", day::end);
        if to.is_some_and(|to| to <= from) {
            wrong.push(beside(frame, "valid_to", "problem-period"));
        }
        match (user_name, appointment) {
            (Some(user_name), Ok(appointment)) if wrong.is_empty() => {
                Ok(Self { user_name, appointment, period: (from, to) })
            }
            _ => Err(wrong),
        }
    }
}

/// A role with its reach; else which field is wrong, and a text's key.
fn appointment(typed: &Typed) -> Result<Appointment, (&'static str, Option<&'static str>)> {
    let role = typed.get("role");
    let reach = match role {
        "approver" => ("region", "problem-reach-region"),
        "registry_holder" => ("registry", "problem-reach-registry"),
        "log_reviewer" | "device_admin" => ("hsa", "problem-reach-hsa"),
        _ => return role.parse().map_err(|_| ("role", None)),
    };
    let (field, key) = reach;
    let value = typed.get(field);
    let text = if role == "device_admin" && value.is_empty() { role.to_owned() } else { format!("{role}:{value}") };
    text.parse().map_err(|_| (field, Some(key)))
}

/// Appoints. What is wrong with the code that was shown is told apart.
async fn given(app: &App, member: &Member, typed: &Typed, read: &Read) -> Result<Result<(), &'static str>, Problem> {
    // Who may not appoint learns nothing by names.
    let known = if appoints(member) { app.store.account_by_name(&read.user_name).await } else { Ok(None) };
    let known = known.map_err(|error| Problem::from_store(&error, Action::Appoint))?;
    let account = known.map_or_else(|| AccountId::new(random::uuid(clock::now())), |account| account.id);
    if let Err(wrong) = app.shown_code(member, typed).await? {
        return Ok(Err(wrong));
    }
    app.appoint(member, account, &read.appointment, read.period).await?;
    Ok(Ok(()))
}

/// A page to end an appointment on.
pub(super) async fn ending(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    Path(id): Path<String>,
    frame: Frame,
) -> Response {
    end_page(&app, &member, &id, frame, (StatusCode::OK, "", &[])).await
}

async fn end_page(
    app: &App,
    member: &Member,
    id: &str,
    frame: Frame,
    (status, why, wrong): (StatusCode, &str, &[Wrong]),
) -> Response {
    let (given, names) = match to_end(app, member, id).await {
        Ok(found) => found,
        Err(problem) => return trouble(frame, &problem),
    };
    let fields = vec![why_field(&frame).with(why, wrong)];
    let about = vec![
        (frame.say("appointments-what"), words::appointment(frame.language, &given.appointment)),
        (frame.say("appointments-whose"), names.get(&frame, given.account)),
        (frame.say("appointments-given"), Shown::minute(given.given).text),
    ];
    let shown = OnePage {
        heading: frame.say("appointments-end-heading"),
        told: summary(wrong, &fields),
        about,
        intro: frame.say("appointments-end-intro"),
        to: format!("{LIST}/{id}/end"),
        fields,
        button: frame.say("appointments-end"),
        frame,
    };
    page(status, &shown)
}

fn why_field(frame: &Frame) -> Field {
    let choices = ENDS.into_iter().map(|why| Choice::new(why.as_str(), frame.say(words::why(why)))).collect();
    Field::line(frame, "why", "appointments-end-why").input(Input::Radio(choices))
}

/// An appointment that has not ended, for who may end it.
async fn to_end(app: &App, member: &Member, id: &str) -> Result<(Given, Names), Problem> {
    if !appoints(member) {
        return Err(Problem::lacking(Action::Appoint));
    }
    let id: AppointmentId = id.parse().map_err(|_| Kind::NotFound)?;
    let given = app.store.appointment(id).await;
    let given = given.map_err(|error| Problem::from_store(&error, Action::Appoint))?;
    let given = given.filter(|given| given.ended.is_none()).ok_or(Kind::NotFound)?;
    let names = Names::of(app, member, &[given.account]).await?;
    Ok((given, names))
}

/// An end, sent.
pub(super) async fn end(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    Path(id): Path<String>,
    frame: Frame,
    posted: Posted,
) -> Response {
    let asked_for = posted.asked_for();
    let (Ok(typed) | Err(typed)) = &asked_for;
    let why = typed.get("why");
    if asked_for.is_err() {
        let wrong = [whole(&frame, "wrong-stale")];
        return end_page(&app, &member, &id, frame, (StatusCode::FORBIDDEN, why, &wrong)).await;
    }
    let Some(because) = Why::parse(why).filter(|why| ENDS.contains(why)) else {
        let text = frame.say_of("problem-missing-choice", "field", frame.say("appointments-end-why").as_ref());
        let wrong = [Wrong { field: Some("why".to_owned()), text }];
        return end_page(&app, &member, &id, frame, (StatusCode::UNPROCESSABLE_ENTITY, why, &wrong)).await;
    };
    let sign = |frame: Frame, wrong| {
        let to = format!("{LIST}/{id}/end");
        let deed = format!("{}: {}", frame.say("appointments-end-heading"), frame.say(words::why(because)));
        let asked = ToSign { back: to.clone(), to, deed, typed, fields: &["why"] };
        step::ask(frame, asked, wrong)
    };
    match ended(&app, &member, &id, typed, because).await {
        Ok(Ok(())) => see_other("/admin/appointments?done=end"),
        Ok(Err(wrong)) => sign(frame, Some(wrong)),
        Err(problem) if problem.kind() == Kind::StepUpRequired => sign(frame, None),
        Err(problem) => trouble(frame, &problem),
    }
}

async fn ended(
    app: &App,
    member: &Member,
    id: &str,
    typed: &Typed,
    why: Why,
) -> Result<Result<(), &'static str>, Problem> {
    let id: AppointmentId = id.parse().map_err(|_| Kind::NotFound)?;
    if let Err(wrong) = app.shown_code(member, typed).await? {
        return Ok(Err(wrong));
    }
    app.end_appointment(member, id, why).await?;
    Ok(Ok(()))
}
