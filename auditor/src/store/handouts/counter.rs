//! Where halves are made: for whom, by whom, for which channels.

use super::{Change, Handout};
use crate::accounts::totp::TotpKey;
use crate::duties::{About, Action, may};
use crate::forms::{Content, Denied, Form, Signature};
use crate::handout::{
    CalledBack, Channel, Code, Delivery, EnrolmentId, HandoutKey, Pair, Part, Purpose, Rule, Stage, State,
};
use crate::random;
use crate::sealing::Cell;
use crate::store::{By, Office, StoreError};
use contract::id::{AccountId, FormId, HandoutId, MessageId};
use contract::record::{AuthEventKind, AuthMethod};
use sqlx::Row;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Where credentials are handed out and collected. Each of its doings is one change with its events, made or not made; what
/// somebody may not is on record all the same. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Counter {
    pub(super) office: Office,
    pub(super) key: Arc<HandoutKey>,
    pub(super) totp: Arc<TotpKey>,
    pub(super) rule: Rule,
}

/// Halves to be made.
#[derive(Debug, Clone, Copy)]
pub struct Issue {
    /// For this account.
    pub account: AccountId,
    /// The enrolment id goes by this.
    pub id_by: Channel,
    /// The code goes by this.
    pub code_by: Channel,
    /// Needed where they replace a second factor.
    pub called_back: Option<CalledBack>,
}

/// A half in clear, for a moment.
pub(super) type Clear = Zeroizing<String>;

impl Counter {
    /// At an office, by these keys and this rule.
    pub fn new(office: Office, key: Arc<HandoutKey>, totp: Arc<TotpKey>, rule: Rule) -> Self {
        Self { office, key, totp, rule }
    }

    /// How long halves are good, and the like.
    pub fn rule(&self) -> &Rule {
        &self.rule
    }

    /// Makes two halves for an account. Those before are void. `signature`: of who does it; none on the command line.
    pub async fn issue(
        &self,
        at: contract::Micros,
        by: By,
        signature: Option<&Signature>,
        issue: &Issue,
    ) -> Result<HandoutId, StoreError> {
        let mut change = self.office.store.change(at, by).await?;
        let done = self.issue_in(&mut change, signature, issue).await;
        self.office.settle(change, done, Some(issue.account), "issue credentials").await
    }

    async fn issue_in(
        &self,
        change: &mut Change,
        signature: Option<&Signature>,
        issue: &Issue,
    ) -> Result<HandoutId, StoreError> {
        let account = change.account(issue.account).await?;
        let purpose = Purpose::of(account.state.at(change.at));
        let duty = if purpose == Ok(Purpose::Reset) { Action::Unlock } else { Action::HandOut };
        self.allowed(change, signature, duty, issue.account).await?;
        let purpose = purpose?;
        let pair = Pair::new(issue.id_by, issue.code_by, &self.rule)?;
        if purpose == Purpose::Reset && issue.called_back.is_none() {
            return Err(StoreError::Incomplete(
                "a new second factor needs a call to the number on the person's form: confirm that you made it",
            ));
        }
        let (form, delivery) = self.delivery(change, issue.account).await?;
        for part in Part::ALL {
            delivery.reaches(pair.of(*part))?;
        }
        change.replace_handout(issue.account).await?;
        let id = HandoutId::new(random::uuid(change.at));
        sqlx::query(
            "INSERT INTO handout (id, account, form, purpose, state, state_at, issued, issued_by, tries) \
             VALUES ($1, $2, $3, $4, $5, $6, $6, $7, 0)",
        )
        .bind(id.to_string())
        .bind(issue.account.to_string())
        .bind(form.to_string())
        .bind(purpose.as_str())
        .bind(State::Open.as_str())
        .bind(change.at)
        .bind(change.by.account.to_string())
        .execute(&mut *change.tx)
        .await?;
        for part in Part::ALL.iter().copied() {
            sqlx::query(
                "INSERT INTO handout_half (handout, part, channel, stage, stage_at, kept, message, tries) \
                 VALUES ($1, $2, '', '', 0, $3, $3, 0)",
            )
            .bind(id.to_string())
            .bind(part.as_str())
            .bind(MessageId::new(random::uuid(change.at)).to_string())
            .execute(&mut *change.tx)
            .await?;
            let stage = Stage::first(pair.of(part), pair.of(part.other()));
            self.make_half(change, id, part, (pair.of(part), stage)).await?;
        }
        let made = change.handout(id).await?;
        let method = signature.map_or(AuthMethod::None, Signature::method);
        change.made_events(&made, Part::ALL, method).await?;
        Ok(id)
    }

