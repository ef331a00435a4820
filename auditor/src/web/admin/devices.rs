//! Devices: their list, one of them, enrolling and revoking.

pub(in crate::web) mod deeds;
mod reach;
pub(in crate::web) mod view;

use super::body::Fields;
use super::member::Member;
use super::problem::Problem;
use super::query::{Asked, Parameters};
use super::{Id, answer};
use crate::clock;
use crate::web::App;
use axum::Extension;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::Response;
use contract::id::DeviceId;
use deeds::List;
pub(in crate::web) use reach::reaches;
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
    let (found, next) = app.device_list(&member, List::read(Parameters::new(asked)?, now)?).await?;
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
    fields: Fields,
) -> Result<Response, Problem> {
    let given = app.enrol_request(&member, &deeds::with_request(fields)?).await?;
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
    fields: Fields,
) -> Result<Response, Problem> {
    let (given, file) = app.enrol_file(&member, &deeds::with_form(fields, "form")?).await?;
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
    fields: Fields,
) -> Result<Response, Problem> {
    let (given, file) = app.renew_file(&member, id, deeds::form(fields, "form")?).await?;
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
    fields: Fields,
) -> Result<Response, Problem> {
    app.revoke_device(&member, id, deeds::why(fields)?).await?;
    let listed = app.visible_device(&member, id, "see").await?;
    Ok(answer(StatusCode::OK, None, &DeviceView::new(&listed, clock::now())))
}
