//! The choice of those who have several HSA-ids or commissions: a page with a form, and its answer.

use super::enter::Person;
use super::sealed::{self, Choice, OIDC_COOKIE};
use super::trouble::{Refusal, Trouble};
use crate::clock;
use crate::random;
use crate::web::attempt::by;
use crate::web::language::Language;
use crate::web::pages::{self, set_cookie};
use crate::web::{App, Caller, Secret, problem};
use askama::Template;
use axum::Extension;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse as _, Response};
use contract::directory::Commission;
use contract::id::HsaId;
use serde::Deserialize;
use std::borrow::Cow;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "choose.html")]
struct ChoosePage<'a> {
    language: Language,
    title: &'a str,
    help: &'a str,
    provider: &'a str,
    ticket: String,
    /// Empty: there is no choice.
    ids: Vec<String>,
    commissions: Vec<Line>,
    wrong: Option<Cow<'static, str>>,
}

/// A commission as a line of the form.
struct Line {
    /// Its name, or its HSA-id if it has none.
    name: String,
    /// The care unit.
    unit: String,
}

impl Line {
    fn of(commission: &Commission) -> Self {
        let text = |hsa: Option<&HsaId>| hsa.map(ToString::to_string).unwrap_or_default();
        let or = |name: &str, other: String| if name.is_empty() { other } else { name.to_owned() };
        Self {
            name: or(&commission.name, text(commission.hsa.as_ref())),
            unit: or(&commission.care_unit_name, text(commission.care_unit.as_ref())),
        }
    }
}

/// What was chosen.
#[derive(Deserialize)]
pub(in crate::web) struct Sent {
    #[serde(default)]
    ticket: Secret,
    id: Option<usize>,
    commission: Option<usize>,
    lang: Option<String>,
}

/// The page with the choice.
pub(super) fn page(
    app: &App,
    caller: &Caller,
    language: Language,
    choice: &Choice,
    wrong: Option<Trouble>,
) -> Response {
    let cookie = random::token();
    let Some(ticket) = app.oidc.seal_choice(choice, caller.assertion.device_cert, &cookie) else {
        return problem(StatusCode::INTERNAL_SERVER_ERROR, "The page cannot be shown");
    };
    let page = ChoosePage {
        language,
        title: &app.title,
        help: &app.help,
        provider: &choice.provider,
        ticket,
        ids: several(&choice.ids).iter().map(ToString::to_string).collect(),
        commissions: several(&choice.commissions).iter().map(Line::of).collect(),
        wrong: wrong.map(|wrong| language.say(wrong.key())),
    };
    let Ok(html) = page.render() else {
        return problem(StatusCode::INTERNAL_SERVER_ERROR, "The page cannot be shown");
    };
    let mut response = (wrong.map_or(StatusCode::OK, Trouble::status), Html(html)).into_response();
    set_cookie(&mut response, &sealed::set(&cookie));
    response
}

/// What there is to choose from: of one thing there is nothing.
fn several<T>(all: &[T]) -> &[T] {
    if all.len() > 1 { all } else { &[] }
}

/// The choice, sent.
pub(in crate::web) async fn choose(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    headers: HeaderMap,
    sent: Result<Form<Sent>, FormRejection>,
) -> Response {
    let Some(provider) = app.oidc.named(&name) else {
        return problem(StatusCode::NOT_FOUND, "There is no such identity provider");
    };
    let sent = sent.ok().map(|Form(sent)| sent);
    let language = Language::choose(sent.as_ref().and_then(|sent| sent.lang.as_deref()), &headers);
    let cookie = pages::cookie(&headers, OIDC_COOKIE).unwrap_or_default();
    let (device, now) = (caller.assertion.device_cert, clock::now());
    let opened = sent.and_then(|sent| {
        let choice = app.oidc.open_choice(&sent.ticket, device, cookie, now)?;
        (choice.provider == name).then_some((sent, choice))
    });
    let Some((sent, choice)) = opened.filter(|_| !pages::from_elsewhere(&headers)) else {
        return app.turn_away(&caller, provider, &headers, language, Refusal::stale("choice")).await;
    };
    let Some((hsa, commission)) = chosen(&choice, &sent) else {
        return page(&app, &caller, language, &choice, Some(Trouble::NothingChosen));
    };
    let Some(at) = choice.at() else {
        return app.turn_away(&caller, provider, &headers, language, Refusal::stale("choice")).await;
    };
    let used = app.reference("choice", &provider.settings().issuer, &choice.id);
    match app.choose_once(&caller, &used, choice.until).await {
        Ok(true) => {}
        Ok(false) => return app.turn_away(&caller, provider, &headers, language, Refusal::stale("replayed")).await,
        Err(error) => return app.cannot(&caller, &headers, language, &error),
    }
    let person = Person { hsa, commission, acr: choice.acr, at };
    app.enter_or_say(&caller, provider, &headers, language, person).await
}

/// What was chosen; what there is only one of need not be.
fn chosen(choice: &Choice, sent: &Sent) -> Option<(HsaId, Option<Commission>)> {
    let of = |index: Option<usize>, count: usize| if count == 1 { Some(0) } else { index };
    let hsa = choice.ids.get(of(sent.id, choice.ids.len())?)?.clone();
    if choice.commissions.is_empty() {
        return Some((hsa, None));
    }
    let commission = choice.commissions.get(of(sent.commission, choice.commissions.len())?)?.clone();
    Some((hsa, Some(commission)))
}

impl App {
    /// Notes that a choice was made. False: it was before.
    async fn choose_once(
        &self,
        caller: &Caller,
        used: &[u8; 32],
        until: contract::Micros,
    ) -> Result<bool, crate::store::StoreError> {
        let mut change = self.store.change(clock::now(), by(caller)).await?;
        let fresh = change.answer_once(used, until).await?;
        change.commit().await?;
        Ok(fresh)
    }
}
