//! That a second factor was shown in a session: what signatures rest on.

use super::{Change, Store, StoreError};
use crate::forms::Fresh;
use contract::Micros;
use contract::id::SessionKey;
use contract::record::AuthMethod;
use sqlx::Row;

impl Store {
    /// What was last shown in a session that has not ended. None: nothing yet.
    pub async fn shown_factor(&self, key: SessionKey) -> Result<Option<Fresh>, StoreError> {
        let row = sqlx::query("SELECT account, factor_at, factor FROM session WHERE key = $1 AND ended IS NULL")
            .bind(key.to_string())
            .fetch_optional(&mut *self.read().await?)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let (Some(at), Some(method)) =
            (row.try_get::<Option<Micros>, _>("factor_at")?, row.try_get::<Option<&str>, _>("factor")?)
        else {
            return Ok(None);
        };
        let method = AuthMethod::parse(method).ok_or(StoreError::Damaged("login method"))?;
        let account = super::parsed(row.try_get("account")?, "account id")?;
        Ok(Some(Fresh::after_check(account, at, method)))
    }
}

impl Change {
    /// Notes that a second factor was shown in a session just now. Called where it was checked, and nowhere else.
    pub async fn show_factor(&mut self, key: SessionKey, method: AuthMethod) -> Result<(), StoreError> {
        let done = sqlx::query("UPDATE session SET factor_at = $2, factor = $3 WHERE key = $1 AND ended IS NULL")
            .bind(key.to_string())
            .bind(self.at)
            .bind(method.as_str())
            .execute(&mut *self.tx)
            .await?;
        if done.rows_affected() == 1 { Ok(()) } else { Err(StoreError::Absent("session")) }
    }
}
