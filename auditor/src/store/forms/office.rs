//! Where forms are written, decided on and executed: with the key that opens them.

use super::{Change, Heading, heading, sealed, steps, told};
use crate::accounts::UserName;
use crate::forms::{Denied, Did, Form, Kind, Move, Signature, State, Step, Stored, WrongState, has_lapsed};
use crate::sealing::FieldKey;
use crate::store::{By, Store, StoreError};
use contract::Micros;
use contract::id::{AccountId, FormId};
use contract::record::{AuthEventKind, Reason};
use sqlx::AnyConnection;
use std::sync::Arc;

/// A form with all that stands in it.
#[derive(Debug, PartialEq, Eq)]
pub struct Filed {
    /// From outside.
    pub heading: Heading,
    /// Where it stands, and what it says.
    pub stored: Stored,
    /// What was done with it, in order.
    pub steps: Vec<Step>,
}

/// Where forms are worked on, blocks lifted and accounts confirmed. Each of its doings is one change with its events, made
/// or not made; what somebody may not is on record all the same. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Office {
    pub(in crate::store) store: Store,
    pub(in crate::store) key: Arc<FieldKey>,
    life_us: Micros,
}

impl Office {
    /// Of a store. A form that nobody has done anything with for `life_us` has lapsed.
    pub fn new(store: Store, key: Arc<FieldKey>, life_us: Micros) -> Self {
        Self { store, key, life_us }
    }

    /// Begins a form.
    pub async fn begin(&self, at: Micros, by: By, form: Form) -> Result<Heading, StoreError> {
        let mut change = self.store.change(at, by).await?;
        let heading = self.begin_in(&mut change, form).await?;
        change.commit().await?;
        Ok(heading)
    }

    pub(super) async fn begin_in(&self, change: &mut Change, mut form: Form) -> Result<Heading, StoreError> {
        let at = change.at;
        change.check_subject(&mut form, false).await?;
        let id = FormId::new(crate::random::uuid(at));
        let heading = Heading {
            id,
            kind: form.content.kind(),
            state: State::Draft,
            account: form.subject.account,
            region: form.region,
            registry: form.registry.clone(),
            created: at,
            created_by: change.by.account,
            state_at: at,
            version: 1,
        };
        sqlx::query(
            "INSERT INTO request (id, kind, state, account, region, registry, created, created_by, state_at, version, form) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $7, $9, $10)",
        )
        .bind(id.to_string())
        .bind(heading.kind.as_str())
        .bind(heading.state.as_str())
        .bind(heading.account.map(|id| id.to_string()))
        .bind(heading.region.as_str())
        .bind(heading.registry.as_str())
        .bind(at)
        .bind(heading.created_by.to_string())
        .bind(heading.version)
        .bind(sealed::seal(&self.key, id, &form)?)
        .execute(&mut *change.tx)
        .await?;
        Ok(heading)
    }

    /// Writes a draft anew: by who began it, or whom it is about. It stays of its kind, and about the same account.
    pub async fn mend(
        &self,
        at: Micros,
        by: By,
        (id, version): (FormId, i64),
        form: Form,
    ) -> Result<Heading, StoreError> {
        let mut change = self.store.change(at, by).await?;
        let filed = self.load(&mut change.tx, id).await?;
        self.still(&filed.heading, version, at, "mend")?;
        let me = change.by.account;
        let about = filed.stored.form().subject.account;
        if me.is_none() || (me != filed.heading.created_by && Some(me) != about) {
            let denied = Err(Denied::NotYours.into());
            return self.settle(change, denied, about, &format!("mend {}", told(&filed.heading))).await;
        }
        let heading = self.write_in(&mut change, filed, form).await?;
        change.commit().await?;
        Ok(heading)
    }

    /// Writes a draft anew that is of the version that was seen.
    pub(super) async fn write_in(
        &self,
        change: &mut Change,
        mut filed: Filed,
        mut form: Form,
    ) -> Result<Heading, StoreError> {
        if filed.heading.state != State::Draft {
            return Err(WrongState { state: filed.heading.state, action: "mend" }.into());
        }
        let (id, version) = (filed.heading.id, filed.heading.version);
        let about = filed.stored.form().subject.account;
        if form.content.kind() != filed.heading.kind || form.subject.account != about {
            return Err(StoreError::Incomplete("a form stays of its kind, and about the same account"));
        }
        change.check_subject(&mut form, true).await?;
        let done = sqlx::query(
            "UPDATE request SET region = $3, registry = $4, form = $5, state_at = $6, version = version + 1 \
             WHERE id = $1 AND version = $2",
        )
        .bind(id.to_string())
        .bind(version)
        .bind(form.region.as_str())
        .bind(form.registry.as_str())
        .bind(sealed::seal(&self.key, id, &form)?)
        .bind(change.at)
        .execute(&mut *change.tx)
        .await?;
        if done.rows_affected() != 1 {
            return Err(StoreError::Raced("form"));
        }
        filed.heading.region = form.region;
        filed.heading.registry = form.registry;
        filed.heading.state_at = change.at;
        filed.heading.version += 1;
        Ok(filed.heading)
    }

    /// Makes a move with a form as it was seen, at `version`. `signature`: of who makes it; none by somebody without an
    /// account. `user_name`: of the account, if the move makes one.
    pub async fn make(
        &self,
        at: Micros,
        by: By,
        seen: (FormId, i64),
        wanted: Move,
        signature: Option<Signature>,
        user_name: Option<&UserName>,
    ) -> Result<Heading, StoreError> {
        let mut change = self.store.change(at, by).await?;
        let name = wanted.name();
        let filed = self.load(&mut change.tx, seen.0).await?;
        let (about, what) = (filed.stored.form().subject.account, format!("{name} {}", told(&filed.heading)));
        let made = self.make_in(&mut change, filed, seen.1, wanted, signature, user_name).await;
        self.settle(change, made, about, &what).await
    }

