//! Devices and organisations, page by page.

use super::{COLUMNS, Device, Organisation, read_device, read_next, read_organisation};
use crate::devices::Why;
use crate::store::{Store, StoreError};
use contract::Micros;
use contract::directory::NextCertificate;
use contract::id::{DeviceId, HsaId};
use sqlx::Row as _;
use sqlx::any::AnyRow;

/// In which order devices stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Enrolled last first.
    Newest,
    /// Whose certificate ends first.
    Expires,
    /// Longest unused first; those that were never used before all.
    Unused,
}

/// Which devices.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Of these organisations; none: of all.
    pub organisations: Option<Vec<HsaId>>,
    /// With this in their name, or serial number or fingerprint that begin so.
    pub search: Option<String>,
    /// Only those that are revoked, or are not.
    pub revoked: Option<bool>,
    /// Only those whose certificate ends before, and that are not revoked.
    pub ends_before: Option<Micros>,
    /// In which order.
    pub order: Order,
    /// After which: by what they are ordered, and its id.
    pub after: Option<(Micros, DeviceId)>,
    /// At most so many.
    pub limit: u32,
}

/// A device in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The device.
    pub device: Device,
    /// The certificate that it has been given and not used yet.
    pub next: Option<NextCertificate>,
    /// When a gateway last saw it.
    pub last_used: Option<Micros>,
    /// Why it was revoked.
    pub why: Option<Why>,
}

impl Order {
    /// By what a device is ordered.
    pub fn of(self, listed: &Listed) -> Micros {
        match self {
            Self::Newest => listed.device.enrolled,
            Self::Expires => listed.device.not_after,
            Self::Unused => listed.last_used.unwrap_or(0),
        }
    }

    const fn sql(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Newest => ("enrolled", "<", "DESC"),
            Self::Expires => ("not_after", ">", "ASC"),
            Self::Unused => ("COALESCE(last_used, 0)", ">", "ASC"),
        }
    }
}

/// The columns of a list; the sub-queries find one row at most.
const NEXT: &str = "(SELECT n.fingerprint FROM device_certificate n WHERE n.device = device.id AND n.stage = 'next') \
                    AS next_fingerprint, \
                    (SELECT n.not_after FROM device_certificate n WHERE n.device = device.id AND n.stage = 'next') \
                    AS next_not_after, last_used, revoked_why";

impl Store {
    /// A device with what is known of its use.
    pub async fn listed_device(&self, id: DeviceId) -> Result<Option<Listed>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS}, {NEXT} FROM device WHERE id = $1"));
        let row = sqlx::query(sql).bind(id.to_string()).fetch_optional(&mut *self.read().await?).await?;
        row.as_ref().map(read_listed).transpose()
    }

    /// A page of devices.
    pub async fn device_page(&self, wanted: &Wanted) -> Result<Vec<Listed>, StoreError> {
        let (column, beyond, direction) = wanted.order.sql();
        let among = wanted.organisations.as_deref();
        let of = among.map_or_else(|| "1 = 1".to_owned(), |of| format!("organisation IN ({})", marks(8, of.len())));
        let revoked = match wanted.revoked {
            None => "1 = 1",
            Some(true) => "revoked IS NOT NULL",
            Some(false) => "revoked IS NULL",
        };
        let sql = sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS}, {NEXT} FROM device WHERE {of} AND {revoked} \
             AND ($1 = '' OR folded LIKE $1 ESCAPE '!' OR serial LIKE $2 ESCAPE '!' OR fingerprint LIKE $2 ESCAPE '!') \
             AND ($3 = 0 OR (revoked IS NULL AND not_after < $4)) \
             AND ($5 = '' OR {column} {beyond} $6 OR ({column} = $6 AND id {beyond} $5)) \
             ORDER BY {column} {direction}, id {direction} LIMIT $7"
        ));
        let search = wanted.search.as_deref().map(|text| escaped(&text.to_lowercase()));
        let (at, id) = wanted.after.map_or((0, String::new()), |(at, id)| (at, id.to_string()));
        let mut query = sqlx::query(sql)
            .bind(search.as_ref().map(|text| format!("%{text}%")).unwrap_or_default())
            .bind(search.map(|text| format!("{text}%")).unwrap_or_default())
            .bind(i64::from(wanted.ends_before.is_some()))
            .bind(wanted.ends_before.unwrap_or(0))
            .bind(id)
            .bind(at)
            .bind(i64::from(wanted.limit));
        for organisation in among.unwrap_or_default() {
            query = query.bind(organisation.as_str());
        }
        let rows = query.fetch_all(&mut *self.read().await?).await?;
        rows.iter().map(read_listed).collect()
    }

    /// A page of organisations, some of them or all (none said), by their HSA-ids.
    pub async fn organisation_page(
        &self,
        of: Option<&[HsaId]>,
        after: Option<&HsaId>,
        limit: u32,
    ) -> Result<Vec<Organisation>, StoreError> {
        let among = of.map_or_else(|| "1 = 1".to_owned(), |of| format!("hsa IN ({})", marks(3, of.len())));
        let sql = sqlx::AssertSqlSafe(format!(
            "SELECT hsa, name, created FROM organisation WHERE hsa > $1 AND {among} ORDER BY hsa LIMIT $2"
        ));
        let mut query = sqlx::query(sql).bind(after.map(HsaId::as_str).unwrap_or_default()).bind(i64::from(limit));
        for organisation in of.unwrap_or_default() {
            query = query.bind(organisation.as_str());
        }
        let rows = query.fetch_all(&mut *self.read().await?).await?;
        rows.iter().map(read_organisation).collect()
    }
}

/// `$first, …`: so many numbered places. Of none: what no row has.
pub(in crate::store) fn marks(first: usize, count: usize) -> String {
    if count == 0 {
        return "''".to_owned();
    }
    (first..first + count).map(|number| format!("${number}")).collect::<Vec<_>>().join(", ")
}

/// A text in which nothing stands for another.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        if matches!(letter, '!' | '%' | '_') {
            escaped.push('!');
        }
        escaped.push(letter);
    }
    escaped
}

fn read_listed(row: &AnyRow) -> Result<Listed, StoreError> {
    let why = row.try_get::<Option<&str>, _>("revoked_why")?;
    Ok(Listed {
        device: read_device(row)?,
        next: read_next(row)?,
        last_used: row.try_get("last_used")?,
        why: why.map(|why| Why::parse(why).ok_or(StoreError::Damaged("reason"))).transpose()?,
    })
}
