//! Which regions vouch for an account, and that they say so anew each year.

use super::{By, Change, Office, Store, StoreError, parsed};
use crate::accounts::{Account, InvalidMove};
use crate::duties::{About, Action, Region, may};
use crate::forms::{Actor, Denied, Signature};
use crate::sealing::FieldKey;
use contract::Micros;
use contract::id::AccountId;
use contract::record::{AuthEventKind, AuthMethod, Reason};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

/// A region that vouches for an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vouched {
    /// For whose.
    pub account: AccountId,
    /// Which.
    pub region: Region,
    /// When it last did.
    pub confirmed: Micros,
    /// Who did it; [`AccountId::NONE`] on the command line.
    pub confirmed_by: AccountId,
    /// When its approvers were reminded that the next time has come.
    pub reminded: Option<Micros>,
}

const COLUMNS: &str = "account, region, confirmed, confirmed_by, reminded";

impl Store {
    /// The regions that vouch for an account.
    pub async fn regions(&self, id: AccountId) -> Result<Vec<Vouched>, StoreError> {
        regions(&mut *self.read().await?, id).await
    }

    /// Of a region, what was not confirmed since `before`, the longest ago first.
    pub async fn to_confirm(&self, region: Region, before: Micros, limit: u32) -> Result<Vec<Vouched>, StoreError> {
        let rows = sqlx::query(
            "SELECT r.account, r.region, r.confirmed, r.confirmed_by, r.reminded FROM account_region r \
             JOIN account a ON a.id = r.account WHERE r.region = $1 AND r.confirmed <= $2 \
             AND a.state NOT IN ('deregistered', 'lapsed') ORDER BY r.confirmed, r.account LIMIT $3",
        )
        .bind(region.as_str())
        .bind(before)
        .bind(i64::from(limit))
        .fetch_all(&mut *self.read().await?)
        .await?;
        rows.iter().map(read).collect()
    }

    /// What has not been confirmed since `before`, and nobody was reminded of.
    pub async fn to_remind(&self, before: Micros, limit: u32) -> Result<Vec<Vouched>, StoreError> {
        let rows = sqlx::query(
            "SELECT r.account, r.region, r.confirmed, r.confirmed_by, r.reminded FROM account_region r \
             JOIN account a ON a.id = r.account WHERE r.confirmed <= $1 AND r.reminded IS NULL \
             AND a.state NOT IN ('deregistered', 'lapsed') ORDER BY r.confirmed, r.account LIMIT $2",
        )
        .bind(before)
        .bind(i64::from(limit))
        .fetch_all(&mut *self.read().await?)
        .await?;
        rows.iter().map(read).collect()
    }

    /// Accounts in use that a region has not confirmed since `before`.
    pub async fn unconfirmed(&self, before: Micros, limit: u32) -> Result<Vec<AccountId>, StoreError> {
        let ids: Vec<String> = sqlx::query_scalar(
            "SELECT DISTINCT a.id FROM account_region r JOIN account a ON a.id = r.account \
             WHERE r.confirmed <= $1 AND a.state IN ('active', 'locked') LIMIT $2",
        )
        .bind(before)
        .bind(i64::from(limit))
        .fetch_all(&mut *self.read().await?)
        .await?;
        ids.iter().map(|id| parsed(id, "account id")).collect()
    }
}

impl Change {
    /// The regions that vouch for an account, as this change sees it.
    pub async fn regions(&mut self, id: AccountId) -> Result<Vec<Vouched>, StoreError> {
        regions(&mut self.tx, id).await
    }

    /// A region vouches for an account, from `at`. An earlier time than is known changes nothing.
    pub(super) async fn vouch(
        &mut self,
        id: AccountId,
        region: Region,
        at: Micros,
        by: AccountId,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO account_region (account, region, confirmed, confirmed_by) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (account, region) DO UPDATE SET confirmed = excluded.confirmed, \
             confirmed_by = excluded.confirmed_by, reminded = NULL WHERE account_region.confirmed < excluded.confirmed",
        )
        .bind(id.to_string())
        .bind(region.as_str())
        .bind(at)
        .bind(by.to_string())
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    /// A region has confirmed an account, now. On the command line it may be one that did not vouch for it before.
    pub async fn confirm(&mut self, id: AccountId, region: Region, method: AuthMethod) -> Result<(), StoreError> {
        let account = self.account(id).await?;
        if account.state.is_final() {
            return Err(InvalidMove { from: account.state.parts().0, action: "be confirmed" }.into());
        }
        self.vouch(id, region, self.at, self.by.account).await?;
        let mut event = self.event(AuthEventKind::AccountConfirmed, id);
        event.auth_method = method;
        event.detail = format!("{} region={region}", self.by.channel).into();
        self.record(event).await
    }

