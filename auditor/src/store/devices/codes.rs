//! Codes that devices are enrolled by.

use super::list::marks;
use crate::devices::{Code, CodeHash, CodeKey, DeviceCode};
use crate::store::{Change, Store, StoreError, parsed, taken};
use contract::Micros;
use contract::id::{AccountId, DeviceCodeId, DeviceId, HsaId};
use contract::record::{AuthEventKind, Reason};
use sqlx::Row;
use sqlx::any::AnyRow;

/// So many codes of one organisation may be open at a time.
const OPEN_MAX: i64 = 1_000;

const COLUMNS: &str = "id, prefix, organisation, name, issued, issued_by, expires, tries, ended, device";

impl Store {
    /// A code, open or not.
    pub async fn device_code(&self, id: DeviceCodeId) -> Result<Option<DeviceCode>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM device_code WHERE id = $1"));
        let row = sqlx::query(sql).bind(id.to_string()).fetch_optional(&mut *self.read().await?).await?;
        row.as_ref().map(read_code).transpose()
    }

    /// A page of codes that have not ended, of some organisations or of all (none said), the newest first. `after`: when the
    /// last of the page before was made, and its id.
    pub async fn device_codes(
        &self,
        of: Option<&[HsaId]>,
        after: Option<(Micros, DeviceCodeId)>,
        limit: u32,
    ) -> Result<Vec<DeviceCode>, StoreError> {
        let among = of.map_or_else(|| "1 = 1".to_owned(), |of| format!("organisation IN ({})", marks(4, of.len())));
        let sql = sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM device_code WHERE ended IS NULL \
             AND ($1 = '' OR issued < $2 OR (issued = $2 AND id < $1)) AND {among} \
             ORDER BY issued DESC, id DESC LIMIT $3"
        ));
        let (at, id) = after.map_or((0, String::new()), |(at, id)| (at, id.to_string()));
        let mut query = sqlx::query(sql).bind(id).bind(at).bind(i64::from(limit));
        for organisation in of.unwrap_or_default() {
            query = query.bind(organisation.as_str());
        }
        let rows = query.fetch_all(&mut *self.read().await?).await?;
        rows.iter().map(read_code).collect()
    }

    /// Forgets codes that have been of no use since `before`.
    pub async fn forget_codes(&self, before: Micros) -> Result<u64, StoreError> {
        let old: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM device_code WHERE expires < $1")
            .bind(before)
            .fetch_one(&mut *self.read().await?)
            .await?;
        if old == 0 {
            return Ok(0);
        }
        let _turn = self.turn.lock().await;
        let mut tx = self.pool.begin_with(self.engine.begin_write()).await?;
        let done = sqlx::query("DELETE FROM device_code WHERE expires < $1").bind(before).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(done.rows_affected())
    }
}

impl Change {
    /// Keeps a new code.
    pub async fn issue_code(&mut self, code: &DeviceCode, hash: &CodeHash) -> Result<(), StoreError> {
        self.organisation_is_there(&code.organisation).await?;
        let open: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM device_code WHERE organisation = $1 AND ended IS NULL AND expires > $2",
        )
        .bind(code.organisation.as_str())
        .bind(self.at)
        .fetch_one(&mut *self.tx)
        .await?;
        if open >= OPEN_MAX {
            return Err(StoreError::TooMany("open codes of this organisation"));
        }
        sqlx::query(
            "INSERT INTO device_code (id, prefix, hash, organisation, name, issued, issued_by, expires) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(code.id.to_string())
        .bind(code.prefix.as_str())
        .bind(hex::encode(hash.0))
        .bind(code.organisation.as_str())
        .bind(code.name.as_str())
        .bind(code.issued)
        .bind(code.issued_by.to_string())
        .bind(code.expires)
        .execute(&mut *self.tx)
        .await
        .map_err(taken("code"))?;
        self.code_event(AuthEventKind::DeviceCodeIssued, Reason::None, Some(code), "").await
    }

