//! Forms: lists, one with what stands in it, and drafts.

use super::body::Fields;
use super::content::{self, SentForm};
use super::member::Member;
use super::problem::Problem;
use super::query::{Asked, Parameters, cursor};
use super::view::{FormHead, FormPage, FormView};
use super::{Id, answer, refused, seen};
use crate::clock;
use crate::duties::Region;
use crate::forms::{self, State};
use crate::store::{Heading, Order, Page, Queue};
use crate::web::App;
use axum::Extension;
use axum::extract::State as Shared;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use contract::id::{FormId, RegistryName};
use std::sync::Arc;

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
    let list = List::read(Parameters::new(asked)?)?;
    let (found, next) = app.form_list(&member, &list).await?;
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
    let filed = app.read_form(&member, form).await?;
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
    let form = content::form(fields, member.account, clock::now())?;
    let heading = app.begin_form(&member, form).await?;
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
    let form = content::form(fields, member.account, clock::now())?;
    let heading = app.mend_form(&member, (known, version), form).await?;
    Ok(answer(StatusCode::OK, Some(heading.version), &FormHead::from(&heading)))
}

/// A list that was asked for.
#[derive(Debug)]
pub(in crate::web) struct List {
    pub(in crate::web) page: Page,
    /// The order's name.
    pub(in crate::web) sort: &'static str,
}

impl List {
    pub(in crate::web) fn read(mut asked: Parameters) -> Result<Self, Problem> {
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
        let sort = |text: &str| ORDERS.into_iter().find(|(name, _)| *name == text);
        let order = asked.parsed("sort", "waited, moved, oldest or newest", sort);
        let (sort, order) = order.unwrap_or(("waited", Order::Waited));
        let (after, limit) = (asked.after::<FormId>(sort), asked.limit());
        asked.finish()?;
        let queue = queue.unwrap_or_default();
        Ok(Self { page: Page { queue, state, kind, region, registry, order, after, limit, left_since: 0 }, sort })
    }
}

impl App {
    /// The forms of a list, and the next page's cursor if there is one.
    pub(in crate::web) async fn form_list(
        &self,
        member: &Member,
        list: &List,
    ) -> Result<(Vec<Heading>, Option<String>), Problem> {
        let List { page, sort } = list;
        let left_since = clock::now().saturating_sub(self.request_life_us);
        let asked = Page { limit: page.limit + 1, left_since, ..page.clone() };
        let mut found = self.store.form_page(&member.viewer, &asked).await.map_err(|error| refused(&error))?;
        let more = found.len() > page.limit as usize;
        found.truncate(page.limit as usize);
        let next = found.last().filter(|_| more).map(|last| cursor(sort, page.order.key(last), &last.id));
        Ok((found, next))
    }
}
