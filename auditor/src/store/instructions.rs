//! Which version of the security instructions somebody has accepted, and who has to accept one before anything else.

use super::{Change, Store, StoreError, parsed};
use contract::id::AccountId;
use contract::record::AuthEventKind;
use sqlx::AnyConnection;
use std::collections::HashSet;

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

    /// Notes whether an account has to accept the instructions before any registry is open to it, and tells the
    /// directory if that is news.
    pub async fn ask_instructions(&mut self, account: AccountId, due: bool) -> Result<(), StoreError> {
        let changed = sqlx::query("UPDATE account SET instructions_due = $2 WHERE id = $1 AND instructions_due <> $2")
            .bind(account.to_string())
            .bind(i64::from(due))
            .execute(&mut *self.tx)
            .await?;
        if changed.rows_affected() == 0 {
            return Ok(());
        }
        let account = self.account(account).await?;
        self.publish_account(&account).await
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
        self.ask_instructions(account, false).await?;
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

/// Whether an account has to accept the instructions first.
pub(super) async fn due(connection: &mut AnyConnection, account: AccountId) -> Result<bool, StoreError> {
    let due: Option<i64> = sqlx::query_scalar("SELECT instructions_due FROM account WHERE id = $1")
        .bind(account.to_string())
        .fetch_optional(connection)
        .await?;
    Ok(due.is_some_and(|due| due != 0))
}

/// All who have to.
pub(super) async fn all_due(connection: &mut AnyConnection) -> Result<HashSet<AccountId>, StoreError> {
    let ids: Vec<String> =
        sqlx::query_scalar("SELECT id FROM account WHERE instructions_due <> 0").fetch_all(connection).await?;
    ids.iter().map(|id| parsed(id, "account id")).collect()
}
