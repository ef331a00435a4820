//! Appointments: who may do what besides using registries.

use super::{By, Change, Office, Store, StoreError, parsed};
use crate::accounts::InvalidMove;
use crate::duties::{About, Action, Appointment, Given, Why, may};
use crate::forms::{Denied, Signature};
use crate::sealing::FieldKey;
use contract::Micros;
use contract::id::{AccountId, AppointmentId, HsaId};
use contract::record::{AuthEventKind, Reason};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};
use std::collections::HashMap;

pub(super) const COLUMNS: &str = "id, account, role, region, registry, organisation, unit, valid_from, valid_to, given, given_by, \
                       ended, ended_by";

impl Store {
    /// Appointments, of one account or of all, the newest first; those that have ended only if asked for.
    pub async fn appointments(&self, of: Option<AccountId>, ended: bool, limit: u32) -> Result<Vec<Given>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM appointment WHERE (account = $1 OR $1 = '') AND (ended IS NULL OR $2 = 1) \
             ORDER BY given DESC, id LIMIT $3"
        ));
        let rows = sqlx::query(sql)
            .bind(of.map(|id| id.to_string()).unwrap_or_default())
            .bind(i64::from(ended))
            .bind(i64::from(limit))
            .fetch_all(&mut *self.read().await?)
            .await?;
        rows.iter().map(read).collect()
    }

    /// An appointment.
    pub async fn appointment(&self, id: AppointmentId) -> Result<Option<Given>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM appointment WHERE id = $1"));
        let row = sqlx::query(sql).bind(id.to_string()).fetch_optional(&mut *self.read().await?).await?;
        row.as_ref().map(read).transpose()
    }

    /// Appointments that have begun since the directory was told of their account, and those whose time is over.
    pub async fn appointments_due(&self, now: Micros, limit: u32) -> Result<Vec<AppointmentId>, StoreError> {
        let ids: Vec<String> = sqlx::query_scalar(
            "SELECT id FROM appointment WHERE ended IS NULL AND (valid_to <= $1 OR (told = 0 AND valid_from <= $1)) \
             LIMIT $2",
        )
        .bind(now)
        .bind(i64::from(limit))
        .fetch_all(&mut *self.read().await?)
        .await?;
        ids.iter().map(|id| parsed(id, "appointment id")).collect()
    }
}

