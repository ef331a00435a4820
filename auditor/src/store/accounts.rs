//! Accounts and credentials.

use super::{Change, Store, StoreError, appointments, emergencies, grants, instructions, parsed, taken};
use crate::accounts::{Account, State, Tries, UserName};
use crate::sessions::End;
use contract::Micros;
use contract::directory::{self, Entry};
use contract::id::{AccountId, HsaId};
use contract::record::{AuthEventKind, Reason};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};
use zeroize::Zeroizing;

/// What an account proves itself with, as it rests.
#[derive(Default)]
pub struct Credential {
    /// The password's hash.
    pub password: Option<Zeroizing<String>>,
    /// The second factor, sealed.
    pub totp: Option<Vec<u8>>,
    /// The last step whose code was used.
    pub totp_step: u64,
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credential(hidden)")
    }
}

pub(super) const COLUMNS: &str =
    "id, user_name, hsa, name, title, state, state_at, state_until, state_held, failures, locks, last_login, created";

impl Store {
    /// The open account with this user name.
    pub async fn account_by_name(&self, name: &UserName) -> Result<Option<Account>, StoreError> {
        account_by_name(&mut *self.read().await?, name).await
    }

    /// An account.
    pub async fn account(&self, id: AccountId) -> Result<Option<Account>, StoreError> {
        account(&mut *self.read().await?, id).await
    }

    /// Those of some HSA-ids that an account has which is not closed, in their order.
    pub async fn hsa_ids_with_account(&self, ids: &[HsaId]) -> Result<Vec<HsaId>, StoreError> {
        let mut connection = self.read().await?;
        let mut known = Vec::new();
        for hsa in ids {
            let count: i64 = sqlx::query_scalar(
                "SELECT COUNT(*) FROM account WHERE hsa = $1 AND state NOT IN ('deregistered', 'lapsed')",
            )
            .bind(hsa.as_str())
            .fetch_one(&mut *connection)
            .await?;
            if count > 0 {
                known.push(hsa.clone());
            }
        }
        Ok(known)
    }

    /// All accounts, the newest first.
    pub async fn accounts(&self, limit: u32) -> Result<Vec<Account>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM account ORDER BY created DESC, id LIMIT $1"));
        let rows = sqlx::query(sql).bind(i64::from(limit)).fetch_all(&mut *self.read().await?).await?;
        rows.iter().map(read_account).collect()
    }

    /// Accounts whose lock has run out.
    pub async fn locks_over(&self, now: Micros, limit: u32) -> Result<Vec<AccountId>, StoreError> {
        let ids: Vec<String> = sqlx::query_scalar(
            "SELECT id FROM account WHERE state IN ('locked', 'locked_unused') AND state_until <= $1 ORDER BY state_until LIMIT $2",
        )
        .bind(now)
        .bind(i64::from(limit))
        .fetch_all(&mut *self.read().await?)
        .await?;
        ids.iter().map(|id| parsed(id, "account id")).collect()
    }

    /// Accounts that may have been unused since `unused`, or not collected since `uncollected`: [`Account::by_time`]
    /// decides.
    pub async fn idle(&self, unused: Micros, uncollected: Micros, limit: u32) -> Result<Vec<AccountId>, StoreError> {
        let ids: Vec<String> = sqlx::query_scalar(
            "SELECT id FROM account WHERE \
             (state IN ('active', 'locked') AND COALESCE(state_held, state_at) < $1 \
             AND (last_login IS NULL OR last_login < $1)) \
             OR (state IN ('created', 'handed_out', 'locked_unused') AND COALESCE(state_held, state_at) < $2) \
             ORDER BY state_at LIMIT $3",
        )
        .bind(unused)
        .bind(uncollected)
        .bind(i64::from(limit))
        .fetch_all(&mut *self.read().await?)
        .await?;
        ids.iter().map(|id| parsed(id, "account id")).collect()
    }

    /// What an account proves itself with.
    pub async fn credential(&self, id: AccountId) -> Result<Credential, StoreError> {
        credential(&mut *self.read().await?, id).await
    }

    /// An account as gateways see it.
    pub async fn directory_account(
        &self,
        id: AccountId,
        now: Micros,
    ) -> Result<Option<directory::Account>, StoreError> {
        let mut connection = self.read().await?;
        let Some(account) = account(&mut connection, id).await? else { return Ok(None) };
        let grants = grants::grants(&mut connection, id).await?;
        let roles = appointments::roles(&mut connection, id, now).await?;
        let openings = emergencies::openings(&mut connection, id, now).await?;
        let instructions_due = instructions::due(&mut connection, id).await?;
        Ok(Some(account.entry(grants, roles, openings, instructions_due)))
    }
}

impl Change {
    /// An account, as this change sees it.
    pub async fn account(&mut self, id: AccountId) -> Result<Account, StoreError> {
        account(&mut self.tx, id).await?.ok_or(StoreError::Absent("account"))
    }

