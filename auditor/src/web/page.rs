//! What every page of somebody who is logged in has: a language, a menu, and forms that prove they were asked for here.

mod posted;
mod trouble;

pub(super) use posted::{Posted, Typed};
pub(super) use trouble::Trouble;

use super::form::Bound;
use super::language::Language;
use super::live::{Live, Marks};
use super::member::Member;
use super::pages::{cookie, set_cookie};
use super::{App, problem};
use crate::clock;
use crate::store::Factors;
use askama::Template;
use askama::filters::HtmlSafe;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse as _, Response};
use fluent_bundle::FluentValue;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// Remembers the language that was chosen. No secret.
const LANGUAGE_COOKIE: &str = "__Host-grindvakt-language";

/// What a page has around its content, and what its forms are made with. Templates that extend `layout.html` have one
/// as `frame`.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    pub(super) language: Language,
    /// The installation's title.
    pub(super) title: String,
    /// Whom users turn to.
    pub(super) help: String,
    /// Who is logged in, by name if it is known.
    pub(super) name: String,
    /// The page's own path.
    path: String,
    pub(super) links: Vec<Link>,
    /// What second factors they have to sign with.
    pub(super) factors: Factors,
    csrf: Csrf,
    /// The scripts of lists, where there are any.
    scripts: Option<Arc<Live>>,
    /// The page has a list that they change in place.
    lists: bool,
}

/// A line of the menu.
#[derive(Debug, Clone, Copy)]
pub(super) struct Link {
    pub(super) to: &'static str,
    /// The text's key.
    pub(super) key: &'static str,
}

/// A form's proof that it was asked for here. Only [`Frame`] makes one, and only what has one begins a form.
#[derive(Debug, Clone)]
struct Csrf(String);

/// The beginning of a form that posts to a path here, with its proof and its language. Its end is `</form>`.
#[derive(Debug)]
pub(super) struct FormBegin<'f> {
    to: &'f str,
    proof: &'f str,
    marks: Marks,
}

impl fmt::Display for FormBegin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (to, proof, marks) = (self.to, self.proof, self.marks);
        write!(
            f,
            "<form{marks} method=\"post\" action=\"{to}\"><input type=\"hidden\" name=\"form\" value=\"{proof}\">"
        )
    }
}

// Paths are the program's own, and a proof is base64.
impl HtmlSafe for FormBegin<'_> {}

impl Frame {
    fn new(app: &App, member: &Member, factors: Factors, headers: &HeaderMap, uri: &Uri) -> Self {
        let bound = Bound::Session(member.session);
        Self {
            language: language(headers, uri),
            title: app.title.clone(),
            help: app.help.clone(),
            name: member.caller.assertion.name.clone().unwrap_or_else(|| member.account.to_string()),
            path: uri.path().to_owned(),
            links: super::desk::links(member),
            // Without an origin there are no passkeys here.
            factors: Factors { passkey: factors.passkey && app.party.is_some(), ..factors },
            csrf: Csrf(app.form.field(bound, member.caller.assertion.device_cert, clock::now())),
            scripts: app.live.clone(),
            lists: false,
        }
    }

    /// The beginning of a form that posts to a path of the program's own: letters, digits, `/`, `-` and `_`.
    pub(super) fn post<'f>(&'f self, to: &'f str) -> FormBegin<'f> {
        FormBegin { to: if is_plain(to) { to } else { "" }, proof: &self.csrf.0, marks: Marks::NONE }
    }

    /// As [`Self::post`], for a form with a field for a file.
    pub(super) fn post_file<'f>(&'f self, to: &'f str) -> FormBegin<'f> {
        FormBegin { marks: Marks::FILES, ..self.post(to) }
    }

    /// As [`Self::post`], for what chooses in the page's list: that belongs into no address.
    pub(super) fn post_filter<'f>(&'f self, to: &'f str) -> FormBegin<'f> {
        FormBegin { marks: self.filter(), ..self.post(to) }
    }

    /// As [`Self::post`], for what leads to another page of the list.
    pub(super) fn post_step<'f>(&'f self, to: &'f str) -> FormBegin<'f> {
        FormBegin { marks: self.step(), ..self.post(to) }
    }