    /// Takes a code that somebody shows. Good: what it is for; it is not used up before [`Self::spend_code`]. Else why not,
    /// which is counted and recorded with this change.
    pub async fn take_code(&mut self, shown: &Code, key: &CodeKey) -> Result<Result<DeviceCode, Reason>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS}, hash FROM device_code WHERE prefix = $1"));
        let row = sqlx::query(sql).bind(shown.prefix()).fetch_optional(&mut *self.tx).await?;
        let Some(row) = row else {
            self.code_event(AuthEventKind::DeviceCodeRefused, Reason::CodeUnknown, None, "").await?;
            return Ok(Err(Reason::CodeUnknown));
        };
        let mut hash = [0; 32];
        hex::decode_to_slice(row.try_get::<&str, _>("hash")?, &mut hash).map_err(|_| StoreError::Damaged("code"))?;
        let code = read_code(&row)?;
        let fits = key.fits(shown, &CodeHash(hash));
        let Err(reason) = code.judge(fits, self.at) else { return Ok(Ok(code)) };
        if !fits {
            sqlx::query("UPDATE device_code SET tries = tries + 1 WHERE id = $1")
                .bind(code.id.to_string())
                .execute(&mut *self.tx)
                .await?;
        }
        self.code_event(AuthEventKind::DeviceCodeRefused, reason, Some(&code), "").await?;
        Ok(Err(reason))
    }

    /// A device was enrolled by a code: it is used up.
    pub async fn spend_code(&mut self, code: &DeviceCode, device: DeviceId) -> Result<(), StoreError> {
        self.end_code(code.id, Some(device)).await
    }

    /// Somebody takes a code back before it is used.
    pub async fn withdraw_code(&mut self, code: &DeviceCode) -> Result<(), StoreError> {
        self.end_code(code.id, None).await?;
        self.code_event(AuthEventKind::DeviceCodeRefused, Reason::None, Some(code), "withdrawn").await
    }

    async fn end_code(&mut self, id: DeviceCodeId, device: Option<DeviceId>) -> Result<(), StoreError> {
        let done = sqlx::query("UPDATE device_code SET ended = $2, device = $3 WHERE id = $1 AND ended IS NULL")
            .bind(id.to_string())
            .bind(self.at)
            .bind(device.map(|id| id.to_string()))
            .execute(&mut *self.tx)
            .await?;
        if done.rows_affected() == 1 { Ok(()) } else { Err(StoreError::Absent("code that is open")) }
    }

    async fn code_event(
        &mut self,
        kind: AuthEventKind,
        reason: Reason,
        code: Option<&DeviceCode>,
        words: &str,
    ) -> Result<(), StoreError> {
        let mut event = self.event(kind, AccountId::NONE);
        event.reason = reason;
        if let Some(code) = code {
            event.device_org = code.organisation.text();
            let words = if words.is_empty() { String::new() } else { format!(" {words}") };
            event.detail = format!("{}{words} code={}", self.by.channel, code.id).into();
        }
        self.record(event).await
    }
}

fn read_code(row: &AnyRow) -> Result<DeviceCode, StoreError> {
    Ok(DeviceCode {
        id: parsed(row.try_get("id")?, "code id")?,
        prefix: row.try_get("prefix")?,
        organisation: parsed(row.try_get("organisation")?, "HSA-id")?,
        name: row.try_get("name")?,
        issued: row.try_get("issued")?,
        issued_by: parsed(row.try_get("issued_by")?, "account id")?,
        expires: row.try_get("expires")?,
        tries: u32::try_from(row.try_get::<i64, _>("tries")?).map_err(|_| StoreError::Damaged("number of tries"))?,
        ended: row.try_get("ended")?,
        device: row.try_get::<Option<&str>, _>("device")?.map(|id| parsed(id, "device id")).transpose()?,
    })
}
