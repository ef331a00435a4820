//! Credentials on their way in two halves, as they are kept: keyed hashes, and the clear text sealed until it has gone out.
//!
//! [`Counter`] is where they are handed out and collected. What is read here without its keys tells no half, no name and
//! no address.

mod collect;
mod counter;
mod expire;
mod hand;
mod sms;

pub use collect::{Opened, Own, Way};
pub use counter::{Counter, Issue};
pub use hand::Printed;
pub use sms::Message;

use super::{Change, Store, StoreError, parsed};
use crate::handout::{Channel, Met, Part, Purpose, Stage, State};
use contract::Micros;
use contract::id::{AccountId, FormId, HandoutId, MessageId};
use contract::record::{AuthEventKind, Reason};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

/// A handout from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handout {
    /// Its id: no secret.
    pub id: HandoutId,
    /// Whose.
    pub account: AccountId,
    /// The executed form 1 that addresses come from.
    pub form: FormId,
    /// What for.
    pub purpose: Purpose,
    /// What has become of it.
    pub state: State,
    /// Since when.
    pub state_at: Micros,
    /// When it was issued.
    pub issued: Micros,
    /// By whom; [`AccountId::NONE`]: on the command line.
    pub issued_by: AccountId,
    /// Wrong codes so far.
    pub tries: u32,
    /// The enrolment id's way, and the code's.
    pub halves: [Half; 2],
}

/// A half's way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Half {
    /// Which.
    pub part: Part,
    /// How it goes.
    pub channel: Channel,
    /// Where it is.
    pub stage: Stage,
    /// Since when.
    pub stage_at: Micros,
    /// Until when it is good, once it has gone out.
    pub until: Option<Micros>,
    /// This way's id.
    pub message: MessageId,
    /// How often it was tried to send it.
    pub tries: u32,
    /// When it is tried next, or may be.
    pub next_try: Option<Micros>,
}

impl Handout {
    /// One of the halves.
    pub fn half(&self, part: Part) -> &Half {
        let [id, code] = &self.halves;
        match part {
            Part::Id => id,
            Part::Code => code,
        }
    }

    fn met(&self) -> Met {
        let [id, code] = &self.halves;
        Met { state: self.state, until: [id.until, code.until], tries: self.tries }
    }
}

/// Which handouts.
#[derive(Debug, Clone, Default)]
pub struct Sought {
    /// In this state.
    pub state: Option<State>,
    /// Of this account.
    pub account: Option<AccountId>,
    /// With a half that goes by this.
    pub channel: Option<Channel>,
    /// With a half that is there.
    pub stage: Option<Stage>,
    /// After this one, by when it was issued and its id.
    pub after: Option<(Micros, HandoutId)>,
    /// At most so many.
    pub limit: u32,
}

const COLUMNS: &str = "id, account, form, purpose, state, state_at, issued, issued_by, tries";

impl Store {
    /// Handouts, the oldest first: the print queue, the calls to make, the messages that wait or failed.
    pub async fn handouts(&self, sought: &Sought) -> Result<Vec<Handout>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM handout h WHERE (state = $1 OR $1 = '') AND (account = $2 OR $2 = '') \
             AND EXISTS (SELECT 1 FROM handout_half p WHERE p.handout = h.id \
             AND (p.channel = $3 OR $3 = '') AND (p.stage = $4 OR $4 = '')) \
             AND (issued > $5 OR (issued = $5 AND id > $6)) ORDER BY issued, id LIMIT $7"
        ));
        let (at, id) = sought.after.map_or((Micros::MIN, String::new()), |(at, id)| (at, id.to_string()));
        let mut connection = self.read().await?;
        let rows = sqlx::query(sql)
            .bind(sought.state.map(State::as_str).unwrap_or_default())
            .bind(sought.account.map(|id| id.to_string()).unwrap_or_default())
            .bind(sought.channel.map(Channel::as_str).unwrap_or_default())
            .bind(sought.stage.map(Stage::as_str).unwrap_or_default())
            .bind(at)
            .bind(id)
            .bind(i64::from(sought.limit))
            .fetch_all(&mut *connection)
            .await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            let halves = halves(&mut connection, row.try_get("id")?).await?;
            found.push(read(row, halves)?);
        }
        Ok(found)
    }

    /// A handout.
    pub async fn handout(&self, id: HandoutId) -> Result<Option<Handout>, StoreError> {
        handout(&mut *self.read().await?, id).await
    }
}

impl Change {
    async fn handout(&mut self, id: HandoutId) -> Result<Handout, StoreError> {
        handout(&mut self.tx, id).await?.ok_or(StoreError::Absent("handout"))
    }

    /// An open handout: what is to be done with its halves.
    async fn open_handout(&mut self, id: HandoutId) -> Result<Handout, StoreError> {
        let found = self.handout(id).await?;
        if found.state == State::Open { Ok(found) } else { Err(StoreError::Absent("open handout")) }
    }

