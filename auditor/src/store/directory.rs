//! The directory's history: each change under an epoch of its own, and all of it as a snapshot.

use super::{
    Change, Store, StoreError, accounts, appointments, devices, emergencies, epoch_from, from_json, grants,
    instructions, sessions, to_json,
};
use contract::Micros;
use contract::directory::{Entry, Epoch, Message};
use contract::id::AccountId;
use sqlx::{AnyConnection, Row};
use std::collections::HashMap;

/// The whole directory in one state.
#[derive(Debug)]
pub struct Snapshot {
    /// The state.
    pub epoch: Epoch,
    /// Every entry.
    pub entries: Vec<Entry>,
}

impl Store {
    /// The directory's present state.
    pub async fn epoch(&self) -> Result<Epoch, StoreError> {
        head(&mut *self.read().await?).await
    }

    /// Changes after a state, the oldest first.
    pub async fn changes_after(&self, after: Epoch, limit: u32) -> Result<Vec<(Epoch, Message)>, StoreError> {
        let rows =
            sqlx::query("SELECT epoch, at, entry FROM directory_change WHERE epoch > $1 ORDER BY epoch LIMIT $2")
                .bind(i64::try_from(after.0).unwrap_or(i64::MAX))
                .bind(i64::from(limit))
                .fetch_all(&mut *self.read().await?)
                .await?;
        rows.iter()
            .map(|row| {
                let epoch = epoch_from(row.try_get("epoch")?)?;
                let entry = from_json(row.try_get("entry")?, "directory change")?;
                Ok((epoch, Message::Change { epoch, at: row.try_get("at")?, entry }))
            })
            .collect()
    }

    /// The state after which `count` changes follow: where a reader that missed that many can go on from.
    pub async fn epoch_before_last(&self, count: u32) -> Result<Epoch, StoreError> {
        let epoch: Option<i64> =
            sqlx::query_scalar("SELECT epoch FROM directory_change ORDER BY epoch DESC LIMIT 1 OFFSET $1")
                .bind(i64::from(count))
                .fetch_optional(&mut *self.read().await?)
                .await?;
        epoch.map_or(Ok(Epoch(0)), epoch_from)
    }

    /// The whole directory, in one state.
    pub async fn snapshot(&self, now: Micros) -> Result<Snapshot, StoreError> {
        let mut tx = self.pool.begin_with(self.engine.begin_read()).await?;
        let epoch = head(&mut tx).await?;
        let mut given: HashMap<AccountId, Vec<_>> = HashMap::new();
        for (account, grant) in grants::all_grants(&mut tx).await? {
            given.entry(account).or_default().push(grant);
        }
        let mut roles = appointments::all_roles(&mut tx, now).await?;
        let mut openings = emergencies::all_openings(&mut tx, now).await?;
        let instructions_due = instructions::all_due(&mut tx).await?;
        let mut entries = Vec::new();
        for account in accounts::open_accounts(&mut tx).await? {
            let granted = given.remove(&account.id).unwrap_or_default();
            let roles = roles.remove(&account.id).unwrap_or_default();
            let opened = openings.remove(&account.id).unwrap_or_default();
            entries.push(Entry::Account(account.entry(granted, roles, opened, instructions_due.contains(&account.id))));
        }
        entries.extend(devices::current_devices(&mut tx, now).await?.into_iter().map(Entry::Device));
        entries.extend(sessions::live_sessions(&mut tx, now).await?.into_iter().map(Entry::Session));
        tx.rollback().await?;
        Ok(Snapshot { epoch, entries })
    }

    /// Forgets changes older than `before`, but never the last `keep`, and sessions that ended before it.
    pub async fn forget(&self, before: Micros, keep: u32) -> Result<u64, StoreError> {
        let floor = self.epoch_before_last(keep).await?;
        let old: i64 = sqlx::query_scalar(
            "SELECT (SELECT COUNT(*) FROM directory_change WHERE at < $1 AND epoch <= $2) \
             + (SELECT COUNT(*) FROM session WHERE ended < $1)",
        )
        .bind(before)
        .bind(i64::try_from(floor.0).unwrap_or(i64::MAX))
        .fetch_one(&mut *self.read().await?)
        .await?;
        if old == 0 {
            return Ok(0);
        }
        let _turn = self.turn.lock().await;
        let mut tx = self.pool.begin_with(self.engine.begin_write()).await?;
        let done = sqlx::query("DELETE FROM directory_change WHERE at < $1 AND epoch <= $2")
            .bind(before)
            .bind(i64::try_from(floor.0).unwrap_or(i64::MAX))
            .execute(&mut *tx)
            .await?;
        let ended = sqlx::query("DELETE FROM session WHERE ended < $1").bind(before).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(done.rows_affected() + ended.rows_affected())
    }
}

impl Change {
    /// Adds an entry to the directory's history under the next epoch.
    pub(super) async fn publish(&mut self, entry: &Entry) -> Result<(), StoreError> {
        let epoch: i64 = sqlx::query_scalar(
            "UPDATE directory_head SET epoch = CASE WHEN epoch >= $1 THEN epoch + 1 ELSE $1 END RETURNING epoch",
        )
        .bind(self.at)
        .fetch_one(&mut *self.tx)
        .await?;
        sqlx::query("INSERT INTO directory_change (epoch, at, entry) VALUES ($1, $2, $3)")
            .bind(epoch)
            .bind(self.at)
            .bind(to_json(entry)?)
            .execute(&mut *self.tx)
            .await?;
        Ok(())
    }
}

async fn head(connection: &mut AnyConnection) -> Result<Epoch, StoreError> {
    epoch_from(sqlx::query_scalar("SELECT epoch FROM directory_head").fetch_one(connection).await?)
}
