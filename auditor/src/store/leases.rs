//! Leases: who does scheduled work. Nobody's clock counts: a holder counts up, and who sees that it has stopped may
//! take its place. Each step succeeds only if nobody else was faster.

use super::{Store, StoreError};
use sqlx::Row;

/// A lease as it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Who has it.
    pub holder: String,
    /// How often it has been renewed.
    pub beat: i64,
}

impl Store {
    /// Who has a lease, if anybody.
    pub async fn lease(&self, name: &str) -> Result<Option<Held>, StoreError> {
        let row = sqlx::query("SELECT holder, beat FROM lease WHERE name = $1")
            .bind(name)
            .fetch_optional(&mut *self.read().await?)
            .await?;
        row.map(|row| Ok(Held { holder: row.try_get("holder")?, beat: row.try_get("beat")? })).transpose()
    }

    /// Takes a lease, or renews it, if it is still as it was seen. False: another was faster.
    pub async fn take_lease(&self, name: &str, seen: Option<&Held>, holder: &str) -> Result<bool, StoreError> {
        let _turn = self.turn.lock().await;
        let mut tx = self.pool.begin_with(self.engine.begin_write()).await?;
        let done = match seen {
            None => {
                sqlx::query("INSERT INTO lease (name, holder, beat) VALUES ($1, $2, 1) ON CONFLICT (name) DO NOTHING")
                    .bind(name)
                    .bind(holder)
            }
            Some(seen) => sqlx::query(
                "UPDATE lease SET holder = $2, beat = beat + 1 WHERE name = $1 AND holder = $3 AND beat = $4",
            )
            .bind(name)
            .bind(holder)
            .bind(seen.holder.as_str())
            .bind(seen.beat),
        };
        let done = done.execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(done.rows_affected() > 0)
    }

    /// Gives a lease back.
    pub async fn leave_lease(&self, name: &str, holder: &str) -> Result<(), StoreError> {
        let _turn = self.turn.lock().await;
        let mut tx = self.pool.begin_with(self.engine.begin_write()).await?;
        sqlx::query("DELETE FROM lease WHERE name = $1 AND holder = $2")
            .bind(name)
            .bind(holder)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(())
    }
}
