//! Who is appointed to what.

use super::body::Fields;
use super::member::Member;
use super::problem::Problem;
use super::query::{Asked, Parameters, cursor};
use super::view::{known, time};
use super::work::appoints;
use super::{Id, answer, refused};
use crate::clock;
use crate::duties::{Action, Appointment, Given, Why};
use crate::store::StoreError;
use crate::web::App;
use crate::web::attempt::by;
use axum::Extension;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::Response;
use contract::Micros;
use contract::id::{AccountId, AppointmentId};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// An appointment.
#[derive(ToSchema)]
#[expect(dead_code, reason = "says what a body has; it is read by `Fields`")]
pub(super) struct SentAppointment {
    /// Whose: an account's id.
    account: String,
    /// To what: account_admin, approver:LÄNSKOD, registry_holder:REGISTRY, device_admin, device_admin:HSA-ID,
    /// log_reviewer:HSA-ID, log_auditor or help_desk.
    appointment: String,
    /// From when, RFC 3339 or a date; without it from now.
    valid_from: Option<String>,
    /// Until when, if limited.
    valid_to: Option<String>,
}

/// The end of an appointment.
#[derive(ToSchema)]
#[expect(dead_code, reason = "says what a body has; it is read by `Fields`")]
pub(super) struct SentEnd {
    /// other_duty, leaves or mistake.
    why: String,
}

/// An appointment, given.
#[derive(Serialize, ToSchema)]
pub(super) struct AppointmentView {
    /// Its id.
    id: String,
    /// Whose: an account's id.
    account: String,
    /// To what, as `approver:12`.
    appointment: String,
    /// From when.
    valid_from: String,
    /// Until when, if limited.
    valid_to: Option<String>,
    /// When it was given.
    given: String,
    /// By whom; null: on the command line.
    given_by: Option<String>,
    /// When it ended, if it did.
    ended: Option<String>,
    /// Who ended it; null also: on the command line, or by time.
    ended_by: Option<String>,
}

/// A page of appointments.
#[derive(Serialize, ToSchema)]
pub(super) struct AppointmentPage {
    /// The appointments, the newest first.
    appointments: Vec<AppointmentView>,
    /// What to send as `cursor` for the next page; null: there is none.
    next: Option<String>,
}

/// The id of an appointment.
#[derive(Serialize, ToSchema)]
pub(super) struct NewAppointment {
    /// It.
    id: String,
}

impl From<&Given> for AppointmentView {
    fn from(given: &Given) -> Self {
        Self {
            id: given.id.to_string(),
            account: given.account.to_string(),
            appointment: given.appointment.to_string(),
            valid_from: clock::rfc3339(given.valid_from),
            valid_to: time(given.valid_to),
            given: clock::rfc3339(given.given),
            given_by: known(given.given_by),
            ended: time(given.ended),
            ended_by: given.ended_by.and_then(known),
        }
    }
}

/// Why somebody ends an appointment.
pub(in crate::web) const ENDS: [Why; 3] = [Why::OtherDuty, Why::Leaves, Why::Mistake];

/// One's own appointments; for who appoints, those of one account or of all.
#[utoipa::path(
    get, path = "/appointments", tag = "appointments", operation_id = "list_appointments",
    params(
        ("account" = Option<String>, Query, description = "whose: an account's id"),
        ("ended" = Option<bool>, Query, description = "also those that have ended [false]"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<u32>, Query, description = "1 to 100 [50]"),
    ),
    responses((status = 200, description = "A page", body = AppointmentPage))
)]
pub(super) async fn list(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    asked: Asked,
) -> Result<Response, Problem> {
    let mut asked = Parameters::new(asked)?;
    let of = asked.parsed("account", "an account's id", |text| text.parse::<AccountId>().ok());
    let ended = asked.parsed("ended", "true or false", |text| text.parse().ok()).unwrap_or(false);
    let (after, limit) = (asked.after::<AppointmentId>("given"), asked.limit());
    asked.finish()?;
    let (found, next) = app.appointment_list(&member, of, ended, (after, limit)).await?;
    let appointments = found.iter().map(AppointmentView::from).collect();
    Ok(answer(StatusCode::OK, None, &AppointmentPage { appointments, next }))
}

