//! Data about people and units, brought in whole or not at all, and the accounts that end by them.

use super::{By, Change, Office, Store, StoreError, parsed};
use crate::duties::{About, Action, may};
use crate::forms::{Denied, Signature};
use crate::imports::{Assignment, Employment, Fault, Faults, Feed, Imported, Rows, Span, Unit, What};
use contract::Micros;
use contract::id::{AccountId, HsaId};
use contract::record::{AuthEventKind, Reason};
use sqlx::Row as _;
use sqlx::any::AnyRow;
use std::collections::{BTreeMap, BTreeSet};

/// How an import is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wish {
    /// Nothing is kept: it is only told what would be.
    pub dry_run: bool,
    /// At most so many accounts may end by it: a list that lacks half of the people is a mistake.
    pub closes_max: usize,
}

impl Store {
    /// Open accounts whose users' employment is over. One that was made since then is another employment's.
    pub async fn employment_over(&self, now: Micros, limit: u32) -> Result<Vec<AccountId>, StoreError> {
        let ids: Vec<String> =
            sqlx::query_scalar(OVER).bind(now).bind(i64::from(limit)).fetch_all(&mut *self.read().await?).await?;
        ids.iter().map(|id| parsed(id, "account id")).collect()
    }

    /// The units that were valid at a time, by their HSA-ids.
    pub async fn units(&self, at: Micros, limit: u32) -> Result<Vec<Unit>, StoreError> {
        let rows = sqlx::query(
            "SELECT hsa, name, provider, valid_from, valid_to FROM care_unit \
             WHERE valid_from <= $1 AND (valid_to IS NULL OR valid_to > $1) ORDER BY hsa LIMIT $2",
        )
        .bind(at)
        .bind(i64::from(limit))
        .fetch_all(&mut *self.read().await?)
        .await?;
        rows.iter().map(unit).collect()
    }
}

const OVER: &str = "SELECT a.id FROM account a JOIN employment e ON e.hsa = a.hsa \
                    WHERE e.over_at <= $1 AND a.created < e.over_at \
                    AND a.state NOT IN ('deregistered', 'lapsed') ORDER BY a.id LIMIT $2";

/// Something that is so from when until when.
trait Dated: Clone + PartialEq {
    type Key: Ord + Clone;
    fn key(&self) -> Self::Key;
    fn span(&self) -> Span;
}

impl Dated for Unit {
    type Key = HsaId;
    fn key(&self) -> HsaId {
        self.hsa.clone()
    }
    fn span(&self) -> Span {
        self.span
    }
}

impl Dated for Assignment {
    type Key = (HsaId, HsaId);
    fn key(&self) -> Self::Key {
        (self.hsa.clone(), self.unit.clone())
    }
    fn span(&self) -> Span {
        self.span
    }
}

/// What is to be written of rows, when these are known: a row is the known one's that begins at the same time.
fn merged<T: Dated>(known: Vec<T>, rows: &[(u64, T)], faults: &mut Faults) -> (Vec<T>, Imported) {
    let mut all: BTreeMap<T::Key, BTreeMap<Micros, (T, u64)>> = BTreeMap::new();
    for row in known {
        all.entry(row.key()).or_default().insert(row.span().from, (row, 0));
    }
    let (mut written, mut done) = (Vec::new(), Imported { rows: rows.len(), ..Imported::default() });
    for (line, row) in rows {
        let before = all.entry(row.key()).or_default().insert(row.span().from, (row.clone(), *line));
        match before {
            Some((before, _)) if before == *row => continue,
            Some(_) => done.changed += 1,
            None => done.new += 1,
        }
        written.push(row.clone());
    }
    for of in all.values() {
        for ((one, first), (other, second)) in of.values().zip(of.values().skip(1)) {
            // Two rows of the file were held against each other when it was read.
            let line = *first.max(second);
            if line > 0 && one.span().meets(other.span()) {
                let words = "is valid at the same time as what is known: end that in the same file".to_owned();
                faults.add(Fault { line, column: 0, field: "", what: What::Overlap, words });
            }
        }
    }
    (written, done)
}

