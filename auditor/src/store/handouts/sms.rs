//! Text messages: which are due, and what their provider says of them.

use super::counter::{Clear, Counter};
use super::{Change, Handout};
use crate::handout::{Mobile, Part, Purpose, Stage};
use crate::store::{By, StoreError, parsed};
use contract::Micros;
use contract::id::{HandoutId, MessageId};
use contract::record::{AuthEventKind, Reason};
use sqlx::Row;

/// A half to be sent as a text message.
pub struct Message {
    /// This way's id.
    pub id: MessageId,
    /// To whom.
    pub to: Mobile,
    /// Which half.
    pub part: Part,
    /// It, in groups.
    pub clear: Clear,
    /// What it is for.
    pub purpose: Purpose,
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Message({})", self.id)
    }
}

impl Counter {
    /// Takes messages whose time has come, at most `limit`. Each is tried next after `wait`, by how often it was tried; that
    /// is noted before it is sent, so that a program that is killed meanwhile does not send it at once again. After
    /// `tries_max` it has failed.
    pub async fn due_messages(
        &self,
        at: Micros,
        by: By,
        (limit, tries_max): (u32, u32),
        wait: impl Fn(u32) -> Micros,
    ) -> Result<Vec<Message>, StoreError> {
        let rows: Vec<String> = sqlx::query_scalar(
            "SELECT p.message FROM handout_half p JOIN handout h ON h.id = p.handout \
             WHERE p.stage = 'queued' AND p.next_try <= $1 AND h.state = 'open' ORDER BY p.next_try LIMIT $2",
        )
        .bind(at)
        .bind(i64::from(limit))
        .fetch_all(&mut *self.office.store.read().await?)
        .await?;
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let mut change = self.office.store.change(at, by).await?;
        let mut due = Vec::with_capacity(rows.len());
        for row in rows {
            let id: MessageId = parsed(&row, "message id")?;
            let (open, part) = match change.message(id).await {
                Ok(Some(found)) => found,
                Ok(None) => continue,
                Err(error) if error.is_of_one_row() => {
                    tracing::error!(message = %id, error = &error as &dyn std::error::Error, "a half cannot be read");
                    continue;
                }
                Err(error) => return Err(error),
            };
            let half = open.half(part);
            if half.stage != Stage::Queued || half.next_try.is_none_or(|next| next > at) {
                continue;
            }
            if half.tries >= tries_max {
                change.message_failed(&open, part, "gave_up").await?;
                continue;
            }
            let tries = half.tries.saturating_add(1);
            sqlx::query("UPDATE handout_half SET tries = $2, next_try = $3 WHERE message = $1")
                .bind(id.to_string())
                .bind(i64::from(tries))
                .bind(at.saturating_add(wait(tries)))
                .execute(&mut *change.tx)
                .await?;
            match self.written(&mut change, &open, part).await {
                Ok(message) => due.push(message),
                // A later application may name another number, or none.
                Err(StoreError::NoWay(_)) => change.message_failed(&open, part, "no_number").await?,
                Err(error) if error.is_of_one_row() => {
                    tracing::error!(message = %id, error = &error as &dyn std::error::Error, "a half cannot be sent");
                    change.message_failed(&open, part, "damaged").await?;
                }
                Err(error) => return Err(error),
            }
        }
        change.commit().await?;
        Ok(due)
    }

    /// A message as it is sent.
    async fn written(&self, change: &mut Change, open: &Handout, part: Part) -> Result<Message, StoreError> {
        let id = open.half(part).message;
        let clear = self.clear(change, id).await?;
        let (_, delivery) = self.delivery(change, open.account).await?;
        Ok(Message { id, to: delivery.mobile()?, part, clear, purpose: open.purpose })
    }

    /// What the provider says of a message, by its answer or later: [`Stage::Sent`], [`Stage::Failed`] or
    /// [`Stage::Delivered`]. `provider`: its own id for it. Words for a way that is none any more, or that come late or twice,
    /// change nothing; that a message failed counts only of the one that was taken last. False: nothing was changed.
    pub async fn message_told(
        &self,
        at: Micros,
        by: By,
        id: MessageId,
        word: Stage,
        provider: Option<&str>,
    ) -> Result<bool, StoreError> {
        let mut change = self.office.store.change(at, by).await?;
        let Some((open, part)) = change.message(id).await? else { return Ok(false) };
        let known: Option<String> = sqlx::query_scalar("SELECT provider FROM handout_half WHERE message = $1")
            .bind(id.to_string())
            .fetch_one(&mut *change.tx)
            .await?;
        if word == Stage::Failed && provider.is_some() && known.as_deref().is_some_and(|known| Some(known) != provider)
        {
            return Ok(false);
        }
        let half = open.half(part);
        let stage = half.stage.told(word);
        // An answer that comes after the callback still tells the id.
        let named = word == Stage::Sent && provider.is_some() && known.as_deref() != provider;
        if stage == half.stage && !named {
            return Ok(false);
        }
        if named {
            sqlx::query("UPDATE handout_half SET provider = $2 WHERE message = $1")
                .bind(id.to_string())
                .bind(provider)
                .execute(&mut *change.tx)
                .await?;
        }
        match stage {
            same if same == half.stage => {}
            Stage::Failed => change.message_failed(&open, part, "undelivered").await?,
            // Its life began when it was taken.
            Stage::Delivered if half.stage == Stage::Sent => {
                change.set_stage(&open, half, stage, None).await?;
                change.half_event(AuthEventKind::CredentialsSent, &open, half, "delivered", Reason::None).await?;
            }
            stage => self.left(&mut change, &open, part, stage, stage.as_str()).await?,
        }
        change.commit().await?;
        Ok(true)
    }
}

impl Change {
    /// The open handout and the half that a message is of.
    async fn message(&mut self, id: MessageId) -> Result<Option<(Handout, Part)>, StoreError> {
        let row = sqlx::query(
            "SELECT p.handout, p.part FROM handout_half p JOIN handout h ON h.id = p.handout \
             WHERE p.message = $1 AND h.state = 'open'",
        )
        .bind(id.to_string())
        .fetch_optional(&mut *self.tx)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let handout: HandoutId = parsed(row.try_get("handout")?, "handout id")?;
        let part = Part::parse(row.try_get("part")?).ok_or(StoreError::Damaged("half"))?;
        Ok(Some((self.handout(handout).await?, part)))
    }

    async fn message_failed(&mut self, open: &Handout, part: Part, word: &str) -> Result<(), StoreError> {
        let half = open.half(part);
        self.set_stage(open, half, Stage::Failed, None).await?;
        self.half_event(AuthEventKind::CredentialsFailed, open, half, word, Reason::Undelivered).await
    }
}
