//! Appointments, page by page.

use super::appointments::{COLUMNS, read};
use super::{Store, StoreError};
use crate::duties::Given;
use contract::Micros;
use contract::id::{AccountId, AppointmentId};

impl Store {
    /// A page of appointments, of one account or of all, the newest first; those that have ended only if asked for.
    /// `after`: when the last of the page before was given, and its id.
    pub async fn appointment_page(
        &self,
        of: Option<AccountId>,
        ended: bool,
        after: Option<(Micros, AppointmentId)>,
        limit: u32,
    ) -> Result<Vec<Given>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM appointment WHERE (account = $1 OR $1 = '') AND (ended IS NULL OR $2 = 1) \
             AND ($3 = '' OR given < $4 OR (given = $4 AND id < $3)) ORDER BY given DESC, id DESC LIMIT $5"
        ));
        let (at, id) = after.map_or((0, String::new()), |(at, id)| (at, id.to_string()));
        let rows = sqlx::query(sql)
            .bind(of.map(|id| id.to_string()).unwrap_or_default())
            .bind(i64::from(ended))
            .bind(id)
            .bind(at)
            .bind(i64::from(limit))
            .fetch_all(&mut *self.read().await?)
            .await?;
        rows.iter().map(read).collect()
    }
}
