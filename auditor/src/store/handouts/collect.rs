//! The person shows both halves, and sets credentials of their own.

use super::counter::Counter;
use super::{Change, Handout};
use crate::accounts::totp::{TotpError, TotpSecret};
use crate::accounts::{Account, Tries};
use crate::handout::{Both, Code, EnrolmentId, Met, Purpose, Shown, State};
use crate::random;
use crate::sessions::End;
use crate::store::{By, Passkey, StoreError, parsed};
use contract::Micros;
use contract::id::{AccountId, DeviceId, HandoutId, SessionKey};
use contract::record::{AuthEventKind, Reason};
use sqlx::Row;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// Somebody has shown both halves, and has a while to set credentials.
#[derive(Debug)]
pub struct Opened {
    /// The handout.
    pub handout: HandoutId,
    /// Their account.
    pub account: Account,
    /// The second factor that they are shown.
    pub totp: TotpSecret,
}

/// How they want to log in.
pub enum Way<'a> {
    /// By password and one-time codes, of the second factor that they were shown.
    Codes {
        /// The password's hash.
        password: &'a str,
        /// The step of the code by which they have shown that they have the second factor.
        step: u64,
    },
    /// By a passkey, which stands for both.
    Passkey {
        /// The passkey.
        passkey: &'a Passkey,
        /// The question that it was made for, and until when that can be answered.
        question: (&'a [u8; 32], Micros),
    },
}

/// What they set.
pub struct Own<'a> {
    /// How they want to log in.
    pub way: Way<'a>,
    /// The version of the security instructions that they have accepted.
    pub instructions: u32,
}

impl std::fmt::Debug for Own<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Own(hidden)")
    }
}

impl Counter {
    /// Judges two halves as they were typed. A token, if both fit: who has it, on this device, may set credentials for a
    /// while. None: refused; why is on record, and what it took is the same for all that is refused.
    pub async fn show(
        &self,
        at: Micros,
        by: By,
        id: &str,
        code: &str,
    ) -> Result<Option<Zeroizing<String>>, StoreError> {
        let (id, code) = (EnrolmentId::parse(id), Code::parse(code));
        let typed = id.is_some() && code.is_some();
        let found_by = self.key.id(&id.unwrap_or_else(|| EnrolmentId::new(&[0; 12])));
        let mut change = self.office.store.change(at, by).await?;
        let found = change.handout_by(&hex::encode(found_by)).await?.filter(|_| typed);
        let of = found.as_ref().map_or(HandoutId::NONE, |(handout, _)| handout.id);
        let shown = self.key.code(of, &code.unwrap_or_else(|| Code::new(&[0; 8])));
        let kept = found.as_ref().map_or([0; 32], |(_, kept)| *kept);
        let right = bool::from(shown.ct_eq(&kept)) && found.is_some();
        let Some((handout, _)) = found else {
            change.refuse_halves(AccountId::NONE, Reason::CodeUnknown, None).await?;
            change.commit().await?;
            return Ok(None);
        };
        let before = handout.state;
        let decided = match handout.met().judge(right, &self.rule, at) {
            Shown::Fits(both) => {
                let token = self.open(&mut change, &handout, both).await?;
                change.commit().await?;
                return Ok(Some(token));
            }
            Shown::Refused { reason, tries, state } => (reason, tries, state),
        };
        let (reason, tries, state) = decided;
        if state != before {
            change.end_handout(handout.id, state, tries).await?;
        } else if tries != handout.tries {
            sqlx::query("UPDATE handout SET tries = $2 WHERE id = $1")
                .bind(handout.id.to_string())
                .bind(i64::from(tries))
                .execute(&mut *change.tx)
                .await?;
        }
        change.refuse_halves(handout.account, reason, Some(handout.id)).await?;
        change.commit().await?;
        Ok(None)
    }

    async fn open(&self, change: &mut Change, handout: &Handout, _: Both) -> Result<Zeroizing<String>, StoreError> {
        let token = random::token();
        let secret = TotpSecret::new(random::secret());
        let sealed = self.totp.seal(handout.account, &secret, &random::secret()).map_err(sealed_wrong)?;
        sqlx::query("UPDATE handout SET opened = $2, opened_on = $3, opened_until = $4, totp = $5 WHERE id = $1")
            .bind(handout.id.to_string())
            .bind(kept(&token))
            .bind(change.by.device.to_string())
            .bind(change.at.saturating_add(self.rule.open_us))
            .bind(sealed)
            .execute(&mut *change.tx)
            .await?;
        Ok(token)
    }

    /// What a token is for, on the device that it was given to.
    pub async fn opened(&self, at: Micros, by: By, token: &str) -> Result<Option<Opened>, StoreError> {
        let mut change = self.office.store.change(at, by).await?;
        self.opened_in(&mut change, token).await
    }

