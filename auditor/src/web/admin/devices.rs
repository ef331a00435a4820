//! Devices: their list, one of them, enrolling and revoking.

mod reach;
pub(super) mod view;

use super::body::Fields;
use super::member::Member;
use super::problem::{Kind, Problem};
use super::query::{Asked, Parameters, cursor};
use super::{Id, answer, refused};
use crate::clock;
use crate::devices::{DeviceName, Why};
use crate::duties::Action;
use crate::issuing::{Asker, FileForm, NewDevice};
use crate::pki::Request;
use crate::store::{DeviceOrder, Listed, WantedDevices};
use crate::web::App;
use crate::web::attempt::by;
use axum::Extension;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::Response;
use contract::id::{DeviceId, HsaId};
pub(super) use reach::{reach, reaches};
use std::sync::Arc;
use utoipa::ToSchema;
use view::{DeviceFileView, DevicePage, DeviceView, GivenView};

/// A device to be enrolled with the key of a request.
#[derive(ToSchema)]
#[expect(dead_code, reason = "says what a body has; it is read by `Fields`")]
pub(super) struct SentDevice {
    /// The HSA-id of its organisation.
    organisation: String,
    /// What people call it, up to 64 characters: the certificate's common name.
    name: String,
    /// A certificate request (PKCS#10, PEM). Only its key counts.
    csr: String,
}

/// A device to be enrolled with a key that is made here.
#[derive(ToSchema)]
#[expect(dead_code, reason = "says what a body has; it is read by `Fields`")]
pub(super) struct SentDeviceFile {
    /// The HSA-id of its organisation.
    organisation: String,
    /// What people call it, up to 64 characters: the certificate's common name.
    name: String,
    /// pkcs12, pkcs12_legacy (for iOS, and macOS, Windows or Android that are old) or mobileconfig (iOS, macOS).
    form: String,
}

/// A device's next certificate, with a key that is made here.
#[derive(ToSchema)]
#[expect(dead_code, reason = "says what a body has; it is read by `Fields`")]
pub(super) struct SentNextFile {
    /// pkcs12, pkcs12_legacy or mobileconfig.
    form: String,
}

/// Why a device is revoked.
#[derive(ToSchema)]
#[expect(dead_code, reason = "says what a body has; it is read by `Fields`")]
pub(super) struct SentRevocation {
    /// lost, stolen, key_compromised, replaced, out_of_use, leaves or mistake.
    why: String,
}

const FORMS: &str = "pkcs12, pkcs12_legacy or mobileconfig";
const REQUEST: &str = "a certificate request (PKCS#10, PEM), signed with SHA-2 by its own key: ECDSA P-256 or P-384, Ed25519, \
                       or RSA of at least 2048 bits";
/// What ends within so many days ends soon.
const SOON_DAYS: i64 = 7;
const SEARCH_MAX: usize = 64;

/// The devices that one's duties reach.
#[utoipa::path(
    get, path = "/devices", tag = "devices", operation_id = "list_devices",
    params(
        ("organisation" = Option<String>, Query, description = "of this organisation: its HSA-id"),
        ("search" = Option<String>, Query, description = "in the name, or how serial number or fingerprint begin"),
        ("state" = Option<String>, Query, description = "active, expiring (within 7 days, or over) or revoked"),
        ("sort" = Option<String>, Query, description = "newest, expires or unused [newest]"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<u32>, Query, description = "1 to 100 [50]"),
    ),
    responses((status = 200, description = "A page", body = DevicePage))
)]
pub(super) async fn list(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    asked: Asked,
) -> Result<Response, Problem> {
    let now = clock::now();
    let mut asked = Parameters::new(asked)?;
    let organisation = asked.parsed("organisation", "an HSA-id", |text| HsaId::parse(text).ok());
    let fits = |text: &str| !text.is_empty() && text.chars().count() <= SEARCH_MAX;
    let search = asked.parsed("search", "1 to 64 characters", |text| Some(text.trim().to_owned()).filter(|t| fits(t)));
    let read = |text: &str| match text {
        "active" => Some((Some(false), None)),
        "expiring" => Some((None, Some(now.saturating_add(SOON_DAYS * clock::DAY)))),
        "revoked" => Some((Some(true), None)),
        _ => None,
    };
    let (revoked, ends_before) = asked.parsed("state", "active, expiring or revoked", read).unwrap_or((None, None));
    let read = |text: &str| match text {
        "newest" => Some((DeviceOrder::Newest, "newest")),
        "expires" => Some((DeviceOrder::Expires, "expires")),
        "unused" => Some((DeviceOrder::Unused, "unused")),
        _ => None,
    };
    let sort = asked.parsed("sort", "newest, expires or unused", read);
    let (order, name) = sort.unwrap_or((DeviceOrder::Newest, "newest"));
    let (after, limit) = (asked.after::<DeviceId>(name), asked.limit());
    asked.finish()?;
    let organisations = reach(&member, organisation)?;
    let wanted = WantedDevices { organisations, search, revoked, ends_before, order, after, limit: limit + 1 };
    let mut found = app.store.device_page(&wanted).await.map_err(|error| refused(&error))?;
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let next = found.last().filter(|_| more).map(|last| cursor(name, order.of(last), &last.device.id));
    let devices = found.iter().map(|listed| DeviceView::new(listed, now)).collect();
    Ok(answer(StatusCode::OK, None, &DevicePage { devices, next }))
}

