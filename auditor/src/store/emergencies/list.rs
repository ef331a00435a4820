//! Openings for who reviews them: by unit, page by page, and marked as seen. Each reading is on record.

use super::{read_patient, read_why, words_cell};
use crate::duties::{About, Action, Appointment, may};
use crate::forms::Denied;
use crate::store::devices::marks;
use crate::store::{By, Change, Office, Store, StoreError, parsed};
use contract::Micros;
use contract::emergency::Why;
use contract::id::{AccountId, HsaId, OpeningId, RegistryName, RequestId, RouteName};
use contract::pseudonym::PatientRef;
use contract::record::AuthEventKind;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

/// An opening, for who reviews it. Nothing in it identifies the patient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emergency {
    /// Its id.
    pub id: OpeningId,
    /// The request that was refused before it.
    pub request: RequestId,
    /// Who opened.
    pub account: AccountId,
    /// By name.
    pub name: String,
    /// And by HSA-id.
    pub hsa: Option<HsaId>,
    /// In which registry.
    pub registry: RegistryName,
    /// On which route.
    pub route: RouteName,
    /// Whom: a pseudonym.
    pub patient: PatientRef,
    /// The unit from which the user acted.
    pub unit: Option<HsaId>,
    /// The unit that the request named.
    pub unit_asked: Option<HsaId>,
    /// Why.
    pub why: Why,
    /// And in words.
    pub words: String,
    /// When.
    pub opened: Micros,
    /// Until when.
    pub until: Micros,
    /// When it was seen, and by whom.
    pub seen: Option<(Micros, AccountId)>,
}

/// Which openings.
#[derive(Debug, Clone, Default)]
pub struct WantedEmergencies {
    /// Of these units; none said: of all.
    pub units: Option<Vec<HsaId>>,
    /// Only those that were seen, or were not.
    pub seen: Option<bool>,
    /// From when.
    pub from: Option<Micros>,
    /// Until before when.
    pub to: Option<Micros>,
    /// After which: when it was opened, and its id.
    pub after: Option<(Micros, OpeningId)>,
    /// At most so many.
    pub limit: u32,
}

impl Emergency {
    /// Whether these appointments allow something with it: by the unit from which the user acted, or the one asked for.
    fn within(&self, appointments: &[Appointment], action: Action) -> bool {
        let about = |unit: Option<&HsaId>| About { unit: unit.cloned(), ..About::default() };
        let units = [self.unit.as_ref(), self.unit_asked.as_ref()];
        units.into_iter().any(|unit| may(appointments, action, &about(unit)))
    }

    /// Whether these appointments let somebody mark it as seen: as a reviewer of one of its units or, since an opening
    /// of no unit has no reviewer, as who reads the whole log.
    fn may_be_seen(&self, appointments: &[Appointment]) -> bool {
        let of_none = self.unit.is_none() && self.unit_asked.is_none();
        self.within(appointments, Action::Review) || of_none && self.within(appointments, Action::ReadLog)
    }

    /// Whether these appointments let somebody know of it.
    pub fn is_for(&self, appointments: &[Appointment]) -> bool {
        [Action::Review, Action::ReadLog].into_iter().any(|action| self.within(appointments, action))
    }
}

const COLUMNS: &str = "o.id, o.request, o.account, a.name, a.hsa, o.registry, o.route, o.patient, o.unit, o.unit_asked, \
                       o.why, o.words, o.opened, o.over_at, o.seen, o.seen_by";
const FROM: &str = "emergency_opening o JOIN account a ON a.id = o.account";

impl Store {
    /// How many openings nobody has seen yet, of these units or of all (none said), and since when the oldest waits.
    pub async fn emergencies_unseen(&self, units: Option<&[HsaId]>) -> Result<(i64, Option<Micros>), StoreError> {
        let of = of_units(1, units);
        let sql = sqlx::AssertSqlSafe(format!(
            "SELECT COUNT(*) AS unseen, MIN(opened) AS oldest FROM emergency_opening o WHERE seen IS NULL AND {of}"
        ));
        let mut query = sqlx::query(sql);
        for unit in units.unwrap_or_default() {
            query = query.bind(unit.as_str());
        }
        let row = query.fetch_one(&mut *self.read().await?).await?;
        Ok((row.try_get("unseen")?, row.try_get("oldest")?))
    }

    /// Openings, the newest first, each with its sealed words.
    async fn emergency_page(&self, wanted: &WantedEmergencies) -> Result<Vec<(Emergency, Vec<u8>)>, StoreError> {
        let units = wanted.units.as_deref();
        let of = of_units(6, units);
        let seen = match wanted.seen {
            None => "1 = 1",
            Some(true) => "o.seen IS NOT NULL",
            Some(false) => "o.seen IS NULL",
        };
        let sql = sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM {FROM} WHERE o.opened >= $1 AND o.opened < $2 AND {seen} AND {of} \
             AND ($3 = '' OR o.opened < $4 OR (o.opened = $4 AND o.id < $3)) \
             ORDER BY o.opened DESC, o.id DESC LIMIT $5"
        ));
        let (at, id) = wanted.after.map_or((0, String::new()), |(at, id)| (at, id.to_string()));
        let mut query = sqlx::query(sql)
            .bind(wanted.from.unwrap_or(0))
            .bind(wanted.to.unwrap_or(Micros::MAX))
            .bind(id)
            .bind(at)
            .bind(i64::from(wanted.limit));
        for unit in units.unwrap_or_default() {
            query = query.bind(unit.as_str());
        }
        let rows = query.fetch_all(&mut *self.read().await?).await?;
        rows.iter().map(read).collect()
    }
}

