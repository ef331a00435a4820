//! Certificates of devices: the present one, the next one, and those before.

use super::{device, read_fingerprint};
use crate::devices::{Certificate, Device, KeyHash, Renewal};
use crate::store::{Change, Store, StoreError, parsed, taken};
use contract::Micros;
use contract::directory::NextCertificate;
use contract::id::{AccountId, CertFingerprint, DeviceId};
use contract::record::AuthEventKind;
use sqlx::{AnyConnection, Row};

/// How many certificates one device is given within a day: more is a program that has lost its way.
const A_DAY_MAX: i64 = 10;
const DAY: Micros = 86_400 * 1_000_000;

/// Where a certificate stands with its device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Given, and not used yet.
    Next,
    /// In use. When another has taken its place it is past, which is written nowhere but in [`Change::put_past`].
    Present,
}

impl Stage {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Present => "present",
        }
    }
}

impl Store {
    /// Devices whose certificate ends within a time, and who have not been given another.
    pub async fn devices_expiring(&self, now: Micros, until: Micros) -> Result<i64, StoreError> {
        let count = sqlx::query_scalar(
            "SELECT COUNT(*) FROM device WHERE revoked IS NULL AND not_after > $1 AND not_after <= $2 \
             AND NOT EXISTS (SELECT 1 FROM device_certificate n WHERE n.device = device.id AND n.stage = 'next')",
        )
        .bind(now)
        .bind(until)
        .fetch_one(&mut *self.read().await?)
        .await?;
        Ok(count)
    }
}

impl Change {
    /// Whether a device may have its next certificate, for this key.
    ///
    /// `renewal`: asked for by the device itself, by this certificate, which must be the present or the next one, and not
    /// too early. Without it an administrator gives it.
    pub async fn may_renew(
        &mut self,
        id: DeviceId,
        renewal: Option<(CertFingerprint, Renewal)>,
        key: Option<&KeyHash>,
    ) -> Result<Device, StoreError> {
        let mut renewed = device(&mut self.tx, id).await?.ok_or(StoreError::Absent("device"))?;
        if renewed.revoked.is_some() {
            return Err(StoreError::Absent("device that is in use"));
        }
        if let Some((presented, rule)) = renewal {
            if next_of(&mut self.tx, id).await?.is_some_and(|next| next.fingerprint == presented) {
                // Who shows it has it: that is its first use.
                renewed = self.count_next(renewed).await?;
            }
            if renewed.fingerprint != presented {
                return Err(StoreError::Absent("certificate that is in use"));
            }
            rule.check(renewed.not_before, renewed.not_after, self.at)?;
        }
        let lately: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM device_certificate WHERE device = $1 AND issued > $2")
                .bind(id.to_string())
                .bind(self.at.saturating_sub(DAY))
                .fetch_one(&mut *self.tx)
                .await?;
        if lately >= A_DAY_MAX {
            return Err(StoreError::TooMany("certificates of this device within a day"));
        }
        self.key_is_free(key, Some(id)).await?;
        Ok(renewed)
    }

    /// Gives a device its next certificate, if it may have one ([`Change::may_renew`]). The present one stays good until that is
    /// used.
    pub async fn renew_device(
        &mut self,
        id: DeviceId,
        renewal: Option<(CertFingerprint, Renewal)>,
        certificate: &Certificate,
    ) -> Result<Device, StoreError> {
        let renewed = self.may_renew(id, renewal, certificate.key.as_ref()).await?;
        self.put_past(id, Stage::Next).await?;
        let by = self.by.account;
        self.keep_certificate(id, certificate, by, Stage::Next).await?;
        self.tell_of(&renewed, AuthEventKind::DeviceRenewed, &format!("issued serial={}", certificate.serial)).await?;
        Ok(renewed)
    }

