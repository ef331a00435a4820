//! Passkeys, and which questions to them have been answered.

use super::{Change, Store, StoreError, parsed, taken};
use crate::accounts::passkey::PasskeyId;
use contract::Micros;
use contract::id::AccountId;
use contract::record::AuthEventKind;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

/// A passkey as it rests.
#[derive(Clone, PartialEq, Eq)]
pub struct Passkey {
    /// Its id.
    pub id: PasskeyId,
    /// Whose it is.
    pub account: AccountId,
    /// Its public half, sealed.
    pub credential: Vec<u8>,
    /// What its user calls it.
    pub name: String,
    /// When it was made.
    pub created: Micros,
    /// When it was last used.
    pub last_used: Option<Micros>,
    /// When it was removed.
    pub ended: Option<Micros>,
}

impl std::fmt::Debug for Passkey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passkey(hidden)")
    }
}

const COLUMNS: &str = "id, account, credential, name, created, last_used, ended";

impl Store {
    /// An account's passkeys that are not removed, the oldest first.
    pub async fn passkeys(&self, account: AccountId) -> Result<Vec<Passkey>, StoreError> {
        passkeys(&mut *self.read().await?, account).await
    }
}

impl Change {
    /// A passkey, removed or not, as this change sees it.
    pub async fn passkey(&mut self, id: &PasskeyId) -> Result<Option<Passkey>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM passkey WHERE id = $1"));
        let row = sqlx::query(sql).bind(id.to_string()).fetch_optional(&mut *self.tx).await?;
        row.as_ref().map(read_passkey).transpose()
    }

    /// An account's passkeys that are not removed, as this change sees them.
    pub async fn passkeys(&mut self, account: AccountId) -> Result<Vec<Passkey>, StoreError> {
        passkeys(&mut self.tx, account).await
    }

    /// Adds a passkey. One that was removed does not come back under the same id.
    pub async fn add_passkey(&mut self, passkey: &Passkey) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO passkey (id, account, credential, name, created) VALUES ($1, $2, $3, $4, $5)")
            .bind(passkey.id.to_string())
            .bind(passkey.account.to_string())
            .bind(passkey.credential.as_slice())
            .bind(passkey.name.as_str())
            .bind(passkey.created)
            .execute(&mut *self.tx)
            .await
            .map_err(taken("passkey"))?;
        self.passkey_event(passkey.account, "added").await
    }

    /// Notes that a passkey was used, and what has changed of it.
    pub async fn use_passkey(&mut self, id: &PasskeyId, credential: Option<&[u8]>) -> Result<(), StoreError> {
        sqlx::query("UPDATE passkey SET last_used = $2 WHERE id = $1")
            .bind(id.to_string())
            .bind(self.at)
            .execute(&mut *self.tx)
            .await?;
        if let Some(credential) = credential {
            sqlx::query("UPDATE passkey SET credential = $2 WHERE id = $1")
                .bind(id.to_string())
                .bind(credential)
                .execute(&mut *self.tx)
                .await?;
        }
        Ok(())
    }

    /// Gives an account's passkey another name.
    pub async fn rename_passkey(&mut self, account: AccountId, id: &PasskeyId, name: &str) -> Result<(), StoreError> {
        let done = sqlx::query("UPDATE passkey SET name = $3 WHERE id = $1 AND account = $2 AND ended IS NULL")
            .bind(id.to_string())
            .bind(account.to_string())
            .bind(name)
            .execute(&mut *self.tx)
            .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::Absent("passkey"));
        }
        self.passkey_event(account, "renamed").await
    }

    /// Removes an account's passkey for good.
    pub async fn end_passkey(&mut self, account: AccountId, id: &PasskeyId) -> Result<(), StoreError> {
        let done = sqlx::query("UPDATE passkey SET ended = $3 WHERE id = $1 AND account = $2 AND ended IS NULL")
            .bind(id.to_string())
            .bind(account.to_string())
            .bind(self.at)
            .execute(&mut *self.tx)
            .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::Absent("passkey"));
        }
        self.passkey_event(account, "removed").await
    }

    /// Removes all of an account's passkeys.
    pub(super) async fn end_passkeys(&mut self, account: AccountId) -> Result<(), StoreError> {
        for passkey in self.passkeys(account).await? {
            self.end_passkey(account, &passkey.id).await?;
        }
        Ok(())
    }

    /// Notes that a question, which nobody answers after `until`, was answered. False: it was before. Questions are those to
    /// passkeys and to identity providers, and what these tell by themselves: whoever asks gives each a name that no other has.
    pub async fn answer_once(&mut self, question: &[u8; 32], until: Micros) -> Result<bool, StoreError> {
        sqlx::query("DELETE FROM passkey_answered WHERE until < $1").bind(self.at).execute(&mut *self.tx).await?;
        let done = sqlx::query(
            "INSERT INTO passkey_answered (question, until) VALUES ($1, $2) ON CONFLICT (question) DO NOTHING",
        )
        .bind(hex::encode(question))
        .bind(until)
        .execute(&mut *self.tx)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    async fn passkey_event(&mut self, account: AccountId, what: &str) -> Result<(), StoreError> {
        let mut event = self.event(AuthEventKind::CredentialsSet, account);
        event.detail = format!("{} passkey {what}", self.by.channel).into();
        self.record(event).await
    }
}

async fn passkeys(connection: &mut AnyConnection, account: AccountId) -> Result<Vec<Passkey>, StoreError> {
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM passkey WHERE account = $1 AND ended IS NULL ORDER BY created, id"
    ));
    let rows = sqlx::query(sql).bind(account.to_string()).fetch_all(connection).await?;
    rows.iter().map(read_passkey).collect()
}

fn read_passkey(row: &AnyRow) -> Result<Passkey, StoreError> {
    Ok(Passkey {
        id: parsed(row.try_get("id")?, "passkey id")?,
        account: parsed(row.try_get("account")?, "account id")?,
        credential: row.try_get("credential")?,
        name: row.try_get("name")?,
        created: row.try_get("created")?,
        last_used: row.try_get("last_used")?,
        ended: row.try_get("ended")?,
    })
}