    /// Makes a half anew, to go by another channel: the one before is void.
    pub async fn reroute(
        &self,
        at: contract::Micros,
        by: By,
        signature: Option<&Signature>,
        (id, part): (HandoutId, Part),
        channel: Channel,
    ) -> Result<(), StoreError> {
        let mut change = self.office.store.change(at, by).await?;
        let about = change.handout(id).await?.account;
        let done = self.reroute_in(&mut change, signature, (id, part), channel).await;
        self.office.settle(change, done, Some(about), &format!("reroute handout={id}")).await
    }

    async fn reroute_in(
        &self,
        change: &mut Change,
        signature: Option<&Signature>,
        (id, part): (HandoutId, Part),
        channel: Channel,
    ) -> Result<(), StoreError> {
        let about = change.handout(id).await?;
        let duty = if about.purpose == Purpose::Reset { Action::Unlock } else { Action::HandOut };
        self.allowed(change, signature, duty, about.account).await?;
        let open = change.open_handout(id).await?;
        let half = open.half(part);
        half.stage.rerouted(half.channel)?;
        let other = open.half(part.other());
        match part {
            Part::Id => Pair::new(channel, other.channel, &self.rule)?,
            Part::Code => Pair::new(other.channel, channel, &self.rule)?,
        };
        let (_, delivery) = self.delivery(change, open.account).await?;
        delivery.reaches(channel)?;
        // What waited for the other to leave waits no more if it has.
        let first = Stage::first(channel, other.channel);
        let stage = if other.stage.is_out() { first.after_paper(channel) } else { first };
        self.make_half(change, id, part, (channel, stage)).await?;
        // Nor does the other wait for paper if there is none any more.
        if !channel.is_paper() {
            change.take_turn(&open, other, change.at).await?;
        }
        // Whoever has shown the old one has to show the new one.
        sqlx::query(
            "UPDATE handout SET opened = NULL, opened_on = NULL, opened_until = NULL, totp = NULL WHERE id = $1",
        )
        .bind(id.to_string())
        .execute(&mut *change.tx)
        .await?;
        let made = change.handout(id).await?;
        let method = signature.map_or(AuthMethod::None, Signature::method);
        change.made_events(&made, &[part], method).await
    }

    /// Whether somebody may do this for an account that is another's. On the command line, whoever reads its keys.
    pub(super) async fn allowed(
        &self,
        change: &mut Change,
        signature: Option<&Signature>,
        duty: Action,
        about: AccountId,
    ) -> Result<(), StoreError> {
        let actor = match signature {
            Some(signature) => change.actor(&self.office.key, signature).await?,
            None if change.by.account.is_none() && change.by.device.is_none() => return Ok(()),
            None => return Err(Denied::OtherSignature.into()),
        };
        if !may(&actor.appointments, duty, &About::default()) {
            return Err(Denied::NotAppointed.into());
        }
        let account = change.account(about).await?;
        Ok(actor.is_another_than(&change.person(&self.office.key, &account).await?)?)
    }