/// Appoints somebody, not oneself.
#[utoipa::path(
    post, path = "/appointments", tag = "appointments", operation_id = "give_appointment",
    request_body = SentAppointment,
    responses((status = 201, description = "It is given", body = NewAppointment))
)]
pub(super) async fn give(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    mut fields: Fields,
) -> Result<Response, Problem> {
    let now = clock::now();
    let account = fields.parsed("account", "an account's id", |text| text.parse::<AccountId>().ok());
    let appointment = fields.parsed("appointment", "an appointment, as approver:12", |text| text.parse().ok());
    let time = |text: &str| contract::instant::parse(text).ok();
    let from = fields.optional_parsed("valid_from", "a date or a time", time).unwrap_or(now);
    let to = fields.optional_parsed("valid_to", "a date or a time", time);
    fields.finish()?;
    let (Some(account), Some(appointment)) = (account, appointment) else {
        return Err(Problem::field("", "missing", "the appointment is not whole"));
    };
    let appointment: Appointment = appointment;
    if to.is_some_and(|to| to <= from) {
        return Err(Problem::field("/valid_to", "period", "the appointment would end before it begins"));
    }
    let id = app.appoint(&member, account, &appointment, (from, to)).await?;
    Ok(answer(StatusCode::CREATED, None, &NewAppointment { id: id.to_string() }))
}

/// Ends an appointment.
#[utoipa::path(
    post, path = "/appointments/{id}/end", tag = "appointments", operation_id = "end_appointment",
    request_body = SentEnd,
    params(("id" = String, Path, description = "the appointment's id")),
    responses((status = 200, description = "It has ended", body = AppointmentView))
)]
pub(super) async fn end(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    Id(appointment): Id<AppointmentId>,
    mut fields: Fields,
) -> Result<Response, Problem> {
    let read = |text: &str| Why::parse(text).filter(|why| ENDS.contains(why));
    let why = fields.parsed("why", "other_duty, leaves or mistake", read);
    fields.finish()?;
    let Some(why) = why else { return Err(Problem::field("/why", "missing", "is missing")) };
    let given = app.end_appointment(&member, appointment, why).await?;
    Ok(answer(StatusCode::OK, None, &AppointmentView::from(&given)))
}

impl App {
    /// Appointments, and the next page's cursor if there is one: one's own; for who appoints, those of one account or
    /// of all.
    pub(in crate::web) async fn appointment_list(
        &self,
        member: &Member,
        of: Option<AccountId>,
        ended: bool,
        (after, limit): (Option<(Micros, AppointmentId)>, u32),
    ) -> Result<(Vec<Given>, Option<String>), Problem> {
        let appoints = appoints(member);
        let of = match of {
            Some(account) if account != member.account && !appoints => return Err(Problem::lacking(Action::Appoint)),
            None if !appoints => Some(member.account),
            of => of,
        };
        let found = self.store.appointment_page(of, ended, after, limit + 1).await;
        let mut found = found.map_err(|error| refused(&error))?;
        let more = found.len() > limit as usize;
        found.truncate(limit as usize);
        let next = found.last().filter(|_| more).map(|last| cursor("given", last.given, &last.id));
        Ok((found, next))
    }

    /// Appoints somebody.
    pub(in crate::web) async fn appoint(
        &self,
        member: &Member,
        account: AccountId,
        appointment: &Appointment,
        period: (Micros, Option<Micros>),
    ) -> Result<AppointmentId, Problem> {
        let now = clock::now();
        let signature = self.sign(member, now).await?;
        let given = self.office.appoint(now, by(&member.caller), &signature, account, appointment, period).await;
        given.map_err(|error| match error {
            StoreError::Absent(_) => Problem::field("/account", "refused", "there is no such account"),
            error => Problem::from_store(&error, Action::Appoint),
        })
    }

    /// Ends an appointment.
    pub(in crate::web) async fn end_appointment(
        &self,
        member: &Member,
        appointment: AppointmentId,
        why: Why,
    ) -> Result<Given, Problem> {
        let now = clock::now();
        let signature = self.sign(member, now).await?;
        let ended = self.office.end_appointment(now, by(&member.caller), &signature, appointment, why).await;
        ended.map_err(|error| Problem::from_store(&error, Action::Appoint))
    }
}