    /// The account with this user name, as this change sees it.
    pub async fn account_by_name(&mut self, name: &UserName) -> Result<Account, StoreError> {
        account_by_name(&mut self.tx, name).await?.ok_or(StoreError::Absent("account"))
    }

    /// The accounts with this HSA-id that are not closed, as this change sees them: one, if all is well. Two at most.
    pub async fn accounts_by_hsa(&mut self, hsa: &HsaId) -> Result<Vec<Account>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM account WHERE hsa = $1 AND state NOT IN ('deregistered', 'lapsed') ORDER BY id LIMIT 2"
        ));
        let rows = sqlx::query(sql).bind(hsa.as_str()).fetch_all(&mut *self.tx).await?;
        rows.iter().map(read_account).collect()
    }

    /// What an account proves itself with, as this change sees it.
    pub async fn credential(&mut self, id: AccountId) -> Result<Credential, StoreError> {
        credential(&mut self.tx, id).await
    }

    /// Adds an account.
    pub async fn create_account(&mut self, account: &Account) -> Result<(), StoreError> {
        let (state, at, until) = account.state.parts();
        sqlx::query(
            "INSERT INTO account (id, user_name, hsa, name, title, state, state_at, state_until, state_held, created) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        )
        .bind(account.id.to_string())
        .bind(account.user_name.as_str())
        .bind(account.hsa.as_ref().map(ToString::to_string))
        .bind(account.name.as_str())
        .bind(account.title.as_str())
        .bind(state)
        .bind(at)
        .bind(until)
        .bind(account.state.held())
        .bind(account.created)
        .execute(&mut *self.tx)
        .await
        .map_err(taken("user name"))?;
        sqlx::query("INSERT INTO credential (account) VALUES ($1)")
            .bind(account.id.to_string())
            .execute(&mut *self.tx)
            .await?;
        self.publish_account(account).await?;
        let event = self.event(AuthEventKind::AccountCreated, account.id);
        self.record(event).await
    }

    /// Stores an account's new state, tells the directory, and records what happened.
    pub async fn move_account(
        &mut self,
        account: &Account,
        kind: AuthEventKind,
        reason: Reason,
    ) -> Result<(), StoreError> {
        self.store_tries(account).await?;
        self.publish_account(account).await?;
        let mut event = self.event(kind, account.id);
        event.reason = reason;
        event.detail = format!("{} state={}", self.by.channel, account.state.parts().0).into();
        self.record(event).await
    }

    /// Closes an account or takes it out of use: its sessions end with it.
    pub async fn stop_account(&mut self, account: &Account, kind: AuthEventKind) -> Result<(), StoreError> {
        self.stop_account_by(account, kind, Reason::None).await
    }

    /// As [`Self::stop_account`], for a reason. The appointments of an account that is closed end, too.
    pub async fn stop_account_by(
        &mut self,
        account: &Account,
        kind: AuthEventKind,
        reason: Reason,
    ) -> Result<(), StoreError> {
        if account.state.is_final() {
            self.end_appointments_of(account.id).await?;
        }
        self.move_account(account, kind, reason).await?;
        self.end_sessions_of_account(account.id, End::Account).await
    }

    /// Stores attempts and state, without telling anybody: for counts that only the login needs.
    pub async fn store_tries(&mut self, account: &Account) -> Result<(), StoreError> {
        let (state, at, until) = account.state.parts();
        let done = sqlx::query(
            "UPDATE account SET state = $2, state_at = $3, state_until = $4, state_held = $5, failures = $6, \
             locks = $7, last_login = $8 WHERE id = $1",
        )
        .bind(account.id.to_string())
        .bind(state)
        .bind(at)
        .bind(until)
        .bind(account.state.held())
        .bind(i64::from(account.tries.failures))
        .bind(i64::from(account.tries.locks))
        .bind(account.last_login)
        .execute(&mut *self.tx)
        .await?;
        if done.rows_affected() == 1 { Ok(()) } else { Err(StoreError::Absent("account")) }
    }

    /// Sets a password's hash. Sessions that rest on the old one end.
    pub async fn set_password(&mut self, id: AccountId, hash: &str) -> Result<(), StoreError> {
        sqlx::query("UPDATE credential SET password = $2, password_set = $3 WHERE account = $1")
            .bind(id.to_string())
            .bind(hash)
            .bind(self.at)
            .execute(&mut *self.tx)
            .await?;
        self.credential_set(id, "password").await
    }

    /// Sets a second factor. Sessions that rest on the old one end.
    pub async fn set_totp(&mut self, id: AccountId, sealed: &[u8]) -> Result<(), StoreError> {
        sqlx::query("UPDATE credential SET totp = $2, totp_set = $3, totp_step = 0 WHERE account = $1")
            .bind(id.to_string())
            .bind(sealed)
            .bind(self.at)
            .execute(&mut *self.tx)
            .await?;
        self.credential_set(id, "totp").await
    }

    /// Takes password and one-time codes from an account that gets another way in.
    pub(super) async fn end_codes(&mut self, id: AccountId) -> Result<(), StoreError> {
        let done = sqlx::query(
            "UPDATE credential SET password = NULL, totp = NULL, totp_step = 0 \
             WHERE account = $1 AND (password IS NOT NULL OR totp IS NOT NULL)",
        )
        .bind(id.to_string())
        .execute(&mut *self.tx)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(());
        }
        self.credential_set(id, "codes removed").await
    }

    async fn credential_set(&mut self, id: AccountId, which: &str) -> Result<(), StoreError> {
        let mut event = self.event(AuthEventKind::CredentialsSet, id);
        event.detail = format!("{} {which}", self.by.channel).into();
        self.record(event).await?;
        self.end_sessions_of_account(id, End::Account).await
    }

    /// Uses up a code's step. False: another attempt has used it, or a later one, in the meantime.
    pub async fn use_step(&mut self, id: AccountId, step: u64) -> Result<bool, StoreError> {
        let step = i64::try_from(step).map_err(|_| StoreError::Damaged("step"))?;
        let done = sqlx::query("UPDATE credential SET totp_step = $2 WHERE account = $1 AND totp_step < $2")
            .bind(id.to_string())
            .bind(step)
            .execute(&mut *self.tx)
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// The open account of the person with this HSA-id, if there is one.
    pub(super) async fn open_account_of(&mut self, hsa: &HsaId) -> Result<Option<AccountId>, StoreError> {
        let id: Option<String> = sqlx::query_scalar(
            "SELECT id FROM account WHERE hsa = $1 AND state NOT IN ('deregistered', 'lapsed') LIMIT 1",
        )
        .bind(hsa.as_str())
        .fetch_optional(&mut *self.tx)
        .await?;
        id.map(|id| parsed(&id, "account id")).transpose()
    }

    /// Tells the directory how an account is now.
    pub(super) async fn publish_account(&mut self, account: &Account) -> Result<(), StoreError> {
        let grants = grants::grants(&mut self.tx, account.id).await?;
        let roles = appointments::roles(&mut self.tx, account.id, self.at).await?;
        let openings = emergencies::openings(&mut self.tx, account.id, self.at).await?;
        let instructions_due = instructions::due(&mut self.tx, account.id).await?;
        self.publish(&Entry::Account(account.entry(grants, roles, openings, instructions_due))).await
    }
}

