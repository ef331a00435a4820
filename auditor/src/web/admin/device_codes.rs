//! Codes that devices are enrolled by.

use super::body::Fields;
use super::devices::deeds;
use super::member::Member;
use super::problem::Problem;
use super::query::{Asked, Parameters};
use super::view::known;
use super::{Id, answer};
use crate::clock;
use crate::devices::DeviceCode;
use crate::web::App;
use axum::Extension;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::Response;
use contract::Micros;
use contract::id::DeviceCodeId;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// A code to be made.
#[derive(ToSchema)]
#[expect(dead_code, reason = "says what a body has; it is read by `Fields`")]
pub(super) struct SentDeviceCode {
    /// The HSA-id of the device's organisation.
    organisation: String,
    /// What people will call the device, up to 64 characters.
    name: String,
}

/// A code that was made. Answered once.
#[derive(Serialize, ToSchema)]
pub(super) struct NewDeviceCode {
    /// The code's id.
    id: String,
    /// The code: the password at the enrolment listener.
    code: String,
    /// Until when it is good.
    expires: String,
}

/// A code as it is kept: not the code itself.
#[derive(Serialize, ToSchema)]
pub(super) struct DeviceCodeView {
    /// Its id.
    id: String,
    /// Its first group, to tell it from others.
    prefix: String,
    /// The HSA-id of the device's organisation.
    organisation: String,
    /// What people will call the device.
    name: String,
    /// open, expired or spent (tried too often).
    state: &'static str,
    /// When it was made.
    issued: String,
    /// By whom: an account's id; null: on the command line.
    issued_by: Option<String>,
    /// Until when it is good.
    expires: String,
    /// How often somebody had its first group and not the rest.
    tries: u32,
}

/// A page of codes.
#[derive(Serialize, ToSchema)]
pub(super) struct DeviceCodePage {
    /// Codes that have not been used or withdrawn, the newest first.
    codes: Vec<DeviceCodeView>,
    /// What to send as `cursor` for the next page; null: there is none.
    next: Option<String>,
}

/// A code that is good no more.
#[derive(Serialize, ToSchema)]
pub(super) struct WithdrawnCode {
    /// Its id.
    id: String,
}

impl DeviceCodeView {
    fn new(code: &DeviceCode, now: Micros) -> Self {
        Self {
            id: code.id.to_string(),
            prefix: code.prefix.clone(),
            organisation: code.organisation.to_string(),
            name: code.name.clone(),
            state: state(code, now),
            issued: clock::rfc3339(code.issued),
            issued_by: known(code.issued_by),
            expires: clock::rfc3339(code.expires),
            tries: code.tries,
        }
    }
}

/// Whether a code is open, expired or spent.
pub(in crate::web) fn state(code: &DeviceCode, now: Micros) -> &'static str {
    if code.open(now) {
        "open"
    } else if now >= code.expires {
        "expired"
    } else {
        "spent"
    }
}

/// The codes that one's duties reach, and that have not been used or withdrawn.
#[utoipa::path(
    get, path = "/device-codes", tag = "devices", operation_id = "list_device_codes",
    params(
        ("organisation" = Option<String>, Query, description = "of this organisation: its HSA-id"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<u32>, Query, description = "1 to 100 [50]"),
    ),
    responses((status = 200, description = "A page", body = DeviceCodePage))
)]
pub(super) async fn list(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    asked: Asked,
) -> Result<Response, Problem> {
    let (found, next) = app.code_list(&member, Parameters::new(asked)?).await?;
    let now = clock::now();
    let codes = found.iter().map(|code| DeviceCodeView::new(code, now)).collect();
    Ok(answer(StatusCode::OK, None, &DeviceCodePage { codes, next }))
}

/// Makes a code for one device. It is answered once, and kept as a hash only.
#[utoipa::path(
    post, path = "/device-codes", tag = "devices", operation_id = "issue_device_code",
    request_body = SentDeviceCode,
    responses((status = 201, description = "It is made", body = NewDeviceCode))
)]
pub(super) async fn issue(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    fields: Fields,
) -> Result<Response, Problem> {
    let made = app.issue_code(&member, &deeds::named(fields)?).await?;
    let view = NewDeviceCode {
        id: made.kept.id.to_string(),
        code: made.code.shown().to_string(),
        expires: clock::rfc3339(made.kept.expires),
    };
    Ok(answer(StatusCode::CREATED, None, &view))
}

/// Withdraws a code that was not used.
#[utoipa::path(
    post, path = "/device-codes/{id}/withdraw", tag = "devices", operation_id = "withdraw_device_code",
    params(("id" = String, Path, description = "the code's id")),
    responses((status = 200, description = "It is good no more", body = WithdrawnCode))
)]
pub(super) async fn withdraw(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    Id(id): Id<DeviceCodeId>,
    fields: Fields,
) -> Result<Response, Problem> {
    fields.finish()?;
    app.withdraw_code(&member, id).await?;
    Ok(answer(StatusCode::OK, None, &WithdrawnCode { id: id.to_string() }))
}
