//! Halves leave: printed and posted, read out by telephone, taken by a provider.

use super::counter::{Clear, Counter};
use super::{Change, Half, Handout};
use crate::accounts::State as AccountState;
use crate::duties::Action;
use crate::forms::{Denied, Signature};
use crate::handout::{CalledBack, Delivery, Part, Purpose, Stage};
use crate::store::{By, StoreError};
use contract::Micros;
use contract::id::{AccountId, HandoutId};
use contract::record::{AuthEventKind, Reason};

/// What stands on paper.
pub struct Printed {
    /// To whom.
    pub delivery: Delivery,
    /// Which half.
    pub part: Part,
    /// It, in groups.
    pub clear: Clear,
    /// What it is for.
    pub purpose: Purpose,
}

impl std::fmt::Debug for Printed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Printed(hidden)")
    }
}

impl Counter {
    /// A half for paper, and an event that says that it was printed. It may be printed again until it is posted.
    pub async fn print(
        &self,
        at: Micros,
        by: By,
        signature: Option<&Signature>,
        (id, part): (HandoutId, Part),
    ) -> Result<Printed, StoreError> {
        let mut change = self.office.store.change(at, by).await?;
        let about = change.handout(id).await?;
        let done = self.print_in(&mut change, signature, &about, part).await;
        self.office.settle(change, done, Some(about.account), &format!("print handout={id}")).await
    }

    async fn print_in(
        &self,
        change: &mut Change,
        signature: Option<&Signature>,
        about: &Handout,
        part: Part,
    ) -> Result<Printed, StoreError> {
        self.allowed(change, signature, Action::HandOut, about.account).await?;
        let open = change.open_handout(about.id).await?;
        let half = open.half(part);
        let stage = half.stage.print(half.channel)?;
        let clear = self.clear_to_somebody(change, &open, part).await?;
        let (_, delivery) = self.delivery(change, open.account).await?;
        change.set_stage(&open, half, stage, None).await?;
        change.half_event(AuthEventKind::CredentialsSent, &open, half, "printed", Reason::None).await?;
        Ok(Printed { delivery, part, clear, purpose: open.purpose })
    }

    /// What was printed has been posted, or went by fax.
    pub async fn posted(
        &self,
        at: Micros,
        by: By,
        signature: Option<&Signature>,
        (id, part): (HandoutId, Part),
    ) -> Result<(), StoreError> {
        let mut change = self.office.store.change(at, by).await?;
        let about = change.handout(id).await?;
        let done = async {
            self.allowed(&mut change, signature, Action::HandOut, about.account).await?;
            let open = change.open_handout(id).await?;
            let stage = open.half(part).stage.post(open.half(part).channel)?;
            self.left(&mut change, &open, part, stage, "posted").await
        };
        let done = done.await;
        self.office.settle(change, done, Some(about.account), &format!("post handout={id}")).await
    }

    /// The number to call for a half that is read out, and an event that says that it was shown.
    pub async fn number(
        &self,
        at: Micros,
        by: By,
        signature: Option<&Signature>,
        id: HandoutId,
    ) -> Result<Delivery, StoreError> {
        let mut change = self.office.store.change(at, by).await?;
        let about = change.handout(id).await?;
        let done = async {
            self.allowed(&mut change, signature, Action::HandOut, about.account).await?;
            let open = change.open_handout(id).await?;
            let (_, delivery) = self.delivery(&mut change, open.account).await?;
            let mut event = change.event(AuthEventKind::FormRevealed, open.account);
            event.detail = format!("{} handout={id} telephone", event.detail).into();
            change.record(event).await?;
            Ok::<_, StoreError>(delivery)
        };
        let done = done.await;
        self.office.settle(change, done, Some(about.account), &format!("call handout={id}")).await
    }

    /// A half to be read out to the person who was called at the number of the form.
    pub async fn read_out(
        &self,
        at: Micros,
        by: By,
        signature: Option<&Signature>,
        (id, part): (HandoutId, Part),
        called: CalledBack,
    ) -> Result<Clear, StoreError> {
        let mut change = self.office.store.change(at, by).await?;
        let about = change.handout(id).await?;
        let done = async {
            self.allowed(&mut change, signature, Action::HandOut, about.account).await?;
            let open = change.open_handout(id).await?;
            let half = open.half(part);
            let stage = half.stage.read_out(half.channel, called)?;
            let clear = self.clear_to_somebody(&mut change, &open, part).await?;
            self.left(&mut change, &open, part, stage, "read_out").await?;
            Ok::<_, StoreError>(clear)
        };
        let done = done.await;
        self.office.settle(change, done, Some(about.account), &format!("read_out handout={id}")).await
    }

