//! Events that wait for ClickHouse. They are written in the transaction of what they tell of, so that none is
//! missing and none tells of something that did not happen.
//!
//! Numbers are gapless. A batch's rows are fixed before it is first sent, so that a retry is the same batch.

use super::{Change, Store, StoreError};
use contract::Micros;
use contract::id::{AccountId, NodeName, RequestId};
use contract::pseudonym::PatientRef;
use contract::record::{AuthEvent, AuthEventKind, AuthMethod, Reason};
use contract::wire::Wire as _;
use sqlx::Row;

/// The hash that the next seal chains to.
pub type Chain = [u8; 32];

/// Rows that are sent together, always the same ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Its number, from 1.
    pub number: u64,
    /// The hash of the seal before it.
    pub previous: Chain,
    /// Each event with its number.
    pub events: Vec<(u64, AuthEvent)>,
}

/// What waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Waiting {
    /// How many events.
    pub events: u64,
    /// When the oldest happened.
    pub oldest: Option<Micros>,
}

impl Store {
    /// Makes sure that all who share the database are the same node in the audit log: their events have one count, and
    /// one chain of seals.
    pub async fn of_node(&self, node: &NodeName) -> Result<(), StoreError> {
        let _turn = self.turn.lock().await;
        let mut tx = self.pool.begin_with(self.engine.begin_write()).await?;
        sqlx::query("UPDATE auth_event_head SET node = $1 WHERE node IS NULL")
            .bind(node.as_str())
            .execute(&mut *tx)
            .await?;
        let known: String = sqlx::query_scalar("SELECT node FROM auth_event_head").fetch_one(&mut *tx).await?;
        tx.commit().await?;
        if known == node.as_str() { Ok(()) } else { Err(StoreError::OtherNode(known)) }
    }

    /// The batch to send now: the one begun, else a new one of at most `limit` events.
    pub async fn batch(&self, limit: u32) -> Result<Option<Batch>, StoreError> {
        let _turn = self.turn.lock().await;
        let mut tx = self.pool.begin_with(self.engine.begin_write()).await?;
        let begun: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM auth_event_outbox WHERE batch IS NOT NULL")
            .fetch_one(&mut *tx)
            .await?;
        if begun == 0 {
            let assigned = sqlx::query(
                "UPDATE auth_event_outbox SET batch = (SELECT batch + 1 FROM auth_event_head) \
                 WHERE number IN (SELECT number FROM auth_event_outbox ORDER BY number LIMIT $1)",
            )
            .bind(i64::from(limit))
            .execute(&mut *tx)
            .await?;
            if assigned.rows_affected() == 0 {
                return Ok(None);
            }
            sqlx::query("UPDATE auth_event_head SET batch = batch + 1").execute(&mut *tx).await?;
        }
        let head = sqlx::query("SELECT batch, chain FROM auth_event_head").fetch_one(&mut *tx).await?;
        let rows = sqlx::query("SELECT number, payload FROM auth_event_outbox WHERE batch IS NOT NULL ORDER BY number")
            .fetch_all(&mut *tx)
            .await?;
        let mut previous = Chain::default();
        hex::decode_to_slice(head.try_get::<&str, _>("chain")?, &mut previous)
            .map_err(|_| StoreError::Damaged("chain"))?;
        let number = head.try_get("batch")?;
        tx.commit().await?;
        let events = rows
            .iter()
            .map(|row| {
                let event = AuthEvent::from_bytes(row.try_get("payload")?).map_err(|_| StoreError::Damaged("event"))?;
                Ok((count(row.try_get("number")?)?, event))
            })
            .collect::<Result<_, StoreError>>()?;
        Ok(Some(Batch { number: count(number)?, previous, events }))
    }

    /// The batch has arrived: its events are forgotten here.
    pub async fn batch_arrived(&self, number: u64, chain: &Chain) -> Result<(), StoreError> {
        let number = i64::try_from(number).map_err(|_| StoreError::Damaged("batch"))?;
        let _turn = self.turn.lock().await;
        let mut tx = self.pool.begin_with(self.engine.begin_write()).await?;
        let done = sqlx::query("DELETE FROM auth_event_outbox WHERE batch = $1").bind(number).execute(&mut *tx).await?;
        // If there is nothing left of it, another auditor was faster, and may be at the next by now.
        if done.rows_affected() > 0 {
            sqlx::query("UPDATE auth_event_head SET chain = $1").bind(hex::encode(chain)).execute(&mut *tx).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// What waits to be sent.
    pub async fn waiting(&self) -> Result<Waiting, StoreError> {
        let row = sqlx::query("SELECT COUNT(*) AS events, MIN(at) AS oldest FROM auth_event_outbox")
            .fetch_one(&mut *self.read().await?)
            .await?;
        Ok(Waiting { events: count(row.try_get("events")?)?, oldest: row.try_get("oldest")? })
    }
}

impl Change {
    /// An event of this change, to be filled in.
    pub fn event(&self, kind: AuthEventKind, account: AccountId) -> AuthEvent {
        AuthEvent {
            at: self.at,
            id: RequestId::new(crate::random::uuid(self.at)),
            kind,
            reason: Reason::None,
            account,
            by: self.by.account,
            user_name: PatientRef::NONE,
            device: self.by.device,
            device_cert: self.by.device_cert,
            device_org: contract::Text::clone(&self.by.device_org),
            origin: self.by.origin.clone(),
            auth_method: AuthMethod::None,
            session: 0,
            count: 1,
            detail: contract::Text::clone(&self.by.channel),
        }
    }

    /// Writes an event with this change.
    pub async fn record(&mut self, event: AuthEvent) -> Result<(), StoreError> {
        let number: i64 = sqlx::query_scalar("UPDATE auth_event_head SET number = number + 1 RETURNING number")
            .fetch_one(&mut *self.tx)
            .await?;
        sqlx::query("INSERT INTO auth_event_outbox (number, at, payload) VALUES ($1, $2, $3)")
            .bind(number)
            .bind(event.at)
            .bind(event.to_bytes())
            .execute(&mut *self.tx)
            .await?;
        Ok(())
    }
}

fn count(number: i64) -> Result<u64, StoreError> {
    u64::try_from(number).map_err(|_| StoreError::Damaged("number"))
}
