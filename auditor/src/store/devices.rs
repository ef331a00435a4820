//! Organisations and devices.

use super::{Change, Store, StoreError, parsed, taken};
use crate::devices::{Device, Organisation};
use crate::sessions::End;
use contract::Micros;
use contract::directory::Entry;
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
        Ok(())
    }

    /// Enrols a device. Its organisation must be there.
    pub async fn enrol_device(&mut self, device: &Device) -> Result<(), StoreError> {
        let known: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM organisation WHERE hsa = $1")
            .bind(device.organisation.as_str())
            .fetch_one(&mut *self.tx)
            .await?;
        if known == 0 {
            return Err(StoreError::Absent("organisation"));
        }
        sqlx::query(
            "INSERT INTO device (id, organisation, name, serial, fingerprint, not_before, not_after, enrolled, enrolled_by) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
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
        .execute(&mut *self.tx)
        .await
        .map_err(taken("device's certificate"))?;
        self.tell_of(device, AuthEventKind::DeviceEnrolled).await
    }

    /// Revokes a device: its sessions end with it.
    pub async fn revoke_device(&mut self, id: DeviceId) -> Result<Device, StoreError> {
        let device = device(&mut self.tx, id).await?.ok_or(StoreError::Absent("device"))?.revoke(self.at)?;
        sqlx::query("UPDATE device SET revoked = $2, revoked_by = $3 WHERE id = $1")
            .bind(id.to_string())
            .bind(device.revoked)
            .bind(self.by.account.to_string())
            .execute(&mut *self.tx)
            .await?;
        self.tell_of(&device, AuthEventKind::DeviceRevoked).await?;
        self.end_sessions_of_device(id, End::Device).await?;
        Ok(device)
    }

    async fn tell_of(&mut self, device: &Device, kind: AuthEventKind) -> Result<(), StoreError> {
        self.publish(&Entry::Device(device.entry())).await?;
        let mut event = self.event(kind, contract::id::AccountId::NONE);
        event.device = device.id;
        event.device_cert = device.fingerprint;
        event.device_org = device.organisation.text();
        self.record(event).await
    }
}

pub(super) async fn device(connection: &mut AnyConnection, id: DeviceId) -> Result<Option<Device>, StoreError> {
    let sql = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM device WHERE id = $1"));
    let row = sqlx::query(sql).bind(id.to_string()).fetch_optional(connection).await?;
    row.as_ref().map(read_device).transpose()
}

/// Devices whose certificate has not ended: revoked ones too, so that a refusal can tell why.
pub(super) async fn current_devices(connection: &mut AnyConnection, now: Micros) -> Result<Vec<Device>, StoreError> {
    let sql = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM device WHERE not_after > $1 ORDER BY id"));
    let rows = sqlx::query(sql).bind(now).fetch_all(connection).await?;
    rows.iter().map(read_device).collect()
}

fn read_device(row: &AnyRow) -> Result<Device, StoreError> {
    let fingerprint: String = row.try_get("fingerprint")?;
    Ok(Device {
        id: parsed(row.try_get("id")?, "device id")?,
        organisation: parsed(row.try_get("organisation")?, "HSA-id")?,
        name: row.try_get("name")?,
        serial: row.try_get("serial")?,
        fingerprint: CertFingerprint::try_from(fingerprint).map_err(|_| StoreError::Damaged("fingerprint"))?,
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
