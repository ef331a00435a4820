//! Grants: what an account may do in a registry.

use super::{Change, Store, StoreError, from_json, parsed, to_json};
use crate::accounts::{InvalidMove, NewGrant};
use contract::directory::Grant;
use contract::id::{AccountId, HsaId, RegistryName};
use contract::record::{AuthEventKind, Reason, Right};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

impl Store {
    /// The registries that somebody has a grant in, by name.
    pub async fn registries_granted(&self) -> Result<Vec<RegistryName>, StoreError> {
        let names: Vec<String> = sqlx::query_scalar("SELECT DISTINCT registry FROM account_grant ORDER BY registry")
            .fetch_all(&mut *self.read().await?)
            .await?;
        names.iter().map(|name| parsed(name, "registry")).collect()
    }

    /// What an account may do.
    pub async fn grants(&self, id: AccountId) -> Result<Vec<Grant>, StoreError> {
        grants(&mut *self.read().await?, id).await
    }
}

impl Change {
    /// What an account may do, as this change sees it.
    pub(super) async fn granted(&mut self, id: AccountId) -> Result<Vec<Grant>, StoreError> {
        grants(&mut self.tx, id).await
    }

    /// Gives a grant, or changes it.
    pub async fn give_grant(&mut self, id: AccountId, grant: &NewGrant) -> Result<(), StoreError> {
        self.give_grant_by(id, grant, Reason::None).await
    }

    /// As [`Self::give_grant`], for a reason.
    pub(super) async fn give_grant_by(
        &mut self,
        id: AccountId,
        grant: &NewGrant,
        reason: Reason,
    ) -> Result<(), StoreError> {
        let account = self.account(id).await?;
        if account.state.is_final() {
            return Err(InvalidMove { from: account.state.parts().0, action: "be given a grant" }.into());
        }
        sqlx::query(
            "INSERT INTO account_grant (account, registry, access, units, valid_from, valid_to, given, given_by) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
             ON CONFLICT (account, registry) DO UPDATE SET access = excluded.access, units = excluded.units, \
             valid_from = excluded.valid_from, valid_to = excluded.valid_to, given = excluded.given, \
             given_by = excluded.given_by",
        )
        .bind(id.to_string())
        .bind(grant.registry.as_str())
        .bind(grant.right.as_str())
        .bind(to_json(&grant.units)?)
        .bind(grant.valid_from)
        .bind(grant.valid_to)
        .bind(self.at)
        .bind(self.by.account.to_string())
        .execute(&mut *self.tx)
        .await?;
        self.publish_account(&account).await?;
        let mut event = self.event(AuthEventKind::GrantChanged, id);
        event.reason = reason;
        event.detail = format!("{} {}={}", self.by.channel, grant.registry, grant.right).into();
        self.record(event).await
    }

    /// Takes a grant back.
    pub async fn take_grant(&mut self, id: AccountId, registry: &RegistryName) -> Result<(), StoreError> {
        self.take_grant_by(id, registry, Reason::None).await
    }

    /// As [`Self::take_grant`], for a reason.
    pub(super) async fn take_grant_by(
        &mut self,
        id: AccountId,
        registry: &RegistryName,
        reason: Reason,
    ) -> Result<(), StoreError> {
        let account = self.account(id).await?;
        let done = sqlx::query("DELETE FROM account_grant WHERE account = $1 AND registry = $2")
            .bind(id.to_string())
            .bind(registry.as_str())
            .execute(&mut *self.tx)
            .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::Absent("grant"));
        }
        self.publish_account(&account).await?;
        let mut event = self.event(AuthEventKind::GrantChanged, id);
        event.reason = reason;
        event.detail = format!("{} {registry}=none", self.by.channel).into();
        self.record(event).await
    }
}

const GRANT_COLUMNS: &str = "account, registry, access, units, valid_from, valid_to";

pub(super) async fn grants(connection: &mut AnyConnection, id: AccountId) -> Result<Vec<Grant>, StoreError> {
    let sql =
        sqlx::AssertSqlSafe(format!("SELECT {GRANT_COLUMNS} FROM account_grant WHERE account = $1 ORDER BY registry"));
    let rows = sqlx::query(sql).bind(id.to_string()).fetch_all(connection).await?;
    rows.iter().map(|row| Ok(read_grant(row)?.1)).collect()
}

/// All grants, by account.
pub(super) async fn all_grants(connection: &mut AnyConnection) -> Result<Vec<(AccountId, Grant)>, StoreError> {
    let sql = sqlx::AssertSqlSafe(format!("SELECT {GRANT_COLUMNS} FROM account_grant ORDER BY account, registry"));
    let rows = sqlx::query(sql).fetch_all(connection).await?;
    rows.iter().map(read_grant).collect()
}

fn read_grant(row: &AnyRow) -> Result<(AccountId, Grant), StoreError> {
    let grant = Grant {
        registry: parsed(row.try_get("registry")?, "registry")?,
        right: Right::parse(row.try_get("access")?).ok_or(StoreError::Damaged("right"))?,
        units: from_json::<Vec<HsaId>>(row.try_get("units")?, "units")?,
        valid_from: row.try_get("valid_from")?,
        valid_to: row.try_get("valid_to")?,
    };
    Ok((parsed(row.try_get("account")?, "account id")?, grant))
}