impl Change {
    /// Appoints somebody, until `to` if that is said. Nobody appoints themselves. Who may is asked by
    /// [`Office::appoint`]; on the command line, whoever may run it.
    pub async fn appoint(
        &mut self,
        id: AccountId,
        appointment: &Appointment,
        (from, to): (Micros, Option<Micros>),
        why: Why,
    ) -> Result<AppointmentId, StoreError> {
        if !self.by.account.is_none() && self.by.account == id {
            return Err(Denied::Own.into());
        }
        if to.is_some_and(|to| to <= from) {
            return Err(StoreError::Incomplete("the appointment would end before it begins"));
        }
        let account = self.account(id).await?;
        if account.state.is_final() {
            return Err(InvalidMove { from: account.state.parts().0, action: "be appointed" }.into());
        }
        let held = open(&mut self.tx, id).await?;
        if held.iter().any(|given| given.appointment == *appointment && given.valid_to.is_none_or(|end| self.at < end))
        {
            return Err(StoreError::Taken("appointment"));
        }
        let new = AppointmentId::new(crate::random::uuid(self.at));
        let (region, registry, organisation, unit) = reach(appointment);
        sqlx::query(
            "INSERT INTO appointment (id, account, role, region, registry, organisation, unit, valid_from, valid_to, \
             given, given_by, told) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        )
        .bind(new.to_string())
        .bind(id.to_string())
        .bind(appointment.role())
        .bind(region)
        .bind(registry)
        .bind(organisation)
        .bind(unit)
        .bind(from)
        .bind(to)
        .bind(self.at)
        .bind(self.by.account.to_string())
        .bind(i64::from(from <= self.at))
        .execute(&mut *self.tx)
        .await?;
        self.publish_account(&account).await?;
        let mut event = self.event(AuthEventKind::AppointmentGiven, id);
        event.detail = format!("{} appointment={appointment} why={why}", self.by.channel).into();
        self.record(event).await?;
        Ok(new)
    }

    /// Ends an appointment.
    pub async fn end_appointment(&mut self, id: AppointmentId, why: Why) -> Result<Given, StoreError> {
        let given = self.appointment(id).await?;
        if given.ended.is_some() {
            return Err(StoreError::Absent("appointment that has not ended"));
        }
        let given = self.end_given(given, why).await?;
        let account = self.account(given.account).await?;
        self.publish_account(&account).await?;
        Ok(given)
    }

    /// Does what time has done to an appointment: tells that it has begun, or ends it. False: nothing.
    pub async fn appointment_by_time(&mut self, id: AppointmentId) -> Result<bool, StoreError> {
        let given = self.appointment(id).await?;
        if given.ended.is_some() || given.valid_from > self.at {
            return Ok(false);
        }
        if given.valid_to.is_some_and(|to| to <= self.at) {
            self.end_appointment(id, Why::TimeOver).await?;
            return Ok(true);
        }
        let done = sqlx::query("UPDATE appointment SET told = 1 WHERE id = $1 AND told = 0")
            .bind(id.to_string())
            .execute(&mut *self.tx)
            .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        let account = self.account(given.account).await?;
        self.publish_account(&account).await?;
        Ok(true)
    }

    /// Ends all appointments of an account that is closed.
    pub(super) async fn end_appointments_of(&mut self, id: AccountId) -> Result<(), StoreError> {
        for given in open(&mut self.tx, id).await? {
            self.end_given(given, Why::AccountClosed).await?;
        }
        Ok(())
    }

    /// What an account is appointed to now.
    pub(super) async fn in_force(&mut self, id: AccountId) -> Result<Vec<Appointment>, StoreError> {
        let given = open(&mut self.tx, id).await?;
        Ok(given.into_iter().filter(|given| given.in_force(self.at)).map(|given| given.appointment).collect())
    }

    async fn appointment(&mut self, id: AppointmentId) -> Result<Given, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM appointment WHERE id = $1"));
        let row = sqlx::query(sql).bind(id.to_string()).fetch_optional(&mut *self.tx).await?;
        read(&row.ok_or(StoreError::Absent("appointment"))?)
    }

    async fn end_given(&mut self, given: Given, why: Why) -> Result<Given, StoreError> {
        sqlx::query("UPDATE appointment SET ended = $2, ended_by = $3 WHERE id = $1")
            .bind(given.id.to_string())
            .bind(self.at)
            .bind(self.by.account.to_string())
            .execute(&mut *self.tx)
            .await?;
        let mut event = self.event(AuthEventKind::AppointmentEnded, given.account);
        event.reason = match why {
            Why::AccountClosed => Reason::AccountClosed,
            Why::TimeOver => Reason::Expired,
            _ => Reason::None,
        };
        event.detail = format!("{} appointment={} why={why}", self.by.channel, given.appointment).into();
        self.record(event).await?;
        Ok(Given { ended: Some(self.at), ended_by: Some(self.by.account), ..given })
    }
}

impl Office {
    /// An account administrator appoints somebody else.
    pub async fn appoint(
        &self,
        at: Micros,
        by: By,
        signature: &Signature,
        id: AccountId,
        appointment: &Appointment,
        period: (Micros, Option<Micros>),
    ) -> Result<AppointmentId, StoreError> {
        let mut change = self.store.change(at, by).await?;
        let done = match change.appointer(&self.key, signature, Some(id)).await {
            Ok(()) => change.appoint(id, appointment, period, Why::NewDuty).await,
            Err(error) => Err(error),
        };
        self.settle(change, done, Some(id), &format!("appoint appointment={appointment}")).await
    }