    async fn opened_in(&self, change: &mut Change, token: &str) -> Result<Option<Opened>, StoreError> {
        let row =
            sqlx::query("SELECT id, opened_on, opened_until, totp FROM handout WHERE opened = $1 AND state = 'open'")
                .bind(kept(token))
                .fetch_optional(&mut *change.tx)
                .await?;
        let Some(row) = row else { return Ok(None) };
        let device: DeviceId = parsed(row.try_get("opened_on")?, "device id")?;
        if device != change.by.device || row.try_get::<Micros, _>("opened_until")? <= change.at {
            return Ok(None);
        }
        let handout = change.handout(parsed(row.try_get("id")?, "handout id")?).await?;
        // One half may have run out since: what was shown in time may be finished, but not once both are old.
        let Met { until, .. } = handout.met();
        if until.iter().all(|until| until.is_none_or(|until| until <= change.at)) {
            return Ok(None);
        }
        let account = change.account(handout.account).await?;
        if handout.purpose.collected(account.state, change.at).is_err() {
            return Ok(None);
        }
        let totp = self.totp.open(account.id, row.try_get("totp")?).map_err(sealed_wrong)?;
        Ok(Some(Opened { handout: handout.id, account, totp }))
    }

    /// Records that what somebody set who has shown both halves was refused.
    pub async fn refused(&self, at: Micros, by: By, opened: &Opened, reason: Reason) -> Result<(), StoreError> {
        let mut change = self.office.store.change(at, by).await?;
        change.refuse_halves(opened.account.id, reason, Some(opened.handout)).await?;
        change.commit().await
    }

    /// Sets somebody's own credentials: the account is in use, and what it had before has ended. None: the token is of no use
    /// any more, or the code or the
    /// passkey's question was used.
    pub async fn collect(&self, at: Micros, by: By, token: &str, own: Own<'_>) -> Result<Option<Account>, StoreError> {
        let mut change = self.office.store.change(at, by).await?;
        let Some(Opened { handout, mut account, totp }) = self.opened_in(&mut change, token).await? else {
            return Ok(None);
        };
        let purpose = change.handout(handout).await?.purpose;
        if purpose == Purpose::Reset {
            change.end_passkeys(account.id).await?;
        }
        match own.way {
            Way::Codes { password, step } => {
                let sealed = self.totp.seal(account.id, &totp, &random::secret()).map_err(sealed_wrong)?;
                change.set_password(account.id, password).await?;
                change.set_totp(account.id, &sealed).await?;
                if !change.use_step(account.id, step).await? {
                    return Ok(None);
                }
            }
            Way::Passkey { passkey, question: (question, until) } => {
                if !change.answer_once(question, until).await? {
                    return Ok(None);
                }
                change.end_codes(account.id).await?;
                change.add_passkey(passkey).await?;
            }
        }
        change.end_sessions_of_account(account.id, End::Account).await?;
        let tries = change.handout(handout).await?.tries;
        change.end_handout(handout, State::Collected, tries).await?;
        let mut event = change.event(AuthEventKind::CredentialsCollected, account.id);
        event.detail = format!("{} handout={handout} purpose={purpose}", event.detail).into();
        change.record(event).await?;
        change.accept_instructions(account.id, own.instructions).await?;
        account.state = purpose.collected(account.state, at)?;
        account.tries = Tries::default();
        change.move_account(&account, AuthEventKind::AccountChanged, Reason::None).await?;
        change.commit().await?;
        Ok(Some(account))
    }
}

/// What of a token is kept.
fn kept(token: &str) -> String {
    SessionKey::of_token(token.as_bytes()).to_string()
}

fn sealed_wrong(error: TotpError) -> StoreError {
    match error {
        TotpError::Open => StoreError::Sealed(crate::sealing::RestError),
        TotpError::Form => StoreError::Damaged("second factor"),
    }
}

impl Change {
    async fn handout_by(&mut self, kept: &str) -> Result<Option<(Handout, [u8; 32])>, StoreError> {
        let row = sqlx::query(
            "SELECT i.handout, c.kept FROM handout_half i JOIN handout_half c ON c.handout = i.handout AND c.part = 'code' \
             WHERE i.kept = $1 AND i.part = 'id'",
        )
        .bind(kept)
        .fetch_optional(&mut *self.tx)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let mut code = [0; 32];
        hex::decode_to_slice(row.try_get::<&str, _>("kept")?, &mut code)
            .map_err(|_| StoreError::Damaged("code of a handout"))?;
        let id = parsed(row.try_get("handout")?, "handout id")?;
        Ok(Some((self.handout(id).await?, code)))
    }

    async fn refuse_halves(
        &mut self,
        account: AccountId,
        reason: Reason,
        handout: Option<HandoutId>,
    ) -> Result<(), StoreError> {
        let mut event = self.event(AuthEventKind::CredentialsFailed, account);
        event.reason = reason;
        if let Some(id) = handout {
            event.detail = format!("{} handout={id} shown", event.detail).into();
        }
        self.record(event).await
    }
}
