//! Codes by which the listener for SITHS cards hands over to the login whom it has seen.

use super::{Change, StoreError, parsed};
use crate::clock;
use contract::Micros;
use contract::id::HsaId;
use contract::record::Reason;
use sqlx::Row as _;
use subtle::ConstantTimeEq as _;

/// Whom a listener has seen a card of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenCard {
    /// Whom.
    pub hsa: HsaId,
    /// The level of assurance.
    pub level: String,
    /// Words about the card, for the record of the login.
    pub note: String,
}

/// A code that was not taken in time is known for so long as one that there was.
const REMEMBERED: Micros = 60 * 60 * clock::SECOND;

impl Change {
    /// Keeps a code, by its hash, that is good once before `until` for the login with the state.
    pub async fn keep_card_code(
        &mut self,
        code: &[u8; 32],
        state: &str,
        seen: &SeenCard,
        until: Micros,
    ) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM siths_code WHERE until < $1")
            .bind(self.at.saturating_sub(REMEMBERED))
            .execute(&mut *self.tx)
            .await?;
        sqlx::query("INSERT INTO siths_code (code, state, hsa, level, note, until) VALUES ($1, $2, $3, $4, $5, $6)")
            .bind(hex::encode(code))
            .bind(state)
            .bind(seen.hsa.as_str())
            .bind(seen.level.as_str())
            .bind(seen.note.as_str())
            .bind(until)
            .execute(&mut *self.tx)
            .await?;
        Ok(())
    }

    /// Takes a code, by its hash, for the login with the state. Whoever brings a code uses it up, also to no avail. Whom it
    /// was made for, or why it is of no use.
    pub async fn take_card_code(
        &mut self,
        code: &[u8; 32],
        state: &str,
    ) -> Result<Result<SeenCard, Reason>, StoreError> {
        let row = sqlx::query("SELECT state, hsa, level, note, until, spent FROM siths_code WHERE code = $1")
            .bind(hex::encode(code))
            .fetch_optional(&mut *self.tx)
            .await?;
        let Some(row) = row else { return Ok(Err(Reason::CodeUnknown)) };
        if row.try_get::<Option<i64>, _>("spent")?.is_some() {
            return Ok(Err(Reason::CodeReplayed));
        }
        sqlx::query("UPDATE siths_code SET spent = $2 WHERE code = $1")
            .bind(hex::encode(code))
            .bind(self.at)
            .execute(&mut *self.tx)
            .await?;
        if row.try_get::<i64, _>("until")? <= self.at {
            return Ok(Err(Reason::CodeExpired));
        }
        let own: String = row.try_get("state")?;
        if !bool::from(own.as_bytes().ct_eq(state.as_bytes())) {
            return Ok(Err(Reason::Forged));
        }
        Ok(Ok(SeenCard {
            hsa: parsed(row.try_get("hsa")?, "HSA-id")?,
            level: row.try_get("level")?,
            note: row.try_get("note")?,
        }))
    }
}
