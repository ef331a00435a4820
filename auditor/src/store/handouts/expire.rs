//! Handouts whose time is over, and those of accounts that are.

use super::counter::Counter;
use super::{Change, Handout};
use crate::handout::State;
use crate::store::{By, StoreError, parsed};
use contract::Micros;
use contract::id::{AccountId, HandoutId};
use contract::record::{AuthEventKind, Reason};

impl Counter {
    /// Ends handouts of which a half is no longer good, that nobody sent for long, or whose account is closed, at most
    /// `limit`: what of them rests in clear is wiped. Who has shown both in time keeps the while that they have to finish.
    /// How many.
    pub async fn expire(&self, at: Micros, by: By, limit: u32) -> Result<usize, StoreError> {
        let rows: Vec<String> = sqlx::query_scalar(
            "SELECT h.id FROM handout h JOIN account a ON a.id = h.account WHERE h.state = 'open' AND ( \
             a.state IN ('deregistered', 'lapsed') OR EXISTS (SELECT 1 FROM handout_half p WHERE p.handout = h.id \
             AND ((p.until <= $1 AND COALESCE(h.opened_until, 0) <= $1) OR (p.until IS NULL AND p.stage_at <= $2)))) ORDER BY h.issued LIMIT $3",
        )
        .bind(at)
        .bind(at.saturating_sub(self.rule.unsent_us))
        .bind(i64::from(limit))
        .fetch_all(&mut *self.office.store.read().await?)
        .await?;
        if rows.is_empty() {
            return Ok(0);
        }
        let mut change = self.office.store.change(at, by).await?;
        for row in &rows {
            let id: HandoutId = parsed(row, "handout id")?;
            let found = change.handout(id).await?;
            if found.state != State::Open {
                continue;
            }
            change.expire_handout(&found).await?;
        }
        change.commit().await?;
        Ok(rows.len())
    }
}

impl Change {
    /// Ends an account's open handout, if it has one: whoever has its halves gets in by them no more. For an account that
    /// somebody locks or blocks: credentials that are under way must not undo that.
    pub async fn void_handout(&mut self, account: AccountId) -> Result<(), StoreError> {
        match self.open_handout_of(account).await? {
            Some(open) => self.expire_handout(&open).await,
            None => Ok(()),
        }
    }

    async fn expire_handout(&mut self, open: &Handout) -> Result<(), StoreError> {
        self.end_handout(open.id, State::Expired, open.tries).await?;
        let mut event = self.event(AuthEventKind::CredentialsFailed, open.account);
        event.reason = Reason::CodeExpired;
        event.detail = format!("{} handout={}", event.detail, open.id).into();
        self.record(event).await
    }
}
