//! Devices and certificates as they are answered.

use super::super::view::{known, time};
use crate::clock;
use crate::issuing::{DeviceFile, Given};
use crate::store::Listed;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use contract::Micros;
use serde::Serialize;
use utoipa::ToSchema;

/// A device.
#[derive(Serialize, ToSchema)]
pub(in crate::web::admin) struct DeviceView {
    /// Its id.
    id: String,
    /// The HSA-id of its organisation.
    organisation: String,
    /// What people call it.
    name: String,
    /// active, expired or revoked.
    state: &'static str,
    /// The serial number of its present certificate, in hexadecimal digits.
    serial: String,
    /// SHA-256 of its present certificate.
    fingerprint: String,
    /// Until when its present certificate holds.
    not_after: String,
    /// Until when the certificate holds that it has been given and not used yet; null: it has none.
    next_not_after: Option<String>,
    /// When it was enrolled.
    enrolled: String,
    /// By whom: an account's id; null: on the command line.
    enrolled_by: Option<String>,
    /// When it was last seen, to a minute or so; null: never yet.
    last_used: Option<String>,
    /// When it was revoked, if it was.
    revoked: Option<String>,
    /// Why it was revoked.
    revoked_why: Option<&'static str>,
}

/// A page of devices.
#[derive(Serialize, ToSchema)]
pub(in crate::web::admin) struct DevicePage {
    /// The devices.
    pub(super) devices: Vec<DeviceView>,
    /// What to send as `cursor` for the next page; null: there is none.
    pub(super) next: Option<String>,
}

/// A certificate that was given.
#[derive(Serialize, ToSchema)]
pub(in crate::web::admin) struct GivenView {
    /// The device's id.
    device: String,
    /// The certificate's serial number, in hexadecimal digits.
    serial: String,
    /// SHA-256 of the certificate.
    fingerprint: String,
    /// Until when it holds.
    not_after: String,
    /// The certificate, PEM.
    certificate: String,
    /// The authority's certificate, PEM.
    authority: String,
}

/// A certificate that was given, with its key, in a file. Answered once.
#[derive(Serialize, ToSchema)]
pub(in crate::web::admin) struct DeviceFileView {
    /// The device's id.
    device: String,
    /// Until when the certificate holds.
    not_after: String,
    /// What to call the file.
    file_name: String,
    /// Its media type.
    media_type: &'static str,
    /// It, in base64.
    content: String,
    /// What opens it.
    pass_phrase: String,
}

impl DeviceView {
    pub(super) fn new(listed: &Listed, now: Micros) -> Self {
        let device = &listed.device;
        Self {
            id: device.id.to_string(),
            organisation: device.organisation.to_string(),
            name: device.name.clone(),
            state: state(listed, now),
            serial: device.serial.clone(),
            fingerprint: device.fingerprint.to_string(),
            not_after: clock::rfc3339(device.not_after),
            next_not_after: time(listed.next.map(|next| next.not_after)),
            enrolled: clock::rfc3339(device.enrolled),
            enrolled_by: known(device.enrolled_by),
            last_used: time(listed.last_used),
            revoked: time(device.revoked),
            revoked_why: listed.why.map(crate::devices::Why::as_str),
        }
    }
}

/// Whether a device is active, expired or revoked.
pub(in crate::web) fn state(listed: &Listed, now: Micros) -> &'static str {
    let device = &listed.device;
    let until = listed.next.map_or(device.not_after, |next| next.not_after.max(device.not_after));
    match device.revoked {
        Some(_) => "revoked",
        None if until <= now => "expired",
        None => "active",
    }
}

impl From<&Given> for GivenView {
    fn from(given: &Given) -> Self {
        Self {
            device: given.device.to_string(),
            serial: given.certificate.serial.clone(),
            fingerprint: given.certificate.fingerprint.to_string(),
            not_after: clock::rfc3339(given.certificate.not_after),
            certificate: given.cert_pem.clone(),
            authority: given.authority_pem.clone(),
        }
    }
}

impl DeviceFileView {
    pub(super) fn new(given: &Given, file: &DeviceFile) -> Self {
        Self {
            device: given.device.to_string(),
            not_after: clock::rfc3339(given.certificate.not_after),
            file_name: file.name.clone(),
            media_type: file.media_type,
            content: STANDARD.encode(file.bytes.as_slice()),
            pass_phrase: file.pass_phrase.to_string(),
        }
    }
}