    pub(super) async fn make_in(
        &self,
        change: &mut Change,
        filed: Filed,
        version: i64,
        wanted: Move,
        signature: Option<Signature>,
        user_name: Option<&UserName>,
    ) -> Result<Heading, StoreError> {
        let Filed { mut heading, stored, steps } = filed;
        self.still(&heading, version, change.at, wanted.name())?;
        let actor = match &signature {
            Some(signature) => {
                let mut actor = change.actor(&self.key, signature).await?;
                let before: Vec<AccountId> = steps.iter().map(|step| step.by).collect();
                change.know_again(&self.key, &mut actor, &before).await?;
                Some(actor)
            }
            // Who has an account signs.
            None if !change.by.account.is_none() || !heading.created_by.is_none() => {
                return Err(Denied::NotYours.into());
            }
            None => None,
        };
        if heading.state == State::Draft {
            // What was so when it was written need not be so now.
            change.check_subject(&mut stored.form().clone(), true).await?;
        }
        if let Some(actor) =
            actor.as_ref().filter(|_| wanted == Move::SubmitForAnother && heading.state == State::Draft)
        {
            change.reaches(stored.form(), actor).await?;
        }
        let submitted = steps.iter().rev().find(|step| step.did == Did::Submitted).map_or(0, |step| step.at);
        if wanted == Move::Execute
            && heading.kind != Kind::Deregistration
            && change.overtaken(&heading, submitted).await?
        {
            return Err(StoreError::Overtaken);
        }
        let held = change.held(stored.form()).await?;
        let made = stored.make(actor.as_ref().zip(signature), wanted, &held, change.at)?;
        let form = made.stored.form();
        if let Some(order) = made.order {
            heading.account = Some(change.carry_out(form, order, user_name).await?);
        }
        if let (Some(approval), Some(account)) = (made.stored.approval(), heading.account)
            && heading.kind != Kind::Deregistration
        {
            change.vouch(account, form.region, approval.at(), approval.account()).await?;
        }
        heading.state = made.stored.state();
        let number = steps.len() as u64;
        let words = made.step.words.as_deref();
        let words = words.map(|words| sealed::seal_words(&self.key, heading.id, number, words)).transpose()?;
        change.store_step(&heading, number, &made.step, words).await?;
        change.form_event(&heading, &made.step, Reason::None).await?;
        heading.state_at = made.step.at;
        heading.version += 1;
        Ok(heading)
    }

    /// A form with all that stands in it, for somebody whose work it is.
    pub async fn read(&self, id: FormId) -> Result<Filed, StoreError> {
        self.load(&mut *self.store.read().await?, id).await
    }

    /// A form with all that stands in it, and an event that says so.
    pub async fn reveal(&self, at: Micros, by: By, id: FormId) -> Result<Filed, StoreError> {
        let mut change = self.store.change(at, by).await?;
        let filed = self.load(&mut change.tx, id).await?;
        let mut event = change.event(AuthEventKind::FormRevealed, filed.heading.account.unwrap_or(AccountId::NONE));
        event.detail = format!("{} {}", change.by.channel, told(&filed.heading)).into();
        change.record(event).await?;
        change.commit().await?;
        Ok(filed)
    }

    /// Ends a change: it is made, or nothing of it is; what somebody wanted who may not is recorded.
    pub(in crate::store) async fn settle<T>(
        &self,
        change: Change,
        done: Result<T, StoreError>,
        about: Option<AccountId>,
        what: &str,
    ) -> Result<T, StoreError> {
        let error = match done {
            Ok(done) => {
                change.commit().await?;
                return Ok(done);
            }
            Err(error) => error,
        };
        self.store.give_up(change, &error, about, what).await?;
        Err(error)
    }

    pub(in crate::store) async fn load(&self, connection: &mut AnyConnection, id: FormId) -> Result<Filed, StoreError> {
        let (heading, sealed) = heading(connection, id).await?.ok_or(StoreError::Absent("form"))?;
        let form = sealed::open(&self.key, id, &sealed)?;
        let mut done = Vec::new();
        for (number, (mut step, words)) in steps(connection, id).await?.into_iter().enumerate() {
            let open = |words: Vec<u8>| sealed::open_words(&self.key, id, number as u64, &words);
            step.words = words.map(open).transpose()?;
            done.push(step);
        }
        // What stands beside the sealed cell is what is in it, or somebody has changed the table.
        let same = (form.content.kind(), form.region, &form.registry)
            == (heading.kind, heading.region, &heading.registry)
            && (form.subject.account.is_none() || form.subject.account == heading.account);
        let stored = Stored::replay(form, &done).filter(|stored| same && stored.state() == heading.state);
        Ok(Filed { heading, stored: stored.ok_or(StoreError::Damaged("form"))?, steps: done })
    }

    /// Whether a form is as it was seen, and has not lapsed.
    pub(super) fn still(
        &self,
        heading: &Heading,
        version: i64,
        now: Micros,
        action: &'static str,
    ) -> Result<(), StoreError> {
        if !heading.state.is_final() && has_lapsed(heading.state_at, now, self.life_us) {
            return Err(WrongState { state: State::Lapsed, action }.into());
        }
        if heading.version == version { Ok(()) } else { Err(StoreError::Raced("form")) }
    }
}