    /// The open handout of an account: there is one at most.
    async fn open_handout_of(&mut self, account: AccountId) -> Result<Option<Handout>, StoreError> {
        let id: Option<String> = sqlx::query_scalar("SELECT id FROM handout WHERE account = $1 AND state = 'open'")
            .bind(account.to_string())
            .fetch_optional(&mut *self.tx)
            .await?;
        match id {
            Some(id) => Ok(Some(self.handout(parsed(&id, "handout id")?).await?)),
            None => Ok(None),
        }
    }

    /// Ends a handout: its clear texts, its token and its second factor are wiped.
    async fn end_handout(&mut self, id: HandoutId, state: State, tries: u32) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE handout SET state = $2, state_at = $3, tries = $4, opened = NULL, opened_on = NULL, \
             opened_until = NULL, totp = NULL WHERE id = $1",
        )
        .bind(id.to_string())
        .bind(state.as_str())
        .bind(self.at)
        .bind(i64::from(tries))
        .execute(&mut *self.tx)
        .await?;
        self.forget_seen(id, None).await?;
        sqlx::query("UPDATE handout_half SET clear = NULL, next_try = NULL WHERE handout = $1")
            .bind(id.to_string())
            .execute(&mut *self.tx)
            .await?;
        Ok(())
    }

    /// Who has seen a half, or both, is forgotten, since they are void.
    async fn forget_seen(&mut self, id: HandoutId, part: Option<Part>) -> Result<(), StoreError> {
        sqlx::query(
            "DELETE FROM handout_seen WHERE message IN \
             (SELECT message FROM handout_half WHERE handout = $1 AND (part = $2 OR $2 = ''))",
        )
        .bind(id.to_string())
        .bind(part.map(Part::as_str).unwrap_or_default())
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    /// Records what happened to a half, without the half.
    async fn half_event(
        &mut self,
        kind: AuthEventKind,
        of: &Handout,
        half: &Half,
        word: &str,
        reason: Reason,
    ) -> Result<(), StoreError> {
        let mut event = self.event(kind, of.account);
        event.reason = reason;
        let Half { part, channel, .. } = half;
        event.detail =
            format!("{} handout={} half={part} channel={channel} {word}", self.by.channel, of.id).trim_end().into();
        self.record(event).await
    }
}

async fn handout(connection: &mut AnyConnection, id: HandoutId) -> Result<Option<Handout>, StoreError> {
    let sql = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM handout WHERE id = $1"));
    let row = sqlx::query(sql).bind(id.to_string()).fetch_optional(&mut *connection).await?;
    let Some(row) = row else { return Ok(None) };
    let halves = halves(connection, &id.to_string()).await?;
    read(&row, halves).map(Some)
}

async fn halves(connection: &mut AnyConnection, handout: &str) -> Result<[Half; 2], StoreError> {
    let rows = sqlx::query(
        "SELECT part, channel, stage, stage_at, until, message, tries, next_try FROM handout_half \
         WHERE handout = $1 ORDER BY part DESC",
    )
    .bind(handout)
    .fetch_all(connection)
    .await?;
    let halves = rows.iter().map(read_half).collect::<Result<Vec<_>, _>>()?;
    // By their names, falling, the id comes first.
    <[Half; 2]>::try_from(halves).map_err(|_| StoreError::Damaged("halves of a handout"))
}

fn read(row: &AnyRow, halves: [Half; 2]) -> Result<Handout, StoreError> {
    Ok(Handout {
        id: parsed(row.try_get("id")?, "handout id")?,
        account: parsed(row.try_get("account")?, "account id")?,
        form: parsed(row.try_get("form")?, "form id")?,
        purpose: Purpose::parse(row.try_get("purpose")?).ok_or(StoreError::Damaged("purpose of a handout"))?,
        state: State::parse(row.try_get("state")?).ok_or(StoreError::Damaged("state of a handout"))?,
        state_at: row.try_get("state_at")?,
        issued: row.try_get("issued")?,
        issued_by: parsed(row.try_get("issued_by")?, "account id")?,
        tries: count(row, "tries")?,
        halves,
    })
}

fn read_half(row: &AnyRow) -> Result<Half, StoreError> {
    Ok(Half {
        part: Part::parse(row.try_get("part")?).ok_or(StoreError::Damaged("half"))?,
        channel: Channel::parse(row.try_get("channel")?).ok_or(StoreError::Damaged("channel"))?,
        stage: Stage::parse(row.try_get("stage")?).ok_or(StoreError::Damaged("stage of a half"))?,
        stage_at: row.try_get("stage_at")?,
        until: row.try_get("until")?,
        message: parsed(row.try_get("message")?, "message id")?,
        tries: count(row, "tries")?,
        next_try: row.try_get("next_try")?,
    })
}

fn count(row: &AnyRow, column: &'static str) -> Result<u32, StoreError> {
    u32::try_from(row.try_get::<i64, _>(column)?).map_err(|_| StoreError::Damaged("count of tries"))
}
