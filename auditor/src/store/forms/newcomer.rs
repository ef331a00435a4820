//! First applications of people without an account. They have a case number, by which others may speak of it, and a secret
//! code, by which they find it again and mend it; of the code only a hash is kept.

use super::{Change, Heading};
use crate::forms::{Denied, Form, Move, State};
use crate::handout::Spoken;
use crate::random;
use crate::store::{By, Filed, Office, StoreError, parsed};
use contract::Micros;
use contract::id::{AccountId, FormId, SessionKey};
use contract::record::{AuthEventKind, Reason};
use zeroize::Zeroizing;

/// The number of a case: 40 bits.
type Number = Spoken<8>;
/// Its secret code: 80 bits, which nobody tries out.
type Secret = Spoken<16>;

/// So many applications of people without an account come from one device in a day.
pub const APPLICATIONS_A_DAY: i64 = 20;
/// So many wait at a time for what comes next, from all devices.
const WAITING_MAX: i64 = 5_000;
const DAY: Micros = 86_400_000_000;

/// An application, and how its applicant finds it again.
#[derive(Debug)]
pub struct Case {
    /// The form.
    pub heading: Heading,
    /// Its number, for people to read.
    pub number: Zeroizing<String>,
    /// Its secret code, shown once.
    pub secret: Zeroizing<String>,
}

impl Office {
    /// Takes a first application of somebody without an account, submitted on an enrolled device. Whether they have an
    /// account all the same is not looked at: it is told to who executes the form, and to nobody before.
    pub async fn apply(&self, at: Micros, by: By, form: Form) -> Result<Case, StoreError> {
        let mut change = self.store.change(at, by).await?;
        let done = self.apply_in(&mut change, form).await;
        self.settle(change, done, None, "apply").await
    }

    async fn apply_in(&self, change: &mut Change, form: Form) -> Result<Case, StoreError> {
        if !change.by.account.is_none() {
            return Err(Denied::NotYours.into());
        }
        form.check_newcomers()?;
        change.room_for_case().await?;
        let draft = self.begin_in(change, form).await?;
        let heading = self.submit_in(change, draft.id, draft.version).await?;
        let (number, secret) = (Number::new(&random::secret()), Secret::new(&random::secret()));
        sqlx::query("INSERT INTO request_case (request, number, kept, device, created) VALUES ($1, $2, $3, $4, $5)")
            .bind(heading.id.to_string())
            .bind(number.grouped().as_str())
            .bind(kept(&number, &secret))
            .bind(change.by.device.to_string())
            .bind(change.at)
            .execute(&mut *change.tx)
            .await?;
        Ok(Case { heading, number: number.grouped(), secret: secret.grouped() })
    }

    /// The application with this number and secret code, as they were typed. None: there is none; that somebody tried is
    /// on record.
    pub async fn case(&self, at: Micros, by: By, number: &str, secret: &str) -> Result<Option<FormId>, StoreError> {
        let mut change = self.store.change(at, by).await?;
        let typed = Number::parse(number).zip(Secret::parse(secret));
        let id: Option<String> = match typed {
            None => None,
            Some((number, secret)) => {
                sqlx::query_scalar("SELECT request FROM request_case WHERE kept = $1")
                    .bind(kept(&number, &secret))
                    .fetch_optional(&mut *change.tx)
                    .await?
            }
        };
        let Some(id) = id else {
            let mut event = change.event(AuthEventKind::MoveDenied, AccountId::NONE);
            event.reason = Reason::CodeUnknown;
            event.detail = format!("{} case", event.detail).into();
            change.record(event).await?;
            change.commit().await?;
            return Ok(None);
        };
        Ok(Some(parsed(&id, "form id")?))
    }

    /// Submits an application anew that was sent back, by who has shown its code. It is still a first one: an account that
    /// it has made has nothing to do with it.
    pub async fn apply_again(
        &self,
        at: Micros,
        by: By,
        (id, version): (FormId, i64),
        form: Form,
    ) -> Result<Heading, StoreError> {
        let mut change = self.store.change(at, by).await?;
        let done = self.apply_again_in(&mut change, (id, version), form).await;
        self.settle(change, done, None, &format!("apply_again form={id}")).await
    }

    async fn apply_again_in(
        &self,
        change: &mut Change,
        (id, version): (FormId, i64),
        form: Form,
    ) -> Result<Heading, StoreError> {
        let filed = self.load(&mut change.tx, id).await?;
        self.still(&filed.heading, version, change.at, "mend")?;
        if !is_newcomers(&filed) || !change.by.account.is_none() {
            return Err(Denied::NotYours.into());
        }
        form.check_newcomers()?;
        let draft = self.write_in(change, filed, form).await?;
        self.submit_in(change, draft.id, draft.version).await
    }

    async fn submit_in(&self, change: &mut Change, id: FormId, version: i64) -> Result<Heading, StoreError> {
        let filed = self.load(&mut change.tx, id).await?;
        self.make_in(change, filed, version, Move::SubmitWithoutAccount, None, None).await
    }
}

impl Change {
    async fn room_for_case(&mut self) -> Result<(), StoreError> {
        let today: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM request_case WHERE device = $1 AND created > $2")
            .bind(self.by.device.to_string())
            .bind(self.at.saturating_sub(DAY))
            .fetch_one(&mut *self.tx)
            .await?;
        let waiting: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM request_case c JOIN request r ON r.id = c.request WHERE r.state IN ($1, $2)",
        )
        .bind(State::Draft.as_str())
        .bind(State::Submitted.as_str())
        .fetch_one(&mut *self.tx)
        .await?;
        if today < APPLICATIONS_A_DAY && waiting < WAITING_MAX {
            return Ok(());
        }
        Err(StoreError::TooMany("applications from people without an account"))
    }
}

/// Whether a form was begun by somebody without an account.
fn is_newcomers(filed: &Filed) -> bool {
    filed.heading.created_by.is_none() && filed.stored.form().subject.account.is_none()
}

fn kept(number: &Number, secret: &Secret) -> String {
    let both = Zeroizing::new([number.grouped().as_str(), "\0", secret.grouped().as_str()].concat());
    SessionKey::of_token(both.as_bytes()).to_string()
}