    /// Notes that a gateway has seen a device by this certificate. The first use of the next one ends the one before.
    pub async fn use_device(&mut self, fingerprint: CertFingerprint, used: Micros) -> Result<(), StoreError> {
        let row = sqlx::query(
            "SELECT device, stage FROM device_certificate WHERE fingerprint = $1 AND ended IS NULL AND stage <> 'past'",
        )
        .bind(fingerprint.to_string())
        .fetch_optional(&mut *self.tx)
        .await?;
        let Some(row) = row else { return Ok(()) };
        let id: DeviceId = parsed(row.try_get("device")?, "device id")?;
        if row.try_get::<&str, _>("stage")? == Stage::Next.as_str() {
            let device = device(&mut self.tx, id).await?.ok_or(StoreError::Damaged("device"))?;
            self.count_next(device).await?;
        }
        sqlx::query("UPDATE device SET last_used = $2 WHERE id = $1 AND (last_used IS NULL OR last_used < $2)")
            .bind(id.to_string())
            .bind(used.min(self.at))
            .execute(&mut *self.tx)
            .await?;
        Ok(())
    }

    /// The next certificate takes the present one's place.
    async fn count_next(&mut self, device: Device) -> Result<Device, StoreError> {
        let row = sqlx::query(
            "SELECT serial, fingerprint, not_before, not_after FROM device_certificate WHERE device = $1 AND stage = 'next'",
        )
        .bind(device.id.to_string())
        .fetch_one(&mut *self.tx)
        .await?;
        let device = Device {
            serial: row.try_get("serial")?,
            fingerprint: read_fingerprint(row.try_get("fingerprint")?)?,
            not_before: row.try_get("not_before")?,
            not_after: row.try_get("not_after")?,
            ..device
        };
        self.put_past(device.id, Stage::Present).await?;
        sqlx::query("UPDATE device_certificate SET stage = 'present' WHERE device = $1 AND stage = 'next'")
            .bind(device.id.to_string())
            .execute(&mut *self.tx)
            .await?;
        sqlx::query("UPDATE device SET serial = $2, fingerprint = $3, not_before = $4, not_after = $5 WHERE id = $1")
            .bind(device.id.to_string())
            .bind(device.serial.as_str())
            .bind(device.fingerprint.to_string())
            .bind(device.not_before)
            .bind(device.not_after)
            .execute(&mut *self.tx)
            .await?;
        self.tell_of(&device, AuthEventKind::DeviceRenewed, &format!("in use serial={}", device.serial)).await?;
        Ok(device)
    }

    async fn put_past(&mut self, id: DeviceId, stage: Stage) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE device_certificate SET stage = 'past', ended = $3, why = 'superseded' WHERE device = $1 AND stage = $2",
        )
        .bind(id.to_string())
        .bind(stage.as_str())
        .bind(self.at)
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    pub(super) async fn keep_certificate(
        &mut self,
        id: DeviceId,
        certificate: &Certificate,
        by: AccountId,
        stage: Stage,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO device_certificate (serial, device, fingerprint, public_key, not_before, not_after, issued, \
             issued_by, stage) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(certificate.serial.as_str())
        .bind(id.to_string())
        .bind(certificate.fingerprint.to_string())
        .bind(certificate.key.map(|key| key.to_string()))
        .bind(certificate.not_before)
        .bind(certificate.not_after)
        .bind(self.at)
        .bind(by.to_string())
        .bind(stage.as_str())
        .execute(&mut *self.tx)
        .await
        .map_err(taken("device's certificate"))?;
        Ok(())
    }

    /// Whether no other device has, or ever had, this key.
    pub(super) async fn key_is_free(&mut self, key: Option<&KeyHash>, of: Option<DeviceId>) -> Result<(), StoreError> {
        let Some(key) = key else { return Ok(()) };
        let others: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM device_certificate WHERE public_key = $1 AND device <> $2")
                .bind(key.to_string())
                .bind(of.unwrap_or(DeviceId::NONE).to_string())
                .fetch_one(&mut *self.tx)
                .await?;
        if others == 0 { Ok(()) } else { Err(StoreError::Taken("request's key")) }
    }
}

/// The certificate that a device was given and has not used.
pub(super) async fn next_of(
    connection: &mut AnyConnection,
    id: DeviceId,
) -> Result<Option<NextCertificate>, StoreError> {
    let row = sqlx::query("SELECT fingerprint, not_after FROM device_certificate WHERE device = $1 AND stage = 'next'")
        .bind(id.to_string())
        .fetch_optional(connection)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let fingerprint = read_fingerprint(row.try_get("fingerprint")?)?;
    Ok(Some(NextCertificate { fingerprint, not_after: row.try_get("not_after")? }))
}
