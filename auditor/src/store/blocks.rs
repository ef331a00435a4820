//! Blocks after incidents. One account administrator proposes that a block is lifted, another lifts it.

use super::{By, Change, Office, Store, StoreError, parsed};
use crate::accounts::{InvalidMove, State};
use crate::duties::{About, Action, may};
use crate::forms::{Actor, Denied, Signature};
use crate::sealing::{Cell, FieldKey};
use contract::Micros;
use contract::id::AccountId;
use contract::record::{AuthEventKind, Reason};
use sqlx::Row;
use sqlx::any::AnyRow;
use uuid::Uuid;

const REASON: &str = "account_block.reason";

/// A block that was not lifted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Its own id.
    id: Uuid,
    /// When.
    pub blocked: Micros,
    /// By whom.
    pub blocked_by: AccountId,
    /// Who has proposed to lift it, if anybody.
    pub proposed_by: Option<AccountId>,
    /// What the account was before, and is again when it is lifted. None: that was not kept then.
    before: Option<State>,
}

impl Store {
    /// The block of an account, if it is blocked.
    pub async fn block(&self, id: AccountId) -> Result<Option<Block>, StoreError> {
        let row = sqlx::query(OPEN).bind(id.to_string()).fetch_optional(&mut *self.read().await?).await?;
        row.as_ref().map(read).transpose()
    }
}

const OPEN: &str = "SELECT id, blocked, blocked_by, proposed_by, reason, before, before_at, before_until, before_held \
    FROM account_block WHERE account = $1 AND lifted IS NULL";

impl Change {
    async fn block(
        &mut self,
        key: &FieldKey,
        signature: &Signature,
        id: AccountId,
        reason: &str,
    ) -> Result<(), StoreError> {
        let actor = self.actor(key, signature).await?;
        self.reached(&actor.appointments, Action::Block, id).await?;
        crate::forms::check_words("the reason", reason)?;
        let mut account = self.account(id).await?;
        let before = account.state.at(self.at);
        account.state = before.block(self.at)?;
        let (name, since, until) = before.parts();
        let block = crate::random::uuid(self.at);
        let sealed = key.seal(Cell { column: REASON, row: block, number: 0 }, reason.as_bytes())?;
        sqlx::query(
            "INSERT INTO account_block \
             (id, account, blocked, blocked_by, reason, before, before_at, before_until, before_held) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(block.to_string())
        .bind(id.to_string())
        .bind(self.at)
        .bind(actor.account.to_string())
        .bind(sealed)
        .bind(name)
        .bind(since)
        .bind(until)
        .bind(before.held())
        .execute(&mut *self.tx)
        .await?;
        self.void_handout(id).await?;
        self.stop_account_by(&account, AuthEventKind::AccountBlocked, Reason::Incident).await
    }

    /// The block, if the signature is of somebody who may have a hand in lifting it, and they.
    async fn lifter(
        &mut self,
        key: &FieldKey,
        signature: &Signature,
        id: AccountId,
    ) -> Result<(Block, Actor), StoreError> {
        let actor = self.actor(key, signature).await?;
        if !may(&actor.appointments, Action::LiftBlock, &About::default()) {
            return Err(Denied::NotAppointed.into());
        }
        let account = self.account(id).await?;
        actor.is_another_than(&self.person(key, &account).await?)?;
        if !matches!(account.state, State::Blocked { .. }) {
            return Err(InvalidMove { from: account.state.parts().0, action: "have a block lifted" }.into());
        }
        let row = sqlx::query(OPEN).bind(id.to_string()).fetch_optional(&mut *self.tx).await?;
        Ok((read(&row.ok_or(StoreError::Absent("block"))?)?, actor))
    }

    async fn propose_lift(&mut self, key: &FieldKey, signature: &Signature, id: AccountId) -> Result<(), StoreError> {
        let (block, _) = self.lifter(key, signature, id).await?;
        if block.proposed_by.is_some() {
            return Err(StoreError::Taken("proposal to lift the block"));
        }
        sqlx::query("UPDATE account_block SET proposed = $2, proposed_by = $3 WHERE id = $1")
            .bind(block.id.to_string())
            .bind(self.at)
            .bind(signature.account().to_string())
            .execute(&mut *self.tx)
            .await?;
        let mut event = self.event(AuthEventKind::LiftProposed, id);
        event.auth_method = signature.method();
        self.record(event).await
    }

    async fn lift(&mut self, key: &FieldKey, signature: &Signature, id: AccountId) -> Result<(), StoreError> {
        let (block, mut actor) = self.lifter(key, signature, id).await?;
        let first = block.proposed_by.ok_or(StoreError::Absent("proposal to lift the block"))?;
        self.know_again(key, &mut actor, &[first]).await?;
        if actor.may_have(first) {
            return Err(Denied::Again.into());
        }
        sqlx::query("UPDATE account_block SET lifted = $2, lifted_by = $3 WHERE id = $1")
            .bind(block.id.to_string())
            .bind(self.at)
            .bind(signature.account().to_string())
            .execute(&mut *self.tx)
            .await?;
        let mut account = self.account(id).await?;
        account.state = account.state.lift_block(block.before, self.at)?;
        self.move_account(&account, AuthEventKind::BlockLifted, Reason::None).await
    }
}

impl Office {
    /// An approver of one of its regions or an account administrator blocks an account, and says why. Its sessions
    /// and its handout end.
    pub async fn block(
        &self,
        at: Micros,
        by: By,
        signature: &Signature,
        id: AccountId,
        reason: &str,
    ) -> Result<(), StoreError> {
        let mut change = self.store.change(at, by).await?;
        let done = change.block(&self.key, signature, id, reason).await;
        self.settle(change, done, Some(id), "block").await
    }