/// Of these units, by either of an opening's; none said: of all.
fn of_units(first: usize, units: Option<&[HsaId]>) -> String {
    units.map_or_else(
        || "1 = 1".to_owned(),
        |units| {
            let marks = marks(first, units.len());
            // Of none: an opening without a unit is not theirs either.
            if units.is_empty() {
                "1 = 0".to_owned()
            } else {
                format!("(o.unit IN ({marks}) OR o.unit_asked IN ({marks}))")
            }
        },
    )
}

impl Office {
    /// Openings, the newest first. That somebody reads them is on record.
    pub async fn emergencies(
        &self,
        at: Micros,
        by: By,
        wanted: &WantedEmergencies,
    ) -> Result<Vec<Emergency>, StoreError> {
        let found = self.store.emergency_page(wanted).await?;
        let found = found.into_iter().map(|(emergency, words)| self.told(emergency, &words));
        let found = found.collect::<Result<Vec<_>, _>>()?;
        let mut change = self.store.change(at, by).await?;
        let mut event = change.event(AuthEventKind::AuditRead, change.by().account);
        event.detail = format!("{} emergencies rows={}", event.detail, found.len()).into();
        change.record(event).await?;
        change.commit().await?;
        Ok(found)
    }

    /// An opening.
    pub async fn emergency(&self, id: OpeningId) -> Result<Option<Emergency>, StoreError> {
        let found = emergency(&mut *self.store.read().await?, id).await?;
        found.map(|(emergency, words)| self.told(emergency, &words)).transpose()
    }

    /// A reviewer of its unit has seen an opening, not one of their own; one of no unit, who reads the whole log. Who
    /// saw it first is kept.
    pub async fn see_emergency(&self, at: Micros, by: By, id: OpeningId) -> Result<Emergency, StoreError> {
        let mut change = self.store.change(at, by).await?;
        let done = change.see_emergency(id).await;
        let about = done.as_ref().ok().map(|(emergency, _)| emergency.account);
        let (emergency, words) = self.settle(change, done, about, &format!("see opening={id}")).await?;
        self.told(emergency, &words)
    }

    fn told(&self, emergency: Emergency, words: &[u8]) -> Result<Emergency, StoreError> {
        let plain = self.key.open(words_cell(emergency.id), words)?;
        let words = std::str::from_utf8(&plain).map_err(|_| StoreError::Damaged("reason of an opening"))?.to_owned();
        Ok(Emergency { words, ..emergency })
    }
}

impl Change {
    async fn see_emergency(&mut self, id: OpeningId) -> Result<(Emergency, Vec<u8>), StoreError> {
        let (mut seen, words) = emergency(&mut self.tx, id).await?.ok_or(StoreError::Absent("opening"))?;
        let reviewer = self.by.account;
        let appointments = self.in_force(reviewer).await?;
        if !seen.may_be_seen(&appointments) {
            return Err(Denied::NotAppointed.into());
        }
        let me = self.account(reviewer).await?;
        if seen.account == reviewer || seen.hsa.is_some() && seen.hsa == me.hsa {
            return Err(Denied::Own.into());
        }
        if seen.seen.is_some() {
            return Ok((seen, words));
        }
        sqlx::query("UPDATE emergency_opening SET seen = $2, seen_by = $3 WHERE id = $1")
            .bind(id.to_string())
            .bind(self.at)
            .bind(reviewer.to_string())
            .execute(&mut *self.tx)
            .await?;
        seen.seen = Some((self.at, reviewer));
        let mut event = self.event(AuthEventKind::EmergencySeen, seen.account);
        event.reason = seen.why.reason();
        event.detail = format!("{} opening={id}", self.by.channel).into();
        self.record(event).await?;
        Ok((seen, words))
    }
}

async fn emergency(connection: &mut AnyConnection, id: OpeningId) -> Result<Option<(Emergency, Vec<u8>)>, StoreError> {
    let sql = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM {FROM} WHERE o.id = $1"));
    let row = sqlx::query(sql).bind(id.to_string()).fetch_optional(connection).await?;
    row.as_ref().map(read).transpose()
}

fn read(row: &AnyRow) -> Result<(Emergency, Vec<u8>), StoreError> {
    let unit = |column| -> Result<Option<HsaId>, StoreError> {
        let text: &str = row.try_get(column)?;
        if text.is_empty() { Ok(None) } else { parsed(text, "HSA-id").map(Some) }
    };
    let by: Option<&str> = row.try_get("seen_by")?;
    let by: Option<AccountId> = by.map(|id| parsed(id, "account id")).transpose()?;
    let emergency = Emergency {
        id: parsed(row.try_get("id")?, "opening id")?,
        request: parsed(row.try_get("request")?, "request id")?,
        account: parsed(row.try_get("account")?, "account id")?,
        name: row.try_get("name")?,
        hsa: row.try_get::<Option<&str>, _>("hsa")?.map(|hsa| parsed(hsa, "HSA-id")).transpose()?,
        registry: parsed(row.try_get("registry")?, "registry")?,
        route: parsed(row.try_get("route")?, "route")?,
        patient: read_patient(row)?,
        unit: unit("unit")?,
        unit_asked: unit("unit_asked")?,
        why: read_why(row)?,
        words: String::new(),
        opened: row.try_get("opened")?,
        until: row.try_get("over_at")?,
        seen: row.try_get::<Option<Micros>, _>("seen")?.zip(by),
    };
    Ok((emergency, row.try_get("words")?))
}
