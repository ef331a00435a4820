//! Organisations that devices are enrolled for.

use super::answer;
use super::body::Fields;
use super::devices::deeds;
use super::member::Member;
use super::problem::Problem;
use super::query::{Asked, Parameters};
use crate::clock;
use crate::devices::Organisation;
use crate::web::App;
use axum::Extension;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// An organisation to be added.
#[derive(ToSchema)]
#[expect(dead_code, reason = "says what a body has; it is read by `Fields`")]
pub(super) struct SentOrganisation {
    /// Its HSA-id.
    hsa: String,
    /// Its name.
    name: String,
}

/// An organisation.
#[derive(Serialize, ToSchema)]
pub(super) struct OrganisationView {
    /// Its HSA-id.
    hsa: String,
    /// Its name.
    name: String,
    /// When it was added.
    created: String,
}

/// A page of organisations.
#[derive(Serialize, ToSchema)]
pub(super) struct OrganisationPage {
    /// The organisations, by their HSA-ids.
    organisations: Vec<OrganisationView>,
    /// What to send as `cursor` for the next page; null: there is none.
    next: Option<String>,
}

impl From<&Organisation> for OrganisationView {
    fn from(organisation: &Organisation) -> Self {
        Self {
            hsa: organisation.hsa.to_string(),
            name: organisation.name.clone(),
            created: clock::rfc3339(organisation.created),
        }
    }
}

/// The organisations whose devices one's duties reach.
#[utoipa::path(
    get, path = "/organisations", tag = "devices", operation_id = "list_organisations",
    params(
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<u32>, Query, description = "1 to 100 [50]"),
    ),
    responses((status = 200, description = "A page", body = OrganisationPage))
)]
pub(super) async fn list(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    asked: Asked,
) -> Result<Response, Problem> {
    let (found, next) = app.organisation_list(&member, Parameters::new(asked)?).await?;
    let organisations = found.iter().map(OrganisationView::from).collect();
    Ok(answer(StatusCode::OK, None, &OrganisationPage { organisations, next }))
}

/// Adds an organisation.
#[utoipa::path(
    post, path = "/organisations", tag = "devices", operation_id = "add_organisation",
    request_body = SentOrganisation,
    responses((status = 201, description = "It is added", body = OrganisationView))
)]
pub(super) async fn add(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    fields: Fields,
) -> Result<Response, Problem> {
    let organisation = app.add_organisation(&member, deeds::new_organisation(fields)?).await?;
    Ok(answer(StatusCode::CREATED, None, &OrganisationView::from(&organisation)))
}