    /// An account administrator ends an appointment; it may be their own.
    pub async fn end_appointment(
        &self,
        at: Micros,
        by: By,
        signature: &Signature,
        id: AppointmentId,
        why: Why,
    ) -> Result<Given, StoreError> {
        let mut change = self.store.change(at, by).await?;
        let given = change.appointment(id).await?;
        let done = match change.appointer(&self.key, signature, None).await {
            Ok(()) => change.end_appointment(id, why).await,
            Err(error) => Err(error),
        };
        self.settle(change, done, Some(given.account), &format!("end appointment={}", given.appointment)).await
    }
}

impl Change {
    /// Whether who signs may appoint, somebody else.
    async fn appointer(
        &mut self,
        key: &FieldKey,
        signature: &Signature,
        whom: Option<AccountId>,
    ) -> Result<(), StoreError> {
        let actor = self.actor(key, signature).await?;
        if !may(&actor.appointments, Action::Appoint, &About::default()) {
            return Err(Denied::NotAppointed.into());
        }
        if let Some(id) = whom {
            let account = self.account(id).await?;
            actor.is_another_than(&self.person(key, &account).await?)?;
        }
        Ok(())
    }
}

/// The roles that the directory tells of an account, each once.
pub(super) async fn roles(
    connection: &mut AnyConnection,
    id: AccountId,
    now: Micros,
) -> Result<Vec<String>, StoreError> {
    let given = open(connection, id).await?;
    Ok(names(given.iter().filter(|given| given.in_force(now))))
}

/// The roles of all accounts.
pub(super) async fn all_roles(
    connection: &mut AnyConnection,
    now: Micros,
) -> Result<HashMap<AccountId, Vec<String>>, StoreError> {
    let sql = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM appointment WHERE ended IS NULL"));
    let rows = sqlx::query(sql).fetch_all(connection).await?;
    let mut all: HashMap<AccountId, Vec<Given>> = HashMap::new();
    for row in &rows {
        let given = read(row)?;
        if given.in_force(now) {
            all.entry(given.account).or_default().push(given);
        }
    }
    Ok(all.into_iter().map(|(id, given)| (id, names(given.iter()))).collect())
}

fn names<'a>(given: impl Iterator<Item = &'a Given>) -> Vec<String> {
    let mut names: Vec<String> = given.map(|given| given.appointment.role().to_owned()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

async fn open(connection: &mut AnyConnection, id: AccountId) -> Result<Vec<Given>, StoreError> {
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM appointment WHERE account = $1 AND ended IS NULL ORDER BY given, id"
    ));
    let rows = sqlx::query(sql).bind(id.to_string()).fetch_all(connection).await?;
    rows.iter().map(read).collect()
}

type Reach<'a> = (Option<&'a str>, Option<&'a str>, Option<&'a str>, Option<&'a str>);

/// Region, registry, organisation, unit.
fn reach(appointment: &Appointment) -> Reach<'_> {
    match appointment {
        Appointment::Approver(region) => (Some(region.as_str()), None, None, None),
        Appointment::RegistryHolder(registry) => (None, Some(registry.as_str()), None, None),
        Appointment::DeviceAdmin(organisation) => (None, None, organisation.as_ref().map(HsaId::as_str), None),
        Appointment::LogReviewer(unit) => (None, None, None, Some(unit.as_str())),
        Appointment::AccountAdmin | Appointment::LogAuditor | Appointment::HelpDesk => (None, None, None, None),
    }
}

pub(super) fn read(row: &AnyRow) -> Result<Given, StoreError> {
    let mut text = row.try_get::<&str, _>("role")?.to_owned();
    for column in ["region", "registry", "organisation", "unit"] {
        if let Some(reach) = row.try_get::<Option<&str>, _>(column)? {
            text = format!("{text}:{reach}");
        }
    }
    Ok(Given {
        id: parsed(row.try_get("id")?, "appointment id")?,
        account: parsed(row.try_get("account")?, "account id")?,
        appointment: parsed(&text, "appointment")?,
        valid_from: row.try_get("valid_from")?,
        valid_to: row.try_get("valid_to")?,
        given: row.try_get("given")?,
        given_by: parsed(row.try_get("given_by")?, "account id")?,
        ended: row.try_get("ended")?,
        ended_by: row.try_get::<Option<&str>, _>("ended_by")?.map(|id| parsed(id, "account id")).transpose()?,
    })
}