    /// A region no longer vouches for an account: nobody there will confirm it.
    pub async fn leave_region(&mut self, id: AccountId, region: Region) -> Result<(), StoreError> {
        let done = sqlx::query("DELETE FROM account_region WHERE account = $1 AND region = $2")
            .bind(id.to_string())
            .bind(region.as_str())
            .execute(&mut *self.tx)
            .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::Absent("region of this account"));
        }
        let mut event = self.event(AuthEventKind::AccountChanged, id);
        event.detail = format!("{} region={region} left", self.by.channel).into();
        self.record(event).await
    }

    /// Notes that a region's approvers are reminded of an account. False: they were, or it was confirmed.
    pub async fn remind(&mut self, id: AccountId, region: Region, before: Micros) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "UPDATE account_region SET reminded = $4 \
             WHERE account = $1 AND region = $2 AND confirmed <= $3 AND reminded IS NULL",
        )
        .bind(id.to_string())
        .bind(region.as_str())
        .bind(before)
        .bind(self.at)
        .execute(&mut *self.tx)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        let mut event = self.event(AuthEventKind::ReviewDue, id);
        event.detail = format!("{} region={region}", self.by.channel).into();
        self.record(event).await?;
        Ok(true)
    }

    /// Lets an account rest that a region has not confirmed since `before`. False: it is not so.
    pub async fn rest_unconfirmed(&mut self, id: AccountId, before: Micros) -> Result<bool, StoreError> {
        let overdue = self.regions(id).await?.iter().any(|vouched| vouched.confirmed <= before);
        let mut account = self.account(id).await?;
        let Ok(state) = account.state.go_dormant(self.at) else { return Ok(false) };
        if overdue {
            account.state = state;
            self.stop_account_by(&account, AuthEventKind::AccountChanged, Reason::Unconfirmed).await?;
        }
        Ok(overdue)
    }

    /// Takes a dormant account into use again.
    pub async fn reactivate(&mut self, id: AccountId) -> Result<Account, StoreError> {
        let mut account = self.account(id).await?;
        account.state = account.state.reactivate(self.at)?;
        self.move_account(&account, AuthEventKind::AccountReactivated, Reason::None).await?;
        Ok(account)
    }

    /// The actor, if they may do this for a region's account that is not their own.
    async fn approver(
        &mut self,
        key: &FieldKey,
        signature: &Signature,
        id: AccountId,
        region: Region,
    ) -> Result<Actor, StoreError> {
        let actor = self.actor(key, signature).await?;
        let about = About { region: Some(region), ..About::default() };
        if !may(&actor.appointments, Action::Reconfirm, &about) {
            return Err(Denied::NotAppointed.into());
        }
        let account = self.account(id).await?;
        actor.is_another_than(&self.person(key, &account).await?)?;
        if self.regions(id).await?.iter().all(|vouched| vouched.region != region) {
            return Err(StoreError::Absent("region of this account"));
        }
        Ok(actor)
    }
}

impl Office {
    /// An approver of the region confirms that somebody still needs their account.
    pub async fn confirm(
        &self,
        at: Micros,
        by: By,
        signature: &Signature,
        id: AccountId,
        region: Region,
    ) -> Result<(), StoreError> {
        let mut change = self.store.change(at, by).await?;
        let done = match change.approver(&self.key, signature, id, region).await {
            Ok(_) => change.confirm(id, region, signature.method()).await,
            Err(error) => Err(error),
        };
        self.settle(change, done, Some(id), &format!("confirm region={region}")).await
    }

    /// An approver of the region takes a dormant account into use again, which confirms it as well.
    pub async fn reactivate(
        &self,
        at: Micros,
        by: By,
        signature: &Signature,
        id: AccountId,
        region: Region,
    ) -> Result<(), StoreError> {
        let mut change = self.store.change(at, by).await?;
        let done = match change.approver(&self.key, signature, id, region).await {
            Ok(_) => match change.reactivate(id).await {
                Ok(_) => change.confirm(id, region, signature.method()).await,
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        };
        self.settle(change, done, Some(id), &format!("reactivate region={region}")).await
    }
}

async fn regions(connection: &mut AnyConnection, id: AccountId) -> Result<Vec<Vouched>, StoreError> {
    let sql = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM account_region WHERE account = $1 ORDER BY region"));
    let rows = sqlx::query(sql).bind(id.to_string()).fetch_all(connection).await?;
    rows.iter().map(read).collect()
}

fn read(row: &AnyRow) -> Result<Vouched, StoreError> {
    Ok(Vouched {
        account: parsed(row.try_get("account")?, "account id")?,
        region: Region::parse(row.try_get("region")?).ok_or(StoreError::Damaged("region"))?,
        confirmed: row.try_get("confirmed")?,
        confirmed_by: parsed(row.try_get("confirmed_by")?, "account id")?,
        reminded: row.try_get("reminded")?,
    })
}
