//! Forms: lists, one with what stands in it, and drafts.

use super::body::Fields;
use super::content::{self, SentForm};
use super::member::Member;
use super::problem::{Kind, Problem};
use super::query::{Asked, Parameters, cursor};
use super::view::{FormHead, FormPage, FormView};
use super::{Id, answer, refused, seen};
use crate::clock;
use crate::duties::{Action, Region, may};
use crate::forms::{self, Form, State};
use crate::store::{Order, Page, Queue};
use crate::web::App;
use crate::web::attempt::by;
use axum::Extension;
use axum::extract::State as Shared;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use contract::id::{FormId, RegistryName};
use std::sync::Arc;

/// Drafts of one account at a time.
const DRAFTS_MAX: u32 = 50;

const ORDERS: [(&str, Order); 4] =
    [("waited", Order::Waited), ("moved", Order::Moved), ("oldest", Order::Oldest), ("newest", Order::Newest)];

/// The forms that one may see, without what stands in them.
#[utoipa::path(
    get, path = "/forms", tag = "forms", operation_id = "list_forms",
    params(
        ("queue" = Option<String>, Query, description = "all; waiting: whose next step is one's own; mine [all]"),
        ("state" = Option<String>, Query, description = "where they stand"),
        ("kind" = Option<String>, Query, description = "F1, F2 or F3"),
        ("region" = Option<String>, Query, description = "the region's code (länskod)"),
        ("registry" = Option<String>, Query, description = "the registry's name"),
        ("sort" = Option<String>, Query, description = "waited (the longest first), moved, oldest or newest [waited]"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before, in the same order"),
        ("limit" = Option<u32>, Query, description = "1 to 100 [50]"),
    ),
    responses((status = 200, description = "A page", body = FormPage))
)]
pub(super) async fn list(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    asked: Asked,
) -> Result<Response, Problem> {
    let mut asked = Parameters::new(asked)?;
    let queue = asked.parsed("queue", "all, waiting or mine", |text| match text {
        "all" => Some(Queue::All),
        "waiting" => Some(Queue::Waiting),
        "mine" => Some(Queue::Mine),
        _ => None,
    });
    let state = asked.parsed("state", "where a form can stand", State::parse);
    let kind = asked.parsed("kind", "F1, F2 or F3", forms::Kind::parse);
    let region = asked.parsed("region", "a region's code (länskod)", Region::parse);
    let registry = asked.parsed("registry", "a registry's name", |text| RegistryName::parse(text).ok());
    let order = asked
        .parsed("sort", "waited, moved, oldest or newest", |text| ORDERS.into_iter().find(|(name, _)| *name == text));
    let (name, order) = order.unwrap_or(("waited", Order::Waited));
    let (after, limit) = (asked.after::<FormId>(name), asked.limit());
    asked.finish()?;
    let left_since = clock::now().saturating_sub(app.request_life_us);
    let queue = queue.unwrap_or_default();
    let page = Page { queue, state, kind, region, registry, order, after, limit: limit + 1, left_since };
    let mut found = app.store.form_page(&member.viewer, &page).await.map_err(|error| refused(&error))?;
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let next = found.last().filter(|_| more).map(|last| cursor(name, order.key(last), &last.id));
    Ok(answer(StatusCode::OK, None, &FormPage { forms: found.iter().map(FormHead::from).collect(), next }))
}

/// A form with what stands in it. That somebody reads another's is on record.
#[utoipa::path(
    get, path = "/forms/{id}", tag = "forms", operation_id = "read_form",
    params(("id" = String, Path, description = "the form's id")),
    responses((status = 200, description = "The form; its ETag is for If-Match", body = FormView))
)]
pub(super) async fn show(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    Id(form): Id<FormId>,
) -> Result<Response, Problem> {
    let heading = app.visible(&member, form, "see").await?;
    let filed = if member.viewer.owns(&heading) {
        app.office.read(form).await
    } else {
        app.office.reveal(clock::now(), by(&member.caller), form).await
    };
    let filed = filed.map_err(|error| refused(&error))?;
    // It may have become another's draft in the meantime.
    if !member.viewer.sees(&filed.heading) {
        return app.hide(&member, filed.heading.account, &format!("see form={form}")).await;
    }
    Ok(answer(StatusCode::OK, Some(filed.heading.version), &FormView::from(&filed)))
}

/// Begins a form.
#[utoipa::path(
    post, path = "/forms", tag = "forms", operation_id = "begin_form", request_body = SentForm,
    responses((status = 201, description = "It is a draft now; `Location` says where", body = FormHead))
)]
pub(super) async fn begin(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    fields: Fields,
) -> Result<Response, Problem> {
    let now = clock::now();
    let form = content::form(fields, member.account, now)?;
    for_whom(&member, &form)?;
    room(&app, &member).await?;
    let heading = app.office.begin(now, by(&member.caller), form).await.map_err(|error| about(&error))?;
    let mut response = answer(StatusCode::CREATED, Some(heading.version), &FormHead::from(&heading));
    if let Ok(place) = format!("{}/forms/{}", super::BASE, heading.id).parse() {
        response.headers_mut().insert(axum::http::header::LOCATION, place);
    }
    Ok(response)
}

/// Writes a draft anew, whole.
#[utoipa::path(
    put, path = "/forms/{id}", tag = "forms", operation_id = "mend_form", request_body = SentForm,
    params(
        ("id" = String, Path, description = "the form's id"),
        ("If-Match" = String, Header, description = "the ETag of what was seen"),
    ),
    responses((status = 200, description = "The draft", body = FormHead))
)]
pub(super) async fn mend(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    Id(known): Id<FormId>,
    headers: HeaderMap,
    fields: Fields,
) -> Result<Response, Problem> {
    app.visible(&member, known, "mend").await?;
    let version = seen(&headers)?;
    let now = clock::now();
    let form = content::form(fields, member.account, now)?;
    for_whom(&member, &form)?;
    let mended = app.office.mend(now, by(&member.caller), (known, version), form).await;
    let heading = mended.map_err(|error| refused(&error))?;
    Ok(answer(StatusCode::OK, Some(heading.version), &FormHead::from(&heading)))
}

/// Whether somebody may begin another form: drafts are kept until they lapse, and are a bounded number.
async fn room(app: &App, member: &Member) -> Result<(), Problem> {
    let (queue, state) = (Queue::Mine, Some(State::Draft));
    let drafts = Page { queue, state, limit: DRAFTS_MAX, ..Page::default() };
    let drafts = app.store.form_page(&member.viewer, &drafts).await.map_err(|error| refused(&error))?;
    if drafts.len() < DRAFTS_MAX as usize { Ok(()) } else { Err(Kind::TooMany.into()) }
}

/// Whether somebody may write a form about this account: their own, or one that they may submit forms for. Nobody else
/// learns whether there is such an account.
fn for_whom(member: &Member, form: &Form) -> Result<(), Problem> {
    let own = form.subject.account == Some(member.account);
    if own || may(&member.viewer.appointments, Action::Deregister, &form.about()) {
        return Ok(());
    }
    Err(Problem::lacking(Action::Deregister))
}

/// What the store says to a form about an account.
fn about(error: &crate::store::StoreError) -> Problem {
    match error {
        crate::store::StoreError::Absent(_) => Problem::field("/account", "refused", "there is no such account"),
        error => refused(error),
    }
}
