//! The security instructions, when there are newer ones than somebody has accepted: before anything else.

use super::attempt::by;
use super::language::Language;
use super::member::Member;
use super::page::{Frame, Posted, Trouble, page};
use super::pages::{cookie, see_other, set_cookie};
use super::{App, desk};
use crate::clock;
use crate::config::Instructions;
use crate::store::StoreError;
use askama::Template;
use axum::extract::{DefaultBodyLimit, Request, State as Shared};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router};
use contract::id::AccountId;
use contract::way_back::{RETURN_COOKIE, WayBack, set_return_cookie};
use std::borrow::Cow;
use std::sync::Arc;

/// Where they are.
pub(super) const PATH: &str = "/auth/instructions";
const BODY_BYTES_MAX: usize = 16 << 10;

/// The page's route.
pub(super) fn router(app: &Arc<App>) -> Router<Arc<App>> {
    Router::new()
        .route(PATH, get(show).post(accept))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(Arc::clone(app), desk::known_member))
}

/// Leads who has to accept them there, whatever page they wanted.
pub(super) async fn first(request: Request, next: Next) -> Response {
    if request.extensions().get::<Member>().is_some_and(|member| member.instructions_due) {
        return see_other(PATH);
    }
    next.run(request).await
}

impl Instructions {
    /// Their paragraphs.
    pub(super) fn paragraphs(&self, language: Language) -> Vec<&str> {
        let text = match language {
            Language::Swedish => &self.sv,
            Language::English => &self.en,
        };
        text.split("\n\n").map(str::trim).filter(|paragraph| !paragraph.is_empty()).collect()
    }
}

#[derive(Template)]
#[template(path = "instructions.html")]
struct InstructionsPage<'a> {
    frame: Frame,
    heading: Cow<'static, str>,
    paragraphs: Vec<&'a str>,
    version: u32,
    wrong: Option<Cow<'static, str>>,
}

fn shown(app: &App, frame: Frame, wrong: Option<&'static str>) -> Response {
    let status = if wrong.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let shown = InstructionsPage {
        heading: frame.say("instructions-heading"),
        paragraphs: app.instructions.paragraphs(frame.language),
        version: app.instructions.version,
        wrong: wrong.map(|key| frame.say(key)),
        frame,
    };
    page(status, &shown)
}

async fn show(Shared(app): Shared<Arc<App>>, frame: Frame) -> Response {
    shown(&app, frame, None)
}

async fn accept(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    headers: HeaderMap,
    frame: Frame,
    posted: Posted,
) -> Response {
    let Ok(typed) = posted.asked_for() else { return shown(&app, frame, Some("wrong-stale")) };
    // Whoever has read an older one while a newer came reads that first.
    if typed.get("accept") != "yes" || typed.get("version").parse() != Ok(app.instructions.version) {
        return shown(&app, frame, Some("instructions-not-accepted"));
    }
    if let Err(error) = app.accept(&member, member.account).await {
        tracing::error!(error = &error as &dyn std::error::Error, "that instructions were accepted cannot be kept");
        return Trouble::Unavailable.page(frame);
    }
    let back = cookie(&headers, RETURN_COOKIE).and_then(WayBack::from_cookie);
    let mut response = see_other(back.as_ref().map_or("/", WayBack::as_str));
    set_cookie(&mut response, &set_return_cookie(None));
    response
}

impl App {
    async fn accept(&self, member: &Member, account: AccountId) -> Result<(), StoreError> {
        let mut change = self.store.change(clock::now(), by(&member.caller)).await?;
        change.accept_instructions(account, self.instructions.version).await?;
        change.commit().await
    }
}
