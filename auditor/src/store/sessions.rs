//! Sessions.

use super::{Change, Store, StoreError, from_json, parsed, to_json};
use crate::sessions::{End, over, worth_telling};
use contract::Micros;
use contract::directory::{Entry, Session};
use contract::id::{AccountId, DeviceId, SessionKey};
use contract::record::{AuthEventKind, AuthMethod};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

const COLUMNS: &str =
    "key, account, device, created, expires, idle_s, last_used, published_used, auth_method, acr, commission, ended";

impl Store {
    /// A session that has not ended.
    pub async fn live_session(&self, key: SessionKey, now: Micros) -> Result<Option<Session>, StoreError> {
        live(&mut *self.read().await?, key, now).await
    }

    /// Sessions whose time is over, `grace` later: reports of their use may be under way.
    pub async fn sessions_over(&self, now: Micros, grace: Micros, limit: u32) -> Result<Vec<SessionKey>, StoreError> {
        let keys: Vec<String> = sqlx::query_scalar(
            "SELECT key FROM session WHERE ended IS NULL \
             AND (expires <= $1 OR last_used + idle_s * 1000000 + $2 <= $1) LIMIT $3",
        )
        .bind(now)
        .bind(grace)
        .bind(i64::from(limit))
        .fetch_all(&mut *self.read().await?)
        .await?;
        keys.into_iter().map(|key| SessionKey::try_from(key).map_err(|_| StoreError::Damaged("session key"))).collect()
    }

    /// Sessions that have not ended, of one account or of all, the last used first.
    pub async fn open_sessions(&self, account: Option<AccountId>, limit: u32) -> Result<Vec<Session>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM session WHERE ended IS NULL AND (account = $1 OR $1 = '') \
             ORDER BY last_used DESC, key LIMIT $2"
        ));
        let rows = sqlx::query(sql)
            .bind(account.map(|id| id.to_string()).unwrap_or_default())
            .bind(i64::from(limit))
            .fetch_all(&mut *self.read().await?)
            .await?;
        rows.iter().map(|row| Ok(read_session(row)?.0)).collect()
    }

    /// How many sessions are live.
    pub async fn sessions_live(&self) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar("SELECT COUNT(*) FROM session WHERE ended IS NULL")
            .fetch_one(&mut *self.read().await?)
            .await?)
    }
}

impl Change {
    /// Opens a session.
    pub async fn open_session(&mut self, session: &Session) -> Result<(), StoreError> {
        self.open_session_noted(session, "").await
    }

