//! Emergency access (nödöppning): who was refused a patient shows the gateway's ticket, says why, and may read that patient
//! for some minutes. The way in is the gateway's page; the way back is kept in a cookie, for it may name the patient.

use super::field::{Choice, Field, Input, Told, Wrong, summary};
use super::known_member;
use super::words;
use super::wrong::{beside, whole};
use crate::clock::{self, SECOND};
use crate::emergencies::{Words, WordsError};
use crate::store::{NewOpening, StoreError};
use crate::web::App;
use crate::web::attempt::by;
use crate::web::member::Member;
use crate::web::page::{Frame, Posted, Trouble, Typed, page};
use crate::web::pages::{cookie, from_elsewhere, record_forged, see_other};
use askama::Template;
use axum::extract::rejection::FormRejection;
use axum::extract::{DefaultBodyLimit, Form, State as Shared};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Router, middleware};
use contract::Micros;
use contract::emergency::{PATH, TICKET_FIELD, Ticket, Why};
use contract::record::{AuthEventKind, Reason};
use contract::way_back::{RETURN_COOKIE, WayBack};
use serde::Deserialize;
use std::borrow::Cow;
use std::sync::Arc;

const OPEN: &str = "/auth/emergency/open";
const DONE: &str = "/auth/emergency/done";
const BODY_BYTES_MAX: usize = 16 << 10;
/// Whatever else is sent was put there by somebody else.
const FIELDS: [&str; 4] = ["form", TICKET_FIELD, "why", "words"];

/// The pages' routes.
pub(in crate::web) fn router(app: &Arc<App>) -> Router<Arc<App>> {
    Router::new()
        .route(PATH, get(nothing).post(show))
        .route(OPEN, post(open))
        .route(DONE, get(done))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(Arc::clone(app), known_member))
}

#[derive(Template)]
#[template(path = "admin/emergency.html")]
struct EmergencyPage<'a> {
    frame: Frame,
    heading: Cow<'static, str>,
    told: Vec<Told>,
    minutes: String,
    registry: &'a str,
    ticket: &'a str,
    fields: Vec<Field>,
}

#[derive(Template)]
#[template(path = "admin/emergency_done.html")]
struct DonePage {
    frame: Frame,
    heading: Cow<'static, str>,
    text: String,
    /// Where the patient is.
    back: Option<String>,
}

#[derive(Template)]
#[template(path = "admin/trouble.html")]
struct TextPage {
    frame: Frame,
    heading: Cow<'static, str>,
    text: Cow<'static, str>,
}

/// Nobody comes here by a link: there is no ticket.
async fn nothing(frame: Frame) -> Response {
    told(frame, StatusCode::OK, "emergency-nothing")
}

fn told(frame: Frame, status: StatusCode, text: &'static str) -> Response {
    let (heading, text) = (frame.say("emergency-heading"), frame.say(text));
    page(status, &TextPage { frame, heading, text })
}

/// What the gateway's page sends.
#[derive(Deserialize)]
struct Sent {
    ticket: String,
}

/// Asks why. Nothing is done yet, so that it does not matter who made the browser come here.
async fn show(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    frame: Frame,
    headers: HeaderMap,
    sent: Result<Form<Sent>, FormRejection>,
) -> Response {
    if from_elsewhere(&headers) {
        record_forged(&app, &member.caller).await;
        return told(frame, StatusCode::FORBIDDEN, "emergency-nothing");
    }
    let Ok(Form(Sent { ticket })) = sent else { return Trouble::Unreadable.page(frame) };
    match app.ticket(&member, &ticket) {
        Ok(read) => ask(&app, frame, StatusCode::OK, (&read, &ticket), &Typed::default(), &[]),
        Err(reason) => app.refuse_emergency(&member, frame, reason).await,
    }
}

fn ask(
    app: &App,
    frame: Frame,
    status: StatusCode,
    (read, ticket): (&Ticket, &str),
    typed: &Typed,
    wrong: &[Wrong],
) -> Response {
    let whys = Why::ALL.iter().map(|why| Choice::new(why.as_str(), frame.say(words::emergency(*why)))).collect();
    let fields = [
        Field::line(&frame, "why", "emergency-why").input(Input::Radio(whys)),
        Field::line(&frame, "words", "emergency-words").hinted(&frame, "emergency-words-hint").input(Input::Lines(4)),
    ];
    let fill = |field: Field| {
        let name = field.name;
        field.with(typed.get(name), wrong)
    };
    let fields: Vec<Field> = fields.into_iter().map(fill).collect();
    let shown = EmergencyPage {
        heading: frame.say("emergency-heading"),
        told: summary(wrong, &fields),
        minutes: frame.say_of("emergency-minutes", "minutes", app.limits.emergency_s / 60),
        registry: read.registry.as_str(),
        ticket,
        fields,
        frame,
    };
    page(status, &shown)
}

