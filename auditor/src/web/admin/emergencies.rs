//! Openings in emergencies, for who reviews the unit's accesses or reads the whole log.

use super::body::Fields;
use super::member::Member;
use super::problem::{Kind, Problem};
use super::query::{Asked, Parameters, cursor};
use super::view::time;
use super::{Id, answer, refused};
use crate::clock;
use crate::duties::{self, Action};
use crate::store::{Emergency, WantedEmergencies};
use crate::web::App;
use crate::web::attempt::by;
use axum::Extension;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::Response;
use contract::id::{HsaId, OpeningId};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// An opening. The patient is a pseudonym, the same as in the log.
#[derive(Serialize, ToSchema)]
pub(super) struct EmergencyView {
    /// Its id.
    id: String,
    /// The request that was refused before it, as in the log.
    request: String,
    /// Who opened: an account's id.
    account: String,
    /// By name.
    name: String,
    /// By HSA-id, if it is known.
    hsa: Option<String>,
    /// In which registry.
    registry: String,
    /// On which of its routes.
    route: String,
    /// Whom: the pseudonym in the log.
    patient: String,
    /// The unit from which the user acted, if any.
    unit: Option<String>,
    /// The unit that the request named, if any.
    unit_asked: Option<String>,
    /// life, incapable, acute or other.
    why: &'static str,
    /// And in words.
    words: String,
    /// When.
    opened: String,
    /// Until when it was to be open.
    until: String,
    /// When a reviewer saw it.
    seen: Option<String>,
    /// Who: an account's id.
    seen_by: Option<String>,
}

/// A page of openings.
#[derive(Serialize, ToSchema)]
pub(super) struct EmergencyPage {
    /// The openings, the newest first.
    openings: Vec<EmergencyView>,
    /// What to send as `cursor` for the next page; null: there is none.
    next: Option<String>,
}

impl From<&Emergency> for EmergencyView {
    fn from(of: &Emergency) -> Self {
        Self {
            id: of.id.to_string(),
            request: of.request.to_string(),
            account: of.account.to_string(),
            name: of.name.clone(),
            hsa: of.hsa.as_ref().map(ToString::to_string),
            registry: of.registry.to_string(),
            route: of.route.to_string(),
            patient: of.patient.to_string(),
            unit: of.unit.as_ref().map(ToString::to_string),
            unit_asked: of.unit_asked.as_ref().map(ToString::to_string),
            why: of.why.as_str(),
            words: of.words.clone(),
            opened: clock::rfc3339(of.opened),
            until: clock::rfc3339(of.until),
            seen: time(of.seen.map(|(at, _)| at)),
            seen_by: of.seen.map(|(_, by)| by.to_string()),
        }
    }
}

/// The openings of the units whose accesses one reviews; for a log auditor, of all.
#[utoipa::path(
    get, path = "/emergencies", tag = "emergencies", operation_id = "list_emergencies",
    params(
        ("unit" = Option<String>, Query, description = "of this unit: its HSA-id"),
        ("seen" = Option<bool>, Query, description = "only those that a reviewer has seen, or has not"),
        ("from" = Option<String>, Query, description = "from when, RFC 3339 or a date"),
        ("to" = Option<String>, Query, description = "until before when"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<u32>, Query, description = "1 to 100 [50]"),
    ),
    responses((status = 200, description = "A page", body = EmergencyPage))
)]
pub(super) async fn list(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    asked: Asked,
) -> Result<Response, Problem> {
    let mut asked = Parameters::new(asked)?;
    let time = |text: &str| contract::instant::parse(text).ok();
    let unit = asked.parsed("unit", "an HSA-id", |text| HsaId::parse(text).ok());
    let wanted = WantedEmergencies {
        units: None,
        seen: asked.parsed("seen", "true or false", |text| text.parse().ok()),
        from: asked.parsed("from", "a date or a time", time),
        to: asked.parsed("to", "a date or a time", time),
        after: asked.after("opened"),
        limit: asked.limit(),
    };
    asked.finish()?;
    let (found, next) = app.emergency_list(&member, unit, wanted).await?;
    let openings = found.iter().map(EmergencyView::from).collect();
    Ok(answer(StatusCode::OK, None, &EmergencyPage { openings, next }))
}

/// Marks an opening as seen, as a reviewer of its unit; one of no unit, as a log auditor. The first time counts.
#[utoipa::path(
    post, path = "/emergencies/{id}/seen", tag = "emergencies", operation_id = "see_emergency",
    params(("id" = String, Path, description = "the opening's id")),
    responses((status = 200, description = "It was seen", body = EmergencyView))
)]
pub(super) async fn see(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    Id(id): Id<OpeningId>,
    fields: Fields,
) -> Result<Response, Problem> {
    fields.finish()?;
    let seen = app.see_emergency(&member, id).await?;
    Ok(answer(StatusCode::OK, None, &EmergencyView::from(&seen)))
}

/// Whether there is anything here for somebody.
pub(in crate::web) fn reviews(member: &Member) -> bool {
    duties::units(&member.viewer.appointments).is_none_or(|units| !units.is_empty())
}

/// The units whose openings somebody may see, as far as they want them; none said: of all.
fn units(member: &Member, wanted: Option<HsaId>) -> Result<Option<Vec<HsaId>>, Problem> {
    match (duties::units(&member.viewer.appointments), wanted) {
        (None, wanted) => Ok(wanted.map(|one| vec![one])),
        (Some(some), None) if some.is_empty() => Err(Problem::lacking(Action::Review)),
        (Some(some), None) => Ok(Some(some)),
        (Some(some), Some(one)) if some.contains(&one) => Ok(Some(vec![one])),
        (Some(_), Some(_)) => Err(Problem::lacking(Action::ReadLog)),
    }
}

impl App {
    /// Openings that a member may see, as wanted, and the next page's cursor if there is one.
    pub(in crate::web) async fn emergency_list(
        &self,
        member: &Member,
        unit: Option<HsaId>,
        wanted: WantedEmergencies,
    ) -> Result<(Vec<Emergency>, Option<String>), Problem> {
        let limit = wanted.limit;
        let wanted = WantedEmergencies { units: units(member, unit)?, limit: limit + 1, ..wanted };
        let found = self.office.emergencies(clock::now(), by(&member.caller), &wanted).await;
        let mut found = found.map_err(|error| refused(&error))?;
        let more = found.len() > limit as usize;
        found.truncate(limit as usize);
        let next = found.last().filter(|_| more).map(|last| cursor("opened", last.opened, &last.id));
        Ok((found, next))
    }

    /// Marks an opening as seen.
    pub(in crate::web) async fn see_emergency(&self, member: &Member, id: OpeningId) -> Result<Emergency, Problem> {
        let known = self.office.emergency(id).await.map_err(|error| refused(&error))?.ok_or(Kind::NotFound)?;
        if !known.is_for(&member.viewer.appointments) {
            return self.hide(member, Some(known.account), &format!("see opening={id}")).await;
        }
        let seen = self.office.see_emergency(clock::now(), by(&member.caller), id).await;
        seen.map_err(|error| Problem::from_store(&error, Action::Review))
    }
}
