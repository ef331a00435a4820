//! Organisations and devices.

mod certificates;
mod codes;
mod crl;
mod list;
mod office;

pub use crl::Crl;
pub(super) use list::marks;
pub use list::{Listed, Order as DeviceOrder, Wanted as WantedDevices};

use super::{Change, Store, StoreError, parsed, taken};
use crate::devices::{Certificate, Device, KeyHash, Organisation, Why};
use crate::sessions::End;
use certificates::Stage;
use contract::Micros;
use contract::directory::{self, Entry, NextCertificate};
use contract::id::{CertFingerprint, DeviceId, HsaId};
use contract::record::AuthEventKind;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

const COLUMNS: &str =
    "id, organisation, name, serial, fingerprint, not_before, not_after, enrolled, enrolled_by, revoked";

impl Store {
    /// A device.
    pub async fn device(&self, id: DeviceId) -> Result<Option<Device>, StoreError> {
        device(&mut *self.read().await?, id).await
    }

    /// All devices, the newest first.
    pub async fn devices(&self, limit: u32) -> Result<Vec<Device>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM device ORDER BY enrolled DESC, id LIMIT $1"));
        let rows = sqlx::query(sql).bind(i64::from(limit)).fetch_all(&mut *self.read().await?).await?;
        rows.iter().map(read_device).collect()
    }

    /// An organisation.
    pub async fn organisation(&self, hsa: &HsaId) -> Result<Option<Organisation>, StoreError> {
        let row = sqlx::query("SELECT hsa, name, created FROM organisation WHERE hsa = $1")
            .bind(hsa.as_str())
            .fetch_optional(&mut *self.read().await?)
            .await?;
        row.as_ref().map(read_organisation).transpose()
    }

    /// All organisations.
    pub async fn organisations(&self) -> Result<Vec<Organisation>, StoreError> {
        let rows = sqlx::query("SELECT hsa, name, created FROM organisation ORDER BY hsa")
            .fetch_all(&mut *self.read().await?)
            .await?;
        rows.iter().map(read_organisation).collect()
    }
}

impl Change {
    /// Adds an organisation.
    pub async fn add_organisation(&mut self, organisation: &Organisation) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO organisation (hsa, name, created) VALUES ($1, $2, $3)")
            .bind(organisation.hsa.as_str())
            .bind(organisation.name.as_str())
            .bind(organisation.created)
            .execute(&mut *self.tx)
            .await
            .map_err(taken("organisation's HSA-id"))?;
        let mut event = self.event(AuthEventKind::DataImported, contract::id::AccountId::NONE);
        event.device_org = organisation.hsa.text();
        event.detail = format!("{} organisation added", self.by.channel).into();
        self.record(event).await
    }

    /// Enrols a device whose key is not known. Its organisation must be there.
    pub async fn enrol_device(&mut self, device: &Device) -> Result<(), StoreError> {
        self.enrol_device_with(device, None).await
    }

    /// Whether a device may be enrolled for an organisation, with this key.
    pub async fn may_enrol(&mut self, organisation: &HsaId, key: Option<&KeyHash>) -> Result<(), StoreError> {
        self.organisation_is_there(organisation).await?;
        self.key_is_free(key, None).await
    }

    /// Enrols a device with the key of its certificate, which no other device has or has had. Its organisation must be there.
    pub async fn enrol_device_with(&mut self, device: &Device, key: Option<KeyHash>) -> Result<(), StoreError> {
        self.may_enrol(&device.organisation, key.as_ref()).await?;
        sqlx::query(
            "INSERT INTO device (id, organisation, name, serial, fingerprint, not_before, not_after, enrolled, enrolled_by, \
             folded) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        )
        .bind(device.id.to_string())
        .bind(device.organisation.as_str())
        .bind(device.name.as_str())
        .bind(device.serial.as_str())
        .bind(device.fingerprint.to_string())
        .bind(device.not_before)
        .bind(device.not_after)
        .bind(device.enrolled)
        .bind(device.enrolled_by.to_string())
        .bind(device.name.to_lowercase())
        .execute(&mut *self.tx)
        .await
        .map_err(taken("device's certificate"))?;
        let certificate = Certificate {
            serial: device.serial.clone(),
            fingerprint: device.fingerprint,
            key,
            not_before: device.not_before,
            not_after: device.not_after,
        };
        self.keep_certificate(device.id, &certificate, device.enrolled_by, Stage::Present).await?;
        self.tell_of(device, AuthEventKind::DeviceEnrolled, &format!("serial={}", device.serial)).await
    }

    /// Revokes a device: its sessions end with it.
    pub async fn revoke_device(&mut self, id: DeviceId, why: Why) -> Result<Device, StoreError> {
        let device = device(&mut self.tx, id).await?.ok_or(StoreError::Absent("device"))?.revoke(self.at)?;
        sqlx::query("UPDATE device SET revoked = $2, revoked_by = $3, revoked_why = $4 WHERE id = $1")
            .bind(id.to_string())
            .bind(device.revoked)
            .bind(self.by.account.to_string())
            .bind(why.as_str())
            .execute(&mut *self.tx)
            .await?;
        sqlx::query("UPDATE device_certificate SET ended = $2, why = $3 WHERE device = $1 AND ended IS NULL")
            .bind(id.to_string())
            .bind(self.at)
            .bind(why.as_str())
            .execute(&mut *self.tx)
            .await?;
        self.tell_of(&device, AuthEventKind::DeviceRevoked, &format!("why={why}")).await?;
        self.end_sessions_of_device(id, End::Device).await?;
        Ok(device)
    }

    /// A device, as this change sees it.
    pub async fn device(&mut self, id: DeviceId) -> Result<Option<Device>, StoreError> {
        device(&mut self.tx, id).await
    }

    /// Tells the gateways of a device as it is now, and the audit log what was done with it.
    async fn tell_of(&mut self, device: &Device, kind: AuthEventKind, detail: &str) -> Result<(), StoreError> {
        let next = certificates::next_of(&mut self.tx, device.id).await?;
        self.publish(&Entry::Device(device.entry(next))).await?;
        let mut event = self.event(kind, contract::id::AccountId::NONE);
        event.device = device.id;
        event.device_cert = device.fingerprint;
        event.device_org = device.organisation.text();
        event.detail = format!("{} {detail}", self.by.channel).into();
        self.record(event).await
    }

    async fn organisation_is_there(&mut self, hsa: &HsaId) -> Result<(), StoreError> {
        let known: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM organisation WHERE hsa = $1")
            .bind(hsa.as_str())
            .fetch_one(&mut *self.tx)
            .await?;
        if known == 0 { Err(StoreError::Absent("organisation")) } else { Ok(()) }
    }
}

