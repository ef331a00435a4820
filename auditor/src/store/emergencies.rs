//! Emergency access (nödöppning): openings, told to the gateways at once, and kept for who reviews them.

mod list;

pub use list::{Emergency, WantedEmergencies};

use super::{By, Change, Office, StoreError, parsed, taken};
use crate::emergencies::Words;
use crate::sealing::Cell;
use contract::Micros;
use contract::emergency::{OPENINGS_MAX, Opening, Ticket, Why};
use contract::id::{AccountId, HsaId, OpeningId, SessionKey};
use contract::pseudonym::PatientRef;
use contract::record::AuthEventKind;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};
use std::collections::HashMap;

const WORDS: &str = "emergency_opening.words";

/// An opening to be made.
#[derive(Debug, Clone, Copy)]
pub struct NewOpening<'a> {
    /// What the gateway says of the request that was refused. Its signature was checked.
    pub ticket: &'a Ticket,
    /// The session that it is made in, and ends with.
    pub session: SessionKey,
    /// The unit from which the user acts.
    pub unit: Option<&'a HsaId>,
    /// Why.
    pub why: Why,
    /// And in words.
    pub words: &'a Words,
    /// Until when.
    pub until: Micros,
}

impl Office {
    /// Opens a patient for an account: every gateway hears of it. A ticket opens once.
    pub async fn open_emergency(&self, at: Micros, by: By, new: &NewOpening<'_>) -> Result<(), StoreError> {
        let mut change = self.store.change(at, by).await?;
        let id = OpeningId::new(crate::random::uuid(at));
        let sealed = self.key.seal(words_cell(id), new.words.as_str().as_bytes())?;
        change.open_emergency(id, new, sealed).await?;
        change.commit().await
    }
}

impl Change {
    async fn open_emergency(&mut self, id: OpeningId, new: &NewOpening<'_>, words: Vec<u8>) -> Result<(), StoreError> {
        let NewOpening { ticket, session, unit, why, until, .. } = *new;
        let account = self.account(ticket.account).await?;
        let open = openings(&mut self.tx, account.id, self.at).await?;
        if open.len() >= OPENINGS_MAX as usize {
            return Err(StoreError::TooMany("openings at a time"));
        }
        let text = |unit: Option<&HsaId>| unit.map(ToString::to_string).unwrap_or_default();
        sqlx::query(
            "INSERT INTO emergency_opening (id, request, account, session, registry, route, patient, unit, unit_asked, \
             why, words, opened, over_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        )
        .bind(id.to_string())
        .bind(ticket.jti.to_string())
        .bind(account.id.to_string())
        .bind(session.to_string())
        .bind(ticket.registry.as_str())
        .bind(ticket.route.as_str())
        .bind(ticket.patient.to_string())
        .bind(text(unit))
        .bind(text(ticket.unit.as_ref()))
        .bind(why.as_str())
        .bind(words)
        .bind(self.at)
        .bind(until)
        .execute(&mut *self.tx)
        .await
        .map_err(taken("ticket"))?;
        self.publish_account(&account).await?;
        let mut event = self.event(AuthEventKind::EmergencyOpened, account.id);
        event.reason = why.reason();
        event.session = session.reference();
        let Ticket { registry, jti, .. } = ticket;
        event.detail = format!("{} opening={id} registry={registry} request={jti}", self.by.channel).into();
        self.record(event).await
    }
}

/// The cell of an opening's words.
fn words_cell(id: OpeningId) -> Cell {
    Cell { column: WORDS, row: id.uuid(), number: 0 }
}

const OPENING_COLUMNS: &str = "account, session, registry, patient, why, over_at";

/// What an account has opened and not closed.
pub(super) async fn openings(
    connection: &mut AnyConnection,
    id: AccountId,
    now: Micros,
) -> Result<Vec<Opening>, StoreError> {
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT {OPENING_COLUMNS} FROM emergency_opening WHERE account = $1 AND over_at > $2 ORDER BY over_at, id"
    ));
    let rows = sqlx::query(sql).bind(id.to_string()).bind(now).fetch_all(connection).await?;
    rows.iter().map(|row| Ok(read_opening(row)?.1)).collect()
}

/// What all accounts have opened and not closed.
pub(super) async fn all_openings(
    connection: &mut AnyConnection,
    now: Micros,
) -> Result<HashMap<AccountId, Vec<Opening>>, StoreError> {
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT {OPENING_COLUMNS} FROM emergency_opening WHERE over_at > $1 ORDER BY over_at, id"
    ));
    let mut all: HashMap<AccountId, Vec<Opening>> = HashMap::new();
    for row in sqlx::query(sql).bind(now).fetch_all(connection).await? {
        let (account, opening) = read_opening(&row)?;
        all.entry(account).or_default().push(opening);
    }
    Ok(all)
}

fn read_opening(row: &AnyRow) -> Result<(AccountId, Opening), StoreError> {
    let session = row.try_get::<String, _>("session")?;
    let opening = Opening {
        session: SessionKey::try_from(session).map_err(|_| StoreError::Damaged("session key"))?,
        registry: parsed(row.try_get("registry")?, "registry")?,
        patient: read_patient(row)?,
        why: read_why(row)?,
        until: row.try_get("over_at")?,
    };
    Ok((parsed(row.try_get("account")?, "account id")?, opening))
}

fn read_patient(row: &AnyRow) -> Result<PatientRef, StoreError> {
    PatientRef::try_from(row.try_get::<String, _>("patient")?).map_err(|_| StoreError::Damaged("pseudonym"))
}

fn read_why(row: &AnyRow) -> Result<Why, StoreError> {
    Why::parse(row.try_get("why")?).ok_or(StoreError::Damaged("reason of an opening"))
}