/// A device.
#[utoipa::path(
    get, path = "/devices/{id}", tag = "devices", operation_id = "read_device",
    params(("id" = String, Path, description = "the device's id")),
    responses((status = 200, description = "The device", body = DeviceView))
)]
pub(super) async fn show(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    Id(id): Id<DeviceId>,
) -> Result<Response, Problem> {
    let listed = app.visible_device(&member, id, "see").await?;
    Ok(answer(StatusCode::OK, None, &DeviceView::new(&listed, clock::now())))
}

/// Enrols a device with the key of a certificate request.
#[utoipa::path(
    post, path = "/devices", tag = "devices", operation_id = "enrol_device", request_body = SentDevice,
    responses((status = 201, description = "It is enrolled", body = GivenView))
)]
pub(super) async fn enrol(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    mut fields: Fields,
) -> Result<Response, Problem> {
    let new = new_device(&mut fields);
    let request = fields.parsed("csr", REQUEST, |text| Request::read(text.as_bytes()).ok());
    fields.finish()?;
    let (Some(new), Some(request)) = (new, request) else { return Err(not_whole()) };
    let now = clock::now();
    let signature = app.sign(&member, now).await?;
    let given = app.issuing.enrol_request(now, by(&member.caller), Asker::Signed(&signature), &new, &request).await;
    let given = given.map_err(|error| Problem::from_issue(&error))?;
    Ok(answer(StatusCode::CREATED, None, &GivenView::from(&given)))
}

/// Enrols a device with a key that is made here. The file and its pass phrase are answered once, and kept nowhere.
#[utoipa::path(
    post, path = "/device-files", tag = "devices", operation_id = "enrol_device_file", request_body = SentDeviceFile,
    responses((status = 201, description = "It is enrolled", body = DeviceFileView))
)]
pub(super) async fn enrol_file(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    mut fields: Fields,
) -> Result<Response, Problem> {
    let new = new_device(&mut fields);
    let form = fields.parsed("form", FORMS, FileForm::parse);
    fields.finish()?;
    let (Some(new), Some(form)) = (new, form) else { return Err(not_whole()) };
    let now = clock::now();
    let signature = app.sign(&member, now).await?;
    let made = app.issuing.enrol_file(now, by(&member.caller), Asker::Signed(&signature), &new, form).await;
    let (given, file) = made.map_err(|error| Problem::from_issue(&error))?;
    Ok(answer(StatusCode::CREATED, None, &DeviceFileView::new(&given, &file)))
}

/// Gives a device its next certificate, with a key that is made here. The present one stays good until this one is used.
#[utoipa::path(
    post, path = "/devices/{id}/renew", tag = "devices", operation_id = "renew_device_file",
    request_body = SentNextFile,
    params(("id" = String, Path, description = "the device's id")),
    responses((status = 201, description = "It is given", body = DeviceFileView))
)]
pub(super) async fn renew_file(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    Id(id): Id<DeviceId>,
    mut fields: Fields,
) -> Result<Response, Problem> {
    let form = fields.parsed("form", FORMS, FileForm::parse);
    fields.finish()?;
    let Some(form) = form else { return Err(not_whole()) };
    app.visible_device(&member, id, "renew").await?;
    let now = clock::now();
    let signature = app.sign(&member, now).await?;
    let made = app.issuing.renew_file(now, by(&member.caller), Asker::Signed(&signature), id, form).await;
    let (given, file) = made.map_err(|error| Problem::from_issue(&error))?;
    Ok(answer(StatusCode::CREATED, None, &DeviceFileView::new(&given, &file)))
}

/// Revokes a device: it is shut out everywhere at once, for good.
#[utoipa::path(
    post, path = "/devices/{id}/revoke", tag = "devices", operation_id = "revoke_device",
    request_body = SentRevocation,
    params(("id" = String, Path, description = "the device's id")),
    responses((status = 200, description = "It is revoked", body = DeviceView))
)]
pub(super) async fn revoke(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    Id(id): Id<DeviceId>,
    mut fields: Fields,
) -> Result<Response, Problem> {
    let why = fields.parsed("why", Why::TO_REVOKE_WORDS, Why::to_revoke);
    fields.finish()?;
    let Some(why) = why else { return Err(not_whole()) };
    app.visible_device(&member, id, "revoke").await?;
    let now = clock::now();
    let signature = app.sign(&member, now).await?;
    let done = app.issuing.revoke(now, by(&member.caller), Asker::Signed(&signature), id, why).await;
    done.map_err(|error| Problem::from_issue(&error))?;
    let listed = app.visible_device(&member, id, "see").await?;
    Ok(answer(StatusCode::OK, None, &DeviceView::new(&listed, now)))
}

/// Organisation and name, as a body says them.
pub(super) fn new_device(fields: &mut Fields) -> Option<NewDevice> {
    let organisation = fields.parsed("organisation", "an HSA-id", |text| HsaId::parse(text).ok());
    let name = fields.parsed("name", "1 to 64 characters in one line", |text| DeviceName::parse(text).ok());
    Some(NewDevice { organisation: organisation?, name: name? })
}

/// What [`Fields::finish`] has told already, in a way that the compiler sees.
pub(super) fn not_whole() -> Problem {
    Problem::field("", "missing", "something is missing")
}

impl App {
    /// A device that a member may know of. If they may not, that they tried is on record, and it is not there for them.
    async fn visible_device(&self, member: &Member, id: DeviceId, wanted: &str) -> Result<Listed, Problem> {
        let found = self.store.listed_device(id).await.map_err(|error| refused(&error))?;
        let listed = found.ok_or(Kind::NotFound)?;
        if reaches(member, Action::SeeDevices, &listed.device.organisation) {
            return Ok(listed);
        }
        self.hide(member, None, &format!("{wanted} device={id}")).await
    }
}