    /// A half's clear text, for the eyes of whoever asks, who is noted. On the command line that is whoever reads the keys to both.
    async fn clear_to_somebody(&self, change: &mut Change, open: &Handout, part: Part) -> Result<Clear, StoreError> {
        let (half, other) = (open.half(part), open.half(part.other()));
        if !change.by.account.is_none() {
            if !self.rule.one_sees_both && self.may_have_seen(change, other).await? {
                return Err(Denied::OtherHalf.into());
            }
            change.note_seen(half).await?;
        }
        self.clear(change, half.message).await
    }

    /// Whether whoever asks is a person who has seen a half, by this account or another of theirs.
    async fn may_have_seen(&self, change: &mut Change, half: &Half) -> Result<bool, StoreError> {
        let own = change.account(change.by.account).await?;
        let own = change.person(&self.office.key, &own).await?;
        for id in change.seen_by(half).await? {
            let account = change.account(id).await?;
            if id == change.by.account || change.person(&self.office.key, &account).await?.may_be(&own) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A half has left: its clear text is wiped, its life begins, and the other's turn may have come. When both have, the
    /// account is handed out.
    pub(super) async fn left(
        &self,
        change: &mut Change,
        open: &Handout,
        part: Part,
        stage: Stage,
        word: &str,
    ) -> Result<(), StoreError> {
        let half = open.half(part);
        let until = change.at.saturating_add(self.rule.life(half.channel));
        change.set_stage(open, half, stage, Some(until)).await?;
        change.half_event(AuthEventKind::CredentialsSent, open, half, word, Reason::None).await?;
        let other = open.half(part.other());
        if half.channel.is_paper() {
            change.take_turn(open, other, change.at.saturating_add(self.rule.sms_after_us)).await?;
        }
        if !other.stage.is_out() {
            return Ok(());
        }
        let mut account = change.account(open.account).await?;
        if let AccountState::Created { .. } = account.state {
            account.state = account.state.hand_out(change.at)?;
            change.move_account(&account, AuthEventKind::AccountChanged, Reason::None).await?;
        }
        Ok(())
    }
}

impl Change {
    /// The accounts that have seen a half.
    async fn seen_by(&mut self, half: &Half) -> Result<Vec<AccountId>, StoreError> {
        let rows: Vec<String> =
            sqlx::query_scalar("SELECT account FROM handout_seen WHERE message = $1 ORDER BY account")
                .bind(half.message.to_string())
                .fetch_all(&mut *self.tx)
                .await?;
        rows.iter().map(|id| crate::store::parsed(id, "account id")).collect()
    }

    async fn note_seen(&mut self, half: &Half) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO handout_seen (message, account) VALUES ($1, $2) ON CONFLICT DO NOTHING")
            .bind(half.message.to_string())
            .bind(self.by.account.to_string())
            .execute(&mut *self.tx)
            .await?;
        Ok(())
    }

    /// Where a half is now. `until`: how long it is good, if it has left. One that is over is wiped.
    pub(super) async fn set_stage(
        &mut self,
        open: &Handout,
        half: &Half,
        stage: Stage,
        until: Option<Micros>,
    ) -> Result<(), StoreError> {
        let wiped = if stage.is_over() { ", clear = NULL, next_try = NULL" } else { "" };
        let sql = sqlx::AssertSqlSafe(format!(
            "UPDATE handout_half SET stage = $3, stage_at = $4, until = $5{wiped} WHERE handout = $1 AND part = $2"
        ));
        sqlx::query(sql)
            .bind(open.id.to_string())
            .bind(half.part.as_str())
            .bind(stage.as_str())
            .bind(self.at)
            .bind(until.or(half.until))
            .execute(&mut *self.tx)
            .await?;
        Ok(())
    }

    /// The turn of a half that waited for paper has come: it is sent from `next` on.
    pub(super) async fn take_turn(&mut self, open: &Handout, half: &Half, next: Micros) -> Result<(), StoreError> {
        let turn = half.stage.after_paper(half.channel);
        if turn == half.stage {
            return Ok(());
        }
        self.set_stage(open, half, turn, None).await?;
        self.try_at(open, half, Some(next)).await
    }

    /// When a half is tried next.
    pub(super) async fn try_at(&mut self, open: &Handout, half: &Half, next: Option<Micros>) -> Result<(), StoreError> {
        sqlx::query("UPDATE handout_half SET next_try = $3 WHERE handout = $1 AND part = $2")
            .bind(open.id.to_string())
            .bind(half.part.as_str())
            .bind(next)
            .execute(&mut *self.tx)
            .await?;
        Ok(())
    }
}
