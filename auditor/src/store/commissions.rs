//! Commissions (medarbetaruppdrag): from which care unit of which care provider an account acts.
//!
//! An account has one or none for now. The table takes several, so that a choice at login needs no other schema.

use super::{Change, Store, StoreError, parsed};
use crate::accounts::InvalidMove;
use crate::sessions::End;
use contract::directory::Commission;
use contract::id::{AccountId, HsaId};
use contract::record::AuthEventKind;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};
use std::collections::HashMap;

const COLUMNS: &str = "account, hsa, name, purpose, care_provider, care_unit, care_unit_name";

impl Store {
    /// An account's commission.
    pub async fn commission(&self, id: AccountId) -> Result<Option<Commission>, StoreError> {
        commission(&mut *self.read().await?, id).await
    }

    /// All commissions, by account.
    pub async fn commissions(&self) -> Result<HashMap<AccountId, Commission>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM account_commission ORDER BY given DESC, id DESC"));
        let rows = sqlx::query(sql).fetch_all(&mut *self.read().await?).await?;
        rows.iter().map(read).collect()
    }
}

impl Change {
    /// An account's commission, as this change sees it.
    pub async fn commission(&mut self, id: AccountId) -> Result<Option<Commission>, StoreError> {
        commission(&mut self.tx, id).await
    }

    /// Gives an account its commission, instead of the one it has, or takes it away. False: it is so already.
    ///
    /// The account's sessions end, rather than get another commission under way: who loses a unit is out at once, cut
    /// connections included, and all records of one session tell of one commission, as if it had been chosen at login.
    pub async fn set_commission(&mut self, id: AccountId, new: Option<&Commission>) -> Result<bool, StoreError> {
        let account = self.account(id).await?;
        if account.state.is_final() {
            return Err(InvalidMove { from: account.state.parts().0, action: "be given a commission" }.into());
        }
        if self.commission(id).await?.as_ref() == new {
            return Ok(false);
        }
        sqlx::query("DELETE FROM account_commission WHERE account = $1")
            .bind(id.to_string())
            .execute(&mut *self.tx)
            .await?;
        let mut event = self.event(AuthEventKind::AccountChanged, id);
        let channel = &self.by.channel;
        if let Some(new) = new {
            let missing = || StoreError::Incomplete("a commission needs a care unit and a care provider");
            let unit = new.care_unit.as_ref().ok_or_else(missing)?;
            let provider = new.care_provider.as_ref().ok_or_else(missing)?;
            event.detail = format!("{channel} commission={unit} of {provider}").into();
            sqlx::query(
                "INSERT INTO account_commission \
                 (id, account, hsa, name, purpose, care_provider, care_unit, care_unit_name, given, given_by) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            )
            .bind(crate::random::uuid(self.at).to_string())
            .bind(id.to_string())
            .bind(new.hsa.as_ref().map(HsaId::as_str))
            .bind(new.name.as_str())
            .bind(new.purpose.as_str())
            .bind(provider.as_str())
            .bind(unit.as_str())
            .bind(new.care_unit_name.as_str())
            .bind(self.at)
            .bind(self.by.account.to_string())
            .execute(&mut *self.tx)
            .await?;
        } else {
            event.detail = format!("{channel} commission=none").into();
        }
        self.record(event).await?;
        self.end_sessions_of_account(id, End::Commission).await?;
        Ok(true)
    }
}

/// The first of several, so that the same one is found each time.
async fn commission(connection: &mut AnyConnection, id: AccountId) -> Result<Option<Commission>, StoreError> {
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM account_commission WHERE account = $1 ORDER BY given, id LIMIT 1"
    ));
    let row = sqlx::query(sql).bind(id.to_string()).fetch_optional(connection).await?;
    Ok(row.as_ref().map(read).transpose()?.map(|(_, commission)| commission))
}

fn read(row: &AnyRow) -> Result<(AccountId, Commission), StoreError> {
    let commission = Commission {
        hsa: row.try_get::<Option<&str>, _>("hsa")?.map(|hsa| parsed(hsa, "HSA-id")).transpose()?,
        name: row.try_get("name")?,
        purpose: row.try_get("purpose")?,
        care_provider: Some(parsed(row.try_get("care_provider")?, "HSA-id")?),
        care_unit: Some(parsed(row.try_get("care_unit")?, "HSA-id")?),
        care_unit_name: row.try_get("care_unit_name")?,
    };
    Ok((parsed(row.try_get("account")?, "account id")?, commission))
}