impl Change {
    /// Brings in rows, and ends the accounts that end by them: at most so many, be it now or later.
    pub async fn import(&mut self, rows: &Rows, closes_max: usize) -> Result<Imported, StoreError> {
        let mut faults = Faults::default();
        let mut done = match rows {
            Rows::Employments(rows) => self.import_employments(rows).await?,
            Rows::Units(rows) => {
                let known = sqlx::query("SELECT hsa, name, provider, valid_from, valid_to FROM care_unit")
                    .fetch_all(&mut *self.tx)
                    .await?;
                let known = known.iter().map(unit).collect::<Result<_, _>>()?;
                let (written, done) = merged(known, rows, &mut faults);
                for unit in &written {
                    self.write_unit(unit).await?;
                }
                done
            }
            Rows::Assignments(rows) => {
                self.units_are_known(rows, &mut faults).await?;
                let known = sqlx::query("SELECT hsa, unit, title, valid_from, valid_to FROM assignment")
                    .fetch_all(&mut *self.tx)
                    .await?;
                let known = known.iter().map(assignment).collect::<Result<_, _>>()?;
                let (written, done) = merged(known, rows, &mut faults);
                for assignment in &written {
                    self.write_assignment(assignment).await?;
                }
                done
            }
        };
        if faults.count > 0 {
            return Err(StoreError::Rows(Box::new(faults)));
        }
        if rows.feed() == Feed::Employments {
            self.ends_at_most(closes_max).await?;
            done.closed = self.close_over(closes_max).await?;
        }
        let mut event = self.event(AuthEventKind::DataImported, AccountId::NONE);
        let Imported { rows: count, new, changed, closed } = done;
        let feed = rows.feed().as_str();
        event.detail =
            format!("{} {feed} rows={count} new={new} changed={changed} closed={closed}", self.by.channel).into();
        self.record(event).await?;
        Ok(done)
    }

    async fn import_employments(&mut self, rows: &[(u64, Employment)]) -> Result<Imported, StoreError> {
        let known = sqlx::query("SELECT hsa, over_at FROM employment").fetch_all(&mut *self.tx).await?;
        let known: BTreeMap<HsaId, Option<Micros>> = known
            .iter()
            .map(|row| Ok((hsa(row, "hsa")?, row.try_get("over_at")?)))
            .collect::<Result<_, StoreError>>()?;
        let mut done = Imported { rows: rows.len(), ..Imported::default() };
        for (_, row) in rows {
            match known.get(&row.hsa) {
                Some(over) if *over == row.over => continue,
                Some(_) => done.changed += 1,
                None => done.new += 1,
            }
            sqlx::query(
                "INSERT INTO employment (hsa, over_at, imported) VALUES ($1, $2, $3) \
                 ON CONFLICT (hsa) DO UPDATE SET over_at = excluded.over_at, imported = excluded.imported",
            )
            .bind(row.hsa.as_str())
            .bind(row.over)
            .bind(self.at)
            .execute(&mut *self.tx)
            .await?;
        }
        Ok(done)
    }