    /// Opens a session, with words about its login for the record.
    pub async fn open_session_noted(&mut self, session: &Session, note: &str) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO session (key, account, device, created, expires, idle_s, last_used, published_used, \
             auth_method, acr, commission) VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8, $9, $10)",
        )
        .bind(session.key.to_string())
        .bind(session.account.to_string())
        .bind(session.device.to_string())
        .bind(session.created)
        .bind(session.expires)
        .bind(i64::from(session.idle_s))
        .bind(session.last_used)
        .bind(session.auth_method.as_str())
        .bind(session.acr.as_str())
        .bind(to_json(&session.commission)?)
        .execute(&mut *self.tx)
        .await?;
        self.publish(&Entry::Session(session.clone())).await?;
        let mut event = self.event(AuthEventKind::Login, session.account);
        event.by = session.account;
        event.session = session.key.reference();
        event.auth_method = session.auth_method;
        if !note.is_empty() {
            event.detail = format!("{} {note}", self.by.channel).into();
        }
        self.record(event).await
    }

    /// Ends a session. False: there is none, or it has ended.
    pub async fn end_session(&mut self, key: SessionKey, why: End) -> Result<bool, StoreError> {
        let Some((mut session, _)) = session(&mut self.tx, key).await? else { return Ok(false) };
        if session.ended.is_some() {
            return Ok(false);
        }
        session.ended = Some(self.at);
        sqlx::query("UPDATE session SET ended = $2 WHERE key = $1")
            .bind(key.to_string())
            .bind(self.at)
            .execute(&mut *self.tx)
            .await?;
        let kind = if why == End::Logout { AuthEventKind::Logout } else { AuthEventKind::SessionEnded };
        let mut event = self.event(kind, session.account);
        event.session = key.reference();
        event.auth_method = session.auth_method;
        if event.device.is_none() {
            event.device = session.device;
        }
        event.detail = format!("{} {}", self.by.channel, why.as_str()).into();
        self.publish(&Entry::Session(session)).await?;
        self.record(event).await?;
        Ok(true)
    }

    /// A session that has not ended, by what this change sees.
    pub async fn live_session(&mut self, key: SessionKey) -> Result<Option<Session>, StoreError> {
        live(&mut self.tx, key, self.at).await
    }

    /// Whether a session is of an account.
    pub(super) async fn session_is_of(&mut self, key: SessionKey, id: AccountId) -> Result<bool, StoreError> {
        Ok(session(&mut self.tx, key).await?.is_some_and(|(session, _)| session.account == id))
    }

    /// Ends a session if its time is over, by what this change sees.
    pub async fn end_session_if_over(&mut self, key: SessionKey, grace: Micros) -> Result<bool, StoreError> {
        let Some((session, _)) = session(&mut self.tx, key).await? else { return Ok(false) };
        let why = match over(&session, self.at) {
            Some(End::Idle) => over(&session, self.at.saturating_sub(grace)),
            why => why,
        };
        match why {
            Some(why) => self.end_session(key, why).await,
            None => Ok(false),
        }
    }

    /// Ends all sessions of an account.
    pub async fn end_sessions_of_account(&mut self, id: AccountId, why: End) -> Result<(), StoreError> {
        let keys: Vec<String> = sqlx::query_scalar("SELECT key FROM session WHERE account = $1 AND ended IS NULL")
            .bind(id.to_string())
            .fetch_all(&mut *self.tx)
            .await?;
        self.end_all(keys, why).await
    }

    /// Ends all sessions of an account but this one.
    pub async fn end_other_sessions(&mut self, id: AccountId, but: SessionKey, why: End) -> Result<(), StoreError> {
        let keys: Vec<String> =
            sqlx::query_scalar("SELECT key FROM session WHERE account = $1 AND key <> $2 AND ended IS NULL")
                .bind(id.to_string())
                .bind(but.to_string())
                .fetch_all(&mut *self.tx)
                .await?;
        self.end_all(keys, why).await
    }

    /// Ends all sessions of a device.
    pub async fn end_sessions_of_device(&mut self, id: DeviceId, why: End) -> Result<(), StoreError> {
        let keys: Vec<String> = sqlx::query_scalar("SELECT key FROM session WHERE device = $1 AND ended IS NULL")
            .bind(id.to_string())
            .fetch_all(&mut *self.tx)
            .await?;
        self.end_all(keys, why).await
    }

    async fn end_all(&mut self, keys: Vec<String>, why: End) -> Result<(), StoreError> {
        for key in keys {
            let key = SessionKey::try_from(key).map_err(|_| StoreError::Damaged("session key"))?;
            self.end_session(key, why).await?;
        }
        Ok(())
    }

    /// Notes that a session was used, and tells the directory when other gateways need to know.
    pub async fn use_session(&mut self, key: SessionKey, used: Micros) -> Result<(), StoreError> {
        let Some((mut session, published)) = session(&mut self.tx, key).await? else { return Ok(()) };
        let used = used.min(self.at);
        if session.ended.is_some() || used <= session.last_used {
            return Ok(());
        }
        let tell = worth_telling(&session, published, used);
        session.last_used = used;
        sqlx::query("UPDATE session SET last_used = $2, published_used = $3 WHERE key = $1")
            .bind(key.to_string())
            .bind(used)
            .bind(if tell { used } else { published })
            .execute(&mut *self.tx)
            .await?;
        if tell {
            self.publish(&Entry::Session(session)).await?;
        }
        Ok(())
    }
}

async fn session(connection: &mut AnyConnection, key: SessionKey) -> Result<Option<(Session, Micros)>, StoreError> {
    let sql = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM session WHERE key = $1"));
    let row = sqlx::query(sql).bind(key.to_string()).fetch_optional(connection).await?;
    row.as_ref().map(read_session).transpose()
}

async fn live(connection: &mut AnyConnection, key: SessionKey, now: Micros) -> Result<Option<Session>, StoreError> {
    let found = session(connection, key).await?;
    Ok(found.map(|(session, _)| session).filter(|session| session.ended.is_none() && over(session, now).is_none()))
}

/// All sessions that have not ended.
pub(super) async fn live_sessions(connection: &mut AnyConnection, now: Micros) -> Result<Vec<Session>, StoreError> {
    let sql =
        sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM session WHERE ended IS NULL AND expires > $1 ORDER BY key"));
    let rows = sqlx::query(sql).bind(now).fetch_all(connection).await?;
    rows.iter().map(|row| Ok(read_session(row)?.0)).collect()
}

fn read_session(row: &AnyRow) -> Result<(Session, Micros), StoreError> {
    let session = Session {
        key: SessionKey::try_from(row.try_get::<String, _>("key")?).map_err(|_| StoreError::Damaged("session key"))?,
        account: parsed(row.try_get("account")?, "account id")?,
        device: parsed(row.try_get("device")?, "device id")?,
        created: row.try_get("created")?,
        expires: row.try_get("expires")?,
        idle_s: u32::try_from(row.try_get::<i64, _>("idle_s")?).map_err(|_| StoreError::Damaged("idle time"))?,
        last_used: row.try_get("last_used")?,
        auth_method: AuthMethod::parse(row.try_get("auth_method")?).ok_or(StoreError::Damaged("login method"))?,
        acr: row.try_get("acr")?,
        commission: from_json(row.try_get("commission")?, "commission")?,
        ended: row.try_get("ended")?,
    };
    Ok((session, row.try_get("published_used")?))
}
