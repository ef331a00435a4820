//! That a second factor was shown in a session: what signatures rest on.

use super::{Change, Store, StoreError};
use crate::forms::Fresh;
use contract::Micros;
use contract::id::{AccountId, SessionKey};
use contract::record::AuthMethod;
use sqlx::Row;

/// Which second factors an account has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Factors {
    /// One-time codes.
    pub code: bool,
    /// A passkey.
    pub passkey: bool,
}

impl Factors {
    /// Whether a code is asked for: also from somebody who has neither, who is told so by its refusal.
    pub const fn asks_code(&self) -> bool {
        self.code || !self.passkey
    }
}

impl Store {
    /// Which second factors an account has.
    pub async fn factors(&self, account: AccountId) -> Result<Factors, StoreError> {
        let row = sqlx::query(
            "SELECT (SELECT COUNT(*) FROM credential WHERE account = $1 AND totp IS NOT NULL) AS codes, \
             (SELECT COUNT(*) FROM passkey WHERE account = $1 AND ended IS NULL) AS passkeys",
        )
        .bind(account.to_string())
        .fetch_one(&mut *self.read().await?)
        .await?;
        let some = |count: i64| count > 0;
        Ok(Factors { code: some(row.try_get("codes")?), passkey: some(row.try_get("passkeys")?) })
    }

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