async fn account_by_name(connection: &mut AnyConnection, name: &UserName) -> Result<Option<Account>, StoreError> {
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM account WHERE user_name = $1 AND state NOT IN ('deregistered', 'lapsed')"
    ));
    let row = sqlx::query(sql).bind(name.as_str()).fetch_optional(connection).await?;
    row.as_ref().map(read_account).transpose()
}

pub(super) async fn account(connection: &mut AnyConnection, id: AccountId) -> Result<Option<Account>, StoreError> {
    let sql = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM account WHERE id = $1"));
    let row = sqlx::query(sql).bind(id.to_string()).fetch_optional(connection).await?;
    row.as_ref().map(read_account).transpose()
}

/// All accounts that are not closed for good.
pub(super) async fn open_accounts(connection: &mut AnyConnection) -> Result<Vec<Account>, StoreError> {
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM account WHERE state NOT IN ('deregistered', 'lapsed') ORDER BY id"
    ));
    let rows = sqlx::query(sql).fetch_all(connection).await?;
    rows.iter().map(read_account).collect()
}

async fn credential(connection: &mut AnyConnection, id: AccountId) -> Result<Credential, StoreError> {
    let row = sqlx::query("SELECT password, totp, totp_step FROM credential WHERE account = $1")
        .bind(id.to_string())
        .fetch_optional(connection)
        .await?;
    let Some(row) = row else { return Ok(Credential::default()) };
    Ok(Credential {
        password: row.try_get::<Option<String>, _>("password")?.map(Zeroizing::new),
        totp: row.try_get("totp")?,
        totp_step: u64::try_from(row.try_get::<i64, _>("totp_step")?).map_err(|_| StoreError::Damaged("step"))?,
    })
}

pub(super) fn read_account(row: &AnyRow) -> Result<Account, StoreError> {
    let state = State::from_parts(
        row.try_get("state")?,
        row.try_get("state_at")?,
        row.try_get("state_until")?,
        row.try_get("state_held")?,
    );
    let count = |name| -> Result<u32, StoreError> {
        u32::try_from(row.try_get::<i64, _>(name)?).map_err(|_| StoreError::Damaged("count of attempts"))
    };
    Ok(Account {
        id: parsed(row.try_get("id")?, "account id")?,
        user_name: parsed(row.try_get("user_name")?, "user name")?,
        hsa: row.try_get::<Option<&str>, _>("hsa")?.map(|hsa| parsed(hsa, "HSA-id")).transpose()?,
        name: row.try_get("name")?,
        title: row.try_get("title")?,
        state: state.ok_or(StoreError::Damaged("account state"))?,
        tries: Tries { failures: count("failures")?, locks: count("locks")? },
        last_login: row.try_get("last_login")?,
        created: row.try_get("created")?,
    })
}
