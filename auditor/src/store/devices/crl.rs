//! The certificate revocation list, as it was last signed, and what the next one is made from.

use crate::devices::Why;
use crate::store::{Change, Store, StoreError};
use contract::Micros;
use sqlx::Row;

/// A list that was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crl {
    /// Its number: rises from list to list.
    pub number: u64,
    /// What it was made from: another stamp, another list.
    pub stamp: String,
    /// Its time.
    pub this_update: Micros,
    /// There is another by then.
    pub next_update: Micros,
    /// Its bytes.
    pub der: Vec<u8>,
}

impl Store {
    /// The list as it was last signed.
    pub async fn crl(&self) -> Result<Option<Crl>, StoreError> {
        let row = sqlx::query("SELECT number, stamp, this_update, next_update, der FROM device_crl")
            .fetch_optional(&mut *self.read().await?)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let number = row.try_get::<i64, _>("number")?;
        Ok(Some(Crl {
            number: u64::try_from(number).map_err(|_| StoreError::Damaged("number of the revocation list"))?,
            stamp: row.try_get("stamp")?,
            this_update: row.try_get("this_update")?,
            next_update: row.try_get("next_update")?,
            der: row.try_get("der")?,
        }))
    }

    /// What a list would be made from now: how many certificates, and when the last of them ended.
    pub async fn crl_stamp(&self, now: Micros) -> Result<String, StoreError> {
        let row = sqlx::query(
            "SELECT COUNT(*) AS ended, COALESCE(MAX(ended), 0) AS last FROM device_certificate \
             WHERE ended IS NOT NULL AND not_after > $1",
        )
        .bind(now)
        .fetch_one(&mut *self.read().await?)
        .await?;
        Ok(format!("{} {}", row.try_get::<i64, _>("ended")?, row.try_get::<i64, _>("last")?))
    }
}

impl Change {
    /// The number of the next list.
    pub async fn next_crl_number(&mut self) -> Result<u64, StoreError> {
        let number: Option<i64> =
            sqlx::query_scalar("SELECT number FROM device_crl").fetch_optional(&mut *self.tx).await?;
        let number = number.unwrap_or(0).checked_add(1).and_then(|number| u64::try_from(number).ok());
        number.ok_or(StoreError::Damaged("number of the revocation list"))
    }

    /// Certificates that ended before their time, which is not over yet: serial number, when, why.
    pub async fn ended_certificates(&mut self) -> Result<Vec<(String, Micros, Why)>, StoreError> {
        let rows = sqlx::query(
            "SELECT serial, ended, why FROM device_certificate WHERE ended IS NOT NULL AND not_after > $1 \
             ORDER BY ended, serial",
        )
        .bind(self.at)
        .fetch_all(&mut *self.tx)
        .await?;
        rows.iter()
            .map(|row| {
                let why = row.try_get::<Option<&str>, _>("why")?.and_then(Why::parse).unwrap_or(Why::Unspecified);
                Ok((row.try_get("serial")?, row.try_get("ended")?, why))
            })
            .collect()
    }

    /// Keeps a list that was signed.
    pub async fn keep_crl(&mut self, crl: &Crl) -> Result<(), StoreError> {
        let number = i64::try_from(crl.number).map_err(|_| StoreError::Damaged("number of the revocation list"))?;
        sqlx::query(
            "INSERT INTO device_crl (one, number, stamp, this_update, next_update, der) VALUES (1, $1, $2, $3, $4, $5) \
             ON CONFLICT (one) DO UPDATE SET number = $1, stamp = $2, this_update = $3, next_update = $4, der = $5",
        )
        .bind(number)
        .bind(crl.stamp.as_str())
        .bind(crl.this_update)
        .bind(crl.next_update)
        .bind(crl.der.as_slice())
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }
}