pub(super) async fn device(connection: &mut AnyConnection, id: DeviceId) -> Result<Option<Device>, StoreError> {
    let sql = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM device WHERE id = $1"));
    let row = sqlx::query(sql).bind(id.to_string()).fetch_optional(connection).await?;
    row.as_ref().map(read_device).transpose()
}

/// Devices with a certificate that has not ended: revoked ones too, so that a refusal can tell why.
pub(super) async fn current_devices(
    connection: &mut AnyConnection,
    now: Micros,
) -> Result<Vec<directory::Device>, StoreError> {
    let rows = sqlx::query(
        "SELECT d.id, d.organisation, d.name, d.serial, d.fingerprint, d.not_before, d.not_after, d.enrolled, \
         d.enrolled_by, d.revoked, n.fingerprint AS next_fingerprint, n.not_after AS next_not_after FROM device d \
         LEFT JOIN device_certificate n ON n.device = d.id AND n.stage = 'next' \
         WHERE d.not_after > $1 OR n.not_after > $1 ORDER BY d.id",
    )
    .bind(now)
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| Ok(read_device(row)?.entry(read_next(row)?))).collect()
}

fn read_next(row: &AnyRow) -> Result<Option<NextCertificate>, StoreError> {
    let (Some(fingerprint), Some(not_after)) =
        (row.try_get::<Option<String>, _>("next_fingerprint")?, row.try_get::<Option<Micros>, _>("next_not_after")?)
    else {
        return Ok(None);
    };
    Ok(Some(NextCertificate { fingerprint: read_fingerprint(fingerprint)?, not_after }))
}

fn read_fingerprint(text: String) -> Result<CertFingerprint, StoreError> {
    CertFingerprint::try_from(text).map_err(|_| StoreError::Damaged("fingerprint"))
}

fn read_device(row: &AnyRow) -> Result<Device, StoreError> {
    Ok(Device {
        id: parsed(row.try_get("id")?, "device id")?,
        organisation: parsed(row.try_get("organisation")?, "HSA-id")?,
        name: row.try_get("name")?,
        serial: row.try_get("serial")?,
        fingerprint: read_fingerprint(row.try_get("fingerprint")?)?,
        not_before: row.try_get("not_before")?,
        not_after: row.try_get("not_after")?,
        enrolled: row.try_get("enrolled")?,
        enrolled_by: parsed(row.try_get("enrolled_by")?, "account id")?,
        revoked: row.try_get("revoked")?,
    })
}

fn read_organisation(row: &AnyRow) -> Result<Organisation, StoreError> {
    Ok(Organisation {
        hsa: parsed(row.try_get("hsa")?, "HSA-id")?,
        name: row.try_get("name")?,
        created: row.try_get("created")?,
    })
}