    /// The first of two account administrators wants a block lifted.
    pub async fn propose_lift(
        &self,
        at: Micros,
        by: By,
        signature: &Signature,
        id: AccountId,
    ) -> Result<(), StoreError> {
        let mut change = self.store.change(at, by).await?;
        let done = change.propose_lift(&self.key, signature, id).await;
        self.settle(change, done, Some(id), "propose_lift").await
    }

    /// The second lifts it. The account is what it was before.
    pub async fn lift(&self, at: Micros, by: By, signature: &Signature, id: AccountId) -> Result<(), StoreError> {
        let mut change = self.store.change(at, by).await?;
        let done = change.lift(&self.key, signature, id).await;
        self.settle(change, done, Some(id), "lift").await
    }

    /// Why an account is blocked.
    pub async fn block_reason(&self, id: AccountId) -> Result<Option<String>, StoreError> {
        let row = sqlx::query(OPEN).bind(id.to_string()).fetch_optional(&mut *self.store.read().await?).await?;
        let Some(row) = row else { return Ok(None) };
        let cell = Cell { column: REASON, row: read(&row)?.id, number: 0 };
        let plain = self.key.open(cell, row.try_get("reason")?)?;
        let text = std::str::from_utf8(&plain).map_err(|_| StoreError::Damaged("reason of a block"))?;
        Ok(Some(text.to_owned()))
    }
}

fn read(row: &AnyRow) -> Result<Block, StoreError> {
    let before = match (row.try_get::<Option<&str>, _>("before")?, row.try_get::<Option<Micros>, _>("before_at")?) {
        (Some(name), Some(at)) => {
            let state = State::from_parts(name, at, row.try_get("before_until")?, row.try_get("before_held")?);
            Some(state.ok_or(StoreError::Damaged("account state"))?)
        }
        _ => None,
    };
    Ok(Block {
        before,
        id: parsed(row.try_get("id")?, "block id")?,
        blocked: row.try_get("blocked")?,
        blocked_by: parsed(row.try_get("blocked_by")?, "account id")?,
        proposed_by: row.try_get::<Option<&str>, _>("proposed_by")?.map(|id| parsed(id, "account id")).transpose()?,
    })
}
