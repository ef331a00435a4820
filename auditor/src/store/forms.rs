//! The three forms on their way, as they are kept: what stands in them sealed, what was done with them step by step.
//!
//! [`Office`] is where they are worked on. What is read here without its key tells no name, no number and no address.

mod effects;
mod newcomer;
mod office;
mod queue;
mod sealed;

pub use newcomer::{APPLICATIONS_A_DAY, Case};
pub use office::{Filed, Office};
pub use queue::{Order, Page, Queue, Viewer};

use super::{Change, Store, StoreError, parsed};
use crate::duties::Region;
use crate::forms::{Did, Kind, State, Step};
use contract::Micros;
use contract::id::{AccountId, FormId, RegistryName};
use contract::record::{AuthMethod, Reason};
use serde::Serialize;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

/// A form from outside: no personal data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Heading {
    /// Its id.
    pub id: FormId,
    /// Which of the three.
    pub kind: Kind,
    /// Where it stands.
    pub state: State,
    /// Whose account it is about; of form 1 the one that it has made.
    pub account: Option<AccountId>,
    /// The region.
    pub region: Region,
    /// The registry.
    pub registry: RegistryName,
    /// When it was begun.
    pub created: Micros,
    /// By whom; [`AccountId::NONE`]: by somebody without an account.
    pub created_by: AccountId,
    /// Since when it stands there.
    pub state_at: Micros,
    /// How often it was changed: who decides on what they saw, names it.
    pub version: i64,
}

/// Which forms.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// That stand there.
    pub state: Option<State>,
    /// Of this region.
    pub region: Option<Region>,
    /// Of this registry.
    pub registry: Option<RegistryName>,
    /// About this account.
    pub account: Option<AccountId>,
}

const COLUMNS: &str = "id, kind, state, account, region, registry, created, created_by, state_at, version";

impl Store {
    /// Forms, those that have waited longest first.
    pub async fn forms(&self, wanted: &Wanted, limit: u32) -> Result<Vec<Heading>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM request WHERE (state = $1 OR $1 = '') AND (region = $2 OR $2 = '') \
             AND (registry = $3 OR $3 = '') AND (account = $4 OR $4 = '') ORDER BY state_at, id LIMIT $5"
        ));
        let rows = sqlx::query(sql)
            .bind(wanted.state.map(State::as_str).unwrap_or_default())
            .bind(wanted.region.map(Region::as_str).unwrap_or_default())
            .bind(wanted.registry.as_ref().map(RegistryName::as_str).unwrap_or_default())
            .bind(wanted.account.map(|id| id.to_string()).unwrap_or_default())
            .bind(i64::from(limit))
            .fetch_all(&mut *self.read().await?)
            .await?;
        rows.iter().map(read_heading).collect()
    }

    /// A form from outside, and what was done with it, without what anybody said.
    pub async fn form(&self, id: FormId) -> Result<Option<(Heading, Vec<Step>)>, StoreError> {
        let mut connection = self.read().await?;
        let Some((heading, _)) = heading(&mut connection, id).await? else { return Ok(None) };
        let steps = steps(&mut connection, id).await?;
        Ok(Some((heading, steps.into_iter().map(|(step, _)| step).collect())))
    }

    /// Forms that nobody has done anything with since `before`.
    pub async fn forms_left(&self, before: Micros, limit: u32) -> Result<Vec<FormId>, StoreError> {
        let ids: Vec<String> = sqlx::query_scalar(
            "SELECT id FROM request WHERE state IN ('draft', 'submitted', 'approved', 'forwarded') AND state_at <= $1 \
             ORDER BY state_at LIMIT $2",
        )
        .bind(before)
        .bind(i64::from(limit))
        .fetch_all(&mut *self.read().await?)
        .await?;
        ids.iter().map(|id| parsed(id, "form id")).collect()
    }
}

impl Change {
    /// Lets a form lapse that nobody has done anything with since `before`. False: it is not so.
    pub async fn lapse_form(&mut self, id: FormId, before: Micros) -> Result<bool, StoreError> {
        let (mut heading, _) = heading(&mut self.tx, id).await?.ok_or(StoreError::Absent("form"))?;
        if heading.state.is_final() || heading.state_at > before {
            return Ok(false);
        }
        let method = AuthMethod::None;
        let step = Step { did: Did::Lapsed, by: AccountId::NONE, at: self.at, method, words: None };
        let number = steps(&mut self.tx, id).await?.len() as u64;
        heading.state = State::Lapsed;
        self.store_step(&heading, number, &step, None).await?;
        self.form_event(&heading, &step, Reason::NoAction).await?;
        Ok(true)
    }