    async fn write_unit(&mut self, unit: &Unit) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO care_unit (hsa, name, provider, valid_from, valid_to, imported) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (hsa, valid_from) DO UPDATE SET name = excluded.name, \
             provider = excluded.provider, valid_to = excluded.valid_to, imported = excluded.imported",
        )
        .bind(unit.hsa.as_str())
        .bind(unit.name.as_str())
        .bind(unit.provider.as_str())
        .bind(unit.span.from)
        .bind(unit.span.to)
        .bind(self.at)
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    async fn write_assignment(&mut self, assignment: &Assignment) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO assignment (hsa, unit, title, valid_from, valid_to, imported) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (hsa, unit, valid_from) DO UPDATE SET \
             title = excluded.title, valid_to = excluded.valid_to, imported = excluded.imported",
        )
        .bind(assignment.hsa.as_str())
        .bind(assignment.unit.as_str())
        .bind(assignment.title.as_str())
        .bind(assignment.span.from)
        .bind(assignment.span.to)
        .bind(self.at)
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    async fn units_are_known(&mut self, rows: &[(u64, Assignment)], faults: &mut Faults) -> Result<(), StoreError> {
        let known: Vec<String> =
            sqlx::query_scalar("SELECT DISTINCT hsa FROM care_unit").fetch_all(&mut *self.tx).await?;
        let known: BTreeSet<String> = known.into_iter().collect();
        for (line, row) in rows {
            if !known.contains(row.unit.as_str()) {
                let words = "is no unit that is known: bring in the units first".to_owned();
                faults.add(Fault { line: *line, column: 0, field: "unit_hsa", what: What::Absent, words });
            }
        }
        Ok(())
    }

    /// Refuses what would end more accounts than wished, now or on a day that comes.
    async fn ends_at_most(&mut self, max: usize) -> Result<(), StoreError> {
        let ending: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM account a JOIN employment e ON e.hsa = a.hsa \
             WHERE e.imported = $1 AND e.over_at IS NOT NULL AND a.created < e.over_at \
             AND a.state NOT IN ('deregistered', 'lapsed')",
        )
        .bind(self.at)
        .fetch_one(&mut *self.tx)
        .await?;
        if usize::try_from(ending).unwrap_or(usize::MAX) > max { Err(StoreError::ClosesTooMany(max)) } else { Ok(()) }
    }

    /// Closes the accounts whose users' employment is over.
    async fn close_over(&mut self, max: usize) -> Result<usize, StoreError> {
        let limit = i64::try_from(max).unwrap_or(i64::MAX).saturating_add(1);
        let ids: Vec<String> = sqlx::query_scalar(OVER).bind(self.at).bind(limit).fetch_all(&mut *self.tx).await?;
        if ids.len() > max {
            return Err(StoreError::ClosesTooMany(max));
        }
        for id in &ids {
            self.close_by_employment(parsed(id, "account id")?).await?;
        }
        Ok(ids.len())
    }

    /// Closes an account since its user's employment is over.
    pub async fn close_by_employment(&mut self, id: AccountId) -> Result<(), StoreError> {
        let mut account = self.account(id).await?;
        // It may have been closed in the meantime.
        let Ok(closed) = account.state.deregister(self.at) else { return Ok(()) };
        account.state = closed;
        self.stop_account_by(&account, AuthEventKind::AccountClosed, Reason::EmploymentEnded).await
    }
}

impl Office {
    /// Brings in rows for somebody whose duty it is, or tells what that would do.
    pub async fn import(
        &self,
        at: Micros,
        by: By,
        signature: &Signature,
        rows: &Rows,
        wish: Wish,
    ) -> Result<Imported, StoreError> {
        let mut change = self.store.change(at, by).await?;
        let actor = change.actor(&self.key, signature).await;
        let done = match actor {
            Ok(actor) if may(&actor.appointments, Action::Import, &About::default()) => {
                change.import(rows, wish.closes_max).await
            }
            Ok(_) => Err(Denied::NotAppointed.into()),
            Err(error) => Err(error),
        };
        if wish.dry_run && done.is_ok() {
            change.undo().await?;
            return done;
        }
        self.settle(change, done, None, &format!("import {}", rows.feed().as_str())).await
    }

    /// Records that somebody wanted to bring in a table whose duty it is not. The refusal.
    pub async fn refuse_import(&self, at: Micros, by: By, feed: Feed) -> Result<(), StoreError> {
        let change = self.store.change(at, by).await?;
        let denied = Err(Denied::NotAppointed.into());
        self.settle(change, denied, None, &format!("import {}", feed.as_str())).await
    }
}

fn hsa(row: &AnyRow, column: &str) -> Result<HsaId, StoreError> {
    HsaId::parse(row.try_get(column)?).map_err(|_| StoreError::Damaged("HSA-id"))
}

fn span(row: &AnyRow) -> Result<Span, StoreError> {
    Ok(Span { from: row.try_get("valid_from")?, to: row.try_get("valid_to")? })
}

fn unit(row: &AnyRow) -> Result<Unit, StoreError> {
    Ok(Unit { hsa: hsa(row, "hsa")?, name: row.try_get("name")?, provider: hsa(row, "provider")?, span: span(row)? })
}

fn assignment(row: &AnyRow) -> Result<Assignment, StoreError> {
    Ok(Assignment { hsa: hsa(row, "hsa")?, unit: hsa(row, "unit")?, title: row.try_get("title")?, span: span(row)? })
}
