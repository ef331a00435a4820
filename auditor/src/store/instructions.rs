//! Which version of the security instructions somebody has accepted.

use super::{Change, Store, StoreError};
use contract::id::AccountId;
use contract::record::AuthEventKind;
use sqlx::AnyConnection;

impl Store {
    /// The latest version that an account has accepted; 0: none.
    pub async fn instructions_accepted(&self, account: AccountId) -> Result<u32, StoreError> {
        accepted(&mut *self.read().await?, account).await
    }
}

impl Change {
    /// The latest version that an account has accepted, as this change sees it; 0: none.
    pub async fn instructions_accepted(&mut self, account: AccountId) -> Result<u32, StoreError> {
        accepted(&mut self.tx, account).await
    }

    /// Notes that an account has accepted a version. Once is enough.
    pub async fn accept_instructions(&mut self, account: AccountId, version: u32) -> Result<(), StoreError> {
        let done = sqlx::query(
            "INSERT INTO instructions_accepted (account, version, accepted) VALUES ($1, $2, $3) \
             ON CONFLICT (account, version) DO NOTHING",
        )
        .bind(account.to_string())
        .bind(i64::from(version))
        .bind(self.at)
        .execute(&mut *self.tx)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(());
        }
        let mut event = self.event(AuthEventKind::InstructionsAccepted, account);
        event.detail = format!("{} version={version}", event.detail).into();
        self.record(event).await
    }
}

async fn accepted(connection: &mut AnyConnection, account: AccountId) -> Result<u32, StoreError> {
    let version: Option<i64> = sqlx::query_scalar("SELECT MAX(version) FROM instructions_accepted WHERE account = $1")
        .bind(account.to_string())
        .fetch_one(connection)
        .await?;
    u32::try_from(version.unwrap_or(0)).map_err(|_| StoreError::Damaged("version of the instructions"))
}