    /// Stores that a form stands at `heading.state` by a step, if it is still of the version that was read.
    async fn store_step(
        &mut self,
        heading: &Heading,
        number: u64,
        step: &Step,
        words: Option<Vec<u8>>,
    ) -> Result<(), StoreError> {
        let done = sqlx::query(
            "UPDATE request SET state = $3, state_at = $4, account = $5, version = version + 1 \
             WHERE id = $1 AND version = $2",
        )
        .bind(heading.id.to_string())
        .bind(heading.version)
        .bind(heading.state.as_str())
        .bind(step.at)
        .bind(heading.account.map(|id| id.to_string()))
        .execute(&mut *self.tx)
        .await?;
        if done.rows_affected() != 1 {
            return Err(StoreError::Raced("form"));
        }
        sqlx::query(
            "INSERT INTO request_step (request, number, step, by_account, at, auth_method, words) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(heading.id.to_string())
        .bind(i64::try_from(number).map_err(|_| StoreError::Damaged("step"))?)
        .bind(step.did.as_str())
        .bind(step.by.to_string())
        .bind(step.at)
        .bind(step.method.as_str())
        .bind(words)
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    async fn form_event(&mut self, heading: &Heading, step: &Step, reason: Reason) -> Result<(), StoreError> {
        let mut event = self.event(step.did.event(), heading.account.unwrap_or(AccountId::NONE));
        event.reason = reason;
        event.auth_method = step.method;
        event.detail = format!("{} {}", self.by.channel, told(heading)).into();
        self.record(event).await
    }
}

/// What a record tells of a form.
fn told(heading: &Heading) -> String {
    let Heading { id, kind, region, registry, .. } = heading;
    format!("form={id} kind={kind} region={region} registry={registry}")
}

type Sealed = Vec<u8>;

async fn heading(connection: &mut AnyConnection, id: FormId) -> Result<Option<(Heading, Sealed)>, StoreError> {
    let sql = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS}, form FROM request WHERE id = $1"));
    let row = sqlx::query(sql).bind(id.to_string()).fetch_optional(connection).await?;
    row.as_ref().map(|row| Ok((read_heading(row)?, row.try_get("form")?))).transpose()
}

/// What was done, in order, each with what was said, sealed.
async fn steps(connection: &mut AnyConnection, id: FormId) -> Result<Vec<(Step, Option<Sealed>)>, StoreError> {
    let rows = sqlx::query(
        "SELECT number, step, by_account, at, auth_method, words FROM request_step WHERE request = $1 ORDER BY number",
    )
    .bind(id.to_string())
    .fetch_all(connection)
    .await?;
    let read = |(index, row): (usize, &AnyRow)| -> Result<(Step, Option<Sealed>), StoreError> {
        if usize::try_from(row.try_get::<i64, _>("number")?) != Ok(index) {
            return Err(StoreError::Damaged("steps of a form"));
        }
        let step = Step {
            did: Did::parse(row.try_get("step")?).ok_or(StoreError::Damaged("step"))?,
            by: parsed(row.try_get("by_account")?, "account id")?,
            at: row.try_get("at")?,
            method: AuthMethod::parse(row.try_get("auth_method")?).ok_or(StoreError::Damaged("login method"))?,
            words: None,
        };
        Ok((step, row.try_get("words")?))
    };
    rows.iter().enumerate().map(read).collect()
}

fn read_heading(row: &AnyRow) -> Result<Heading, StoreError> {
    Ok(Heading {
        id: parsed(row.try_get("id")?, "form id")?,
        kind: Kind::parse(row.try_get("kind")?).ok_or(StoreError::Damaged("kind of form"))?,
        state: State::parse(row.try_get("state")?).ok_or(StoreError::Damaged("state of a form"))?,
        account: row.try_get::<Option<&str>, _>("account")?.map(|id| parsed(id, "account id")).transpose()?,
        region: Region::parse(row.try_get("region")?).ok_or(StoreError::Damaged("region"))?,
        registry: parsed(row.try_get("registry")?, "registry")?,
        created: row.try_get("created")?,
        created_by: parsed(row.try_get("created_by")?, "account id")?,
        state_at: row.try_get("state_at")?,
        version: row.try_get("version")?,
    })
}