/// Opens.
async fn open(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    frame: Frame,
    posted: Posted,
) -> Response {
    let asked_for = posted.asked_for();
    let (Ok(typed) | Err(typed)) = &asked_for;
    let ticket = typed.get(TICKET_FIELD);
    let read = match app.ticket(&member, ticket) {
        Ok(read) => read,
        Err(reason) => return app.refuse_emergency(&member, frame, reason).await,
    };
    if asked_for.is_err() {
        let wrong = [whole(&frame, "wrong-stale")];
        return ask(&app, frame, StatusCode::FORBIDDEN, (&read, ticket), typed, &wrong);
    }
    let said = match said(&frame, typed) {
        Ok(said) => said,
        Err(wrong) => return ask(&app, frame, StatusCode::UNPROCESSABLE_ENTITY, (&read, ticket), typed, &wrong),
    };
    match app.open_emergency(&member, &read, &said).await {
        Ok(()) => see_other(DONE),
        Err(StoreError::Taken(_)) => app.refuse_emergency(&member, frame, Reason::CodeReplayed).await,
        Err(StoreError::TooMany(_)) => app.refuse_emergency(&member, frame, Reason::RateLimited).await,
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "a patient could not be opened in an emergency");
            Trouble::Unavailable.page(frame)
        }
    }
}

/// Why, or all that is wrong with it.
fn said(frame: &Frame, typed: &Typed) -> Result<(Why, Words), Vec<Wrong>> {
    let mut wrong = Vec::new();
    if typed.names().any(|name| !FIELDS.contains(&name)) {
        wrong.push(whole(frame, "problem-unknown"));
    }
    let why = Why::parse(typed.get("why"));
    if why.is_none() {
        wrong.push(beside(frame, "why", "emergency-why-missing"));
    }
    let words = Words::parse(typed.get("words"));
    match words {
        Ok(_) => {}
        Err(WordsError::Length) => wrong.push(beside(frame, "words", "emergency-words-length")),
        Err(WordsError::Identity) => wrong.push(beside(frame, "words", "emergency-words-identity")),
    }
    match (why, words) {
        (Some(why), Ok(words)) if wrong.is_empty() => Ok((why, words)),
        _ => Err(wrong),
    }
}

/// It is open, and where to go on: not led there, for gateways hear of it a moment later.
async fn done(Shared(app): Shared<Arc<App>>, frame: Frame, headers: HeaderMap) -> Response {
    let back = cookie(&headers, RETURN_COOKIE).and_then(WayBack::from_cookie);
    let shown = DonePage {
        heading: frame.say("emergency-done-heading"),
        text: frame.say_of("emergency-done", "minutes", app.limits.emergency_s / 60),
        back: back.map(|back| back.as_str().to_owned()),
        frame,
    };
    page(StatusCode::OK, &shown)
}

impl App {
    /// A ticket of this session's; else why it is none.
    fn ticket(&self, member: &Member, text: &str) -> Result<Ticket, Reason> {
        let ticket = self.verifier.ticket(text).map_err(|error| {
            tracing::debug!(error = &error as &dyn std::error::Error, "a ticket does not hold");
            if error.is_expired() { Reason::Expired } else { Reason::Forged }
        })?;
        let own = ticket.account == member.account && ticket.session == member.session.reference();
        if own { Ok(ticket) } else { Err(Reason::SessionElsewhere) }
    }

    async fn open_emergency(
        &self,
        member: &Member,
        ticket: &Ticket,
        (why, words): &(Why, Words),
    ) -> Result<(), StoreError> {
        let now = clock::now();
        let new = NewOpening {
            ticket,
            session: member.session,
            unit: member.caller.assertion.care_unit.as_ref(),
            why: *why,
            words,
            until: now.saturating_add(Micros::from(self.limits.emergency_s) * SECOND),
        };
        self.office.open_emergency(now, by(&member.caller), &new).await?;
        self.metrics.emergency(*why);
        Ok(())
    }

    /// Says why nothing is opened, once that is on record.
    async fn refuse_emergency(&self, member: &Member, frame: Frame, reason: Reason) -> Response {
        let recorded = async {
            let mut change = self.store.change(clock::now(), by(&member.caller)).await?;
            let mut event = change.event(AuthEventKind::EmergencyRefused, member.account);
            event.reason = reason;
            event.session = member.session.reference();
            change.record(event).await?;
            change.commit().await
        };
        if let Err(error) = recorded.await {
            tracing::error!(error = &error as &dyn std::error::Error, "a refused opening cannot be recorded");
            return Trouble::Unavailable.page(frame);
        }
        let (status, text) = match reason {
            Reason::Expired => (StatusCode::FORBIDDEN, "emergency-expired"),
            Reason::CodeReplayed => (StatusCode::FORBIDDEN, "emergency-replayed"),
            Reason::RateLimited => (StatusCode::CONFLICT, "emergency-too-many"),
            _ => (StatusCode::FORBIDDEN, "emergency-forged"),
        };
        told(frame, status, text)
    }
}