    /// Where an account's person is reached, by the form that made the account.
    pub(super) async fn delivery(
        &self,
        change: &mut Change,
        account: AccountId,
    ) -> Result<(FormId, Delivery), StoreError> {
        const NONE: StoreError = StoreError::Incomplete(
            "there is no executed application of this person: addresses and numbers come from there alone",
        );
        let row = sqlx::query(
            "SELECT id FROM request WHERE account = $1 AND kind = 'F1' AND state = 'executed' \
             ORDER BY state_at DESC, id LIMIT 1",
        )
        .bind(account.to_string())
        .fetch_optional(&mut *change.tx)
        .await?;
        let id: FormId = crate::store::parsed(row.ok_or(NONE)?.try_get("id")?, "form id")?;
        let filed = self.office.load(&mut change.tx, id).await?;
        let Form { content: Content::Application(application), .. } = filed.stored.form() else { return Err(NONE) };
        Ok((id, Delivery::from(application)))
    }

    /// Makes a half, seals its clear text, and keeps its hash.
    async fn make_half(
        &self,
        change: &mut Change,
        id: HandoutId,
        part: Part,
        (channel, stage): (Channel, Stage),
    ) -> Result<(), StoreError> {
        let (clear, kept) = match part {
            Part::Id => {
                let half = EnrolmentId::new(&random::secret());
                (half.grouped(), self.key.id(&half))
            }
            Part::Code => {
                let half = Code::new(&random::secret());
                (half.grouped(), self.key.code(id, &half))
            }
        };
        change.forget_seen(id, Some(part)).await?;
        let message = MessageId::new(random::uuid(change.at));
        let sealed = self.office.key.seal(cell(message), clear.as_bytes())?;
        sqlx::query(
            "UPDATE handout_half SET channel = $3, stage = $4, stage_at = $5, kept = $6, clear = $7, until = NULL, \
             message = $8, provider = NULL, tries = 0, next_try = $9 WHERE handout = $1 AND part = $2",
        )
        .bind(id.to_string())
        .bind(part.as_str())
        .bind(channel.as_str())
        .bind(stage.as_str())
        .bind(change.at)
        .bind(hex::encode(kept))
        .bind(sealed)
        .bind(message.to_string())
        .bind((stage == Stage::Queued).then_some(change.at))
        .execute(&mut *change.tx)
        .await?;
        Ok(())
    }

    /// A half's clear text, as long as it is there.
    pub(super) async fn clear(&self, change: &mut Change, message: MessageId) -> Result<Clear, StoreError> {
        let sealed: Option<Vec<u8>> = sqlx::query_scalar("SELECT clear FROM handout_half WHERE message = $1")
            .bind(message.to_string())
            .fetch_one(&mut *change.tx)
            .await?;
        let plain = self.office.key.open(cell(message), &sealed.ok_or(StoreError::Absent("half in clear"))?)?;
        let text = std::str::from_utf8(&plain).map_err(|_| StoreError::Damaged("half"))?;
        Ok(Zeroizing::new(text.to_owned()))
    }
}

fn cell(message: MessageId) -> Cell {
    Cell { column: "handout_half.clear", row: message.uuid(), number: 0 }
}

impl Change {
    /// Tells that halves were made, and how they go.
    async fn made_events(&mut self, made: &Handout, parts: &[Part], method: AuthMethod) -> Result<(), StoreError> {
        for part in parts {
            let mut event = self.event(AuthEventKind::CredentialsIssued, made.account);
            event.auth_method = method;
            let (id, purpose, channel) = (made.id, made.purpose, made.half(*part).channel);
            let by = &self.by.channel;
            event.detail = format!("{by} handout={id} half={part} channel={channel} purpose={purpose}").into();
            self.record(event).await?;
        }
        Ok(())
    }

    /// Another takes the place of an account's open handout.
    async fn replace_handout(&mut self, account: AccountId) -> Result<(), StoreError> {
        match self.open_handout_of(account).await? {
            Some(open) => self.end_handout(open.id, State::Replaced, open.tries).await,
            None => Ok(()),
        }
    }
}