    /// The frame of a page with a list that scripts can change in place, where there are any. Not if something is `wrong`:
    /// what is said of that would stay.
    pub(super) fn of_list(self, wrong: bool) -> Self {
        Self { lists: !wrong, ..self }
    }

    /// The scripts of the page.
    pub(super) fn live(&self) -> Option<&Live> {
        self.scripts.as_deref().filter(|_| self.lists)
    }

    fn marks(&self, marks: Marks) -> Marks {
        if self.live().is_some() { marks } else { Marks::NONE }
    }

    /// Attributes of what surrounds the list.
    pub(super) fn around(&self) -> Marks {
        self.marks(Marks::AROUND)
    }

    /// Attributes of the form that chooses in the list.
    pub(super) fn filter(&self) -> Marks {
        self.marks(Marks::FILTER)
    }

    /// Attributes of a link to another order or page of the list.
    pub(super) fn step(&self) -> Marks {
        self.marks(Marks::STEP)
    }

    /// How many lines of the list are shown, and whether there are more.
    pub(super) fn found(&self, lines: usize, more: bool) -> String {
        let key = if more { "list-found-more" } else { "list-found" };
        self.say_of(key, "count", lines)
    }

    /// A text in the page's language.
    pub(super) fn say(&self, key: &'static str) -> Cow<'static, str> {
        self.language.say(key)
    }

    /// A text with one value in it.
    pub(super) fn say_of<'v>(
        &self,
        key: &'static str,
        name: &'static str,
        value: impl Into<FluentValue<'v>>,
    ) -> String {
        self.language.say_of(key, name, value)
    }

    /// The page's title, after its heading.
    pub(super) fn titled(&self, heading: &str) -> String {
        self.language.say_with("page-title", [("page", heading.into()), ("title", self.title.as_str().into())])
    }

    /// Whether a link of the menu is to where the page is.
    pub(super) fn is_at(&self, link: &Link) -> bool {
        self.path == link.to || link.to != "/admin" && self.path.starts_with(link.to)
    }
}

/// Whether a path needs no escaping and leads nowhere else.
fn is_plain(path: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_');
    path.starts_with('/') && !path.starts_with("//") && path.bytes().all(plain)
}

/// What is chosen by the address, else what was chosen before, else what the browser prefers.
fn language(headers: &HeaderMap, uri: &Uri) -> Language {
    let chosen = chosen(uri).map(Language::tag);
    Language::choose(chosen.or_else(|| cookie(headers, LANGUAGE_COOKIE)), headers)
}

/// The language that an address chooses.
pub(super) fn chosen(uri: &Uri) -> Option<Language> {
    uri.query()?.split('&').find_map(|pair| Language::from_tag(pair.strip_prefix("lang=")?))
}

/// Remembers a language that was chosen.
pub(super) fn remember(response: &mut Response, language: Language) {
    let tag = language.tag();
    set_cookie(response, &format!("{LANGUAGE_COOKIE}={tag}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=31536000"));
}

impl From<&Frame> for Language {
    fn from(frame: &Frame) -> Self {
        frame.language
    }
}

impl FromRequestParts<Arc<App>> for Frame {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Response> {
        let member = parts.extensions.get::<Member>();
        let member = member.ok_or_else(|| problem(StatusCode::UNAUTHORIZED, "Not logged in"))?;
        let factors = app.store.factors(member.account).await.map_err(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "second factors cannot be told");
            problem(StatusCode::SERVICE_UNAVAILABLE, "This does not answer now")
        })?;
        Ok(Self::new(app, member, factors, &parts.headers, &parts.uri))
    }
}

/// A page.
pub(super) fn page(status: StatusCode, template: &impl Template) -> Response {
    let Ok(html) = template.render() else {
        return problem(StatusCode::INTERNAL_SERVER_ERROR, "The page cannot be shown");
    };
    let mut response = (status, Html(html)).into_response();
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept-language, cookie"));
    response
}

/// A page whose frame is one [`of_list`](Frame::of_list).
pub(super) fn page_of_list(status: StatusCode, frame: &Frame, template: &impl Template) -> Response {
    let mut response = page(status, template);
    if let Some(live) = frame.live() {
        live.mark(&mut response);
    }
    response
}

#[cfg(test)]
mod tests;
