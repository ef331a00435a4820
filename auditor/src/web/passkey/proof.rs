//! Whether an answer is that of somebody's passkey, and what follows for the account.

use super::ticket::Ticket;
use crate::accounts::Account;
use crate::accounts::login::{Verdict, judge_passkey};
use crate::accounts::passkey::{Answer, PasskeyError, PasskeyId, PublicHalf, RelyingParty};
use crate::random;
use crate::store::{Change, Passkey, StoreError};
use crate::web::App;
use crate::web::attempt::{How, refuse, settle};
use contract::id::AccountId;
use contract::record::{AuthMethod, Reason};

/// A question of before has been answered with this.
const REPLAYED: (Reason, &str) = (Reason::CodeReplayed, "replayed");

/// What an answer is for, and whose it has to be.
#[derive(Debug, Clone, Copy)]
pub(super) enum For {
    /// To log in: anybody's.
    Login,
    /// To show again who is logged in.
    Confirm(AccountId),
    /// To sign.
    Sign(AccountId),
}

impl For {
    const fn account(self) -> Option<AccountId> {
        match self {
            Self::Login => None,
            Self::Confirm(account) | Self::Sign(account) => Some(account),
        }
    }

    /// What is told of a refusal.
    fn how(self, word: &str) -> How {
        let what = match self {
            Self::Login => "",
            Self::Confirm(_) => "confirm",
            Self::Sign(_) => "step-up",
        };
        How { method: AuthMethod::Passkey, note: format!("{what} {word}").trim().to_owned() }
    }
}

impl App {
    /// Judges an answer to the question of a ticket, stores what has become of account and passkey, and records a
    /// refusal. The account, or why it is refused; either is to be
    /// committed.
    pub(super) async fn prove(
        &self,
        change: &mut Change,
        party: &RelyingParty,
        (ticket, answer): (&Ticket, &str),
        aim: For,
    ) -> Result<Result<Account, Reason>, StoreError> {
        let how = |word: &str| aim.how(word);
        let only = aim.account();
        // Whatever becomes of it: no second answer is heard.
        let fresh = change.answer_once(&ticket.id, ticket.until).await?;
        let asker = only.unwrap_or(AccountId::NONE);
        let answer = match Answer::parse(answer) {
            Ok(answer) => answer,
            Err(error) => {
                refuse(change, asker, error.reason(), &how(error.as_str())).await?;
                return Ok(Err(error.reason()));
            }
        };
        let known = change.passkey(&answer.id()).await?;
        let known = known.filter(|passkey| only.is_none_or(|account| account == passkey.account));
        let Some(passkey) = known else {
            refuse(change, asker, Reason::BadCredentials, &how("unknown")).await?;
            return Ok(Err(Reason::BadCredentials));
        };
        if passkey.ended.is_some() {
            refuse(change, passkey.account, Reason::BadCredentials, &how("removed")).await?;
            return Ok(Err(Reason::BadCredentials));
        }
        let checked = if fresh { self.check_passkey(party, &passkey, &answer, &ticket.state) } else { Err(REPLAYED) };
        let (shown, used, word) = match checked {
            Ok(used) => (Ok(()), used, ""),
            Err((reason, word)) => (Err(reason), None, word),
        };
        let account = change.account(passkey.account).await?;
        let (before, last_login) = (account.state, account.last_login);
        let mut verdict = judge_passkey(account, shown, self.login.lock, change.at());
        if let (For::Sign(_), Verdict::In { account, .. }) = (aim, &mut verdict) {
            // Signing is not logging in: whether an account rests is counted by logins.
            account.last_login = last_login;
        }
        let settled = settle(change, before, verdict, &how(word)).await?;
        if settled.is_ok() {
            change.use_passkey(&passkey.id, used.as_deref()).await?;
        }
        Ok(settled)
    }

    /// Checks an answer. Gives the passkey's public half, sealed, if it has changed.
    fn check_passkey(
        &self,
        party: &RelyingParty,
        passkey: &Passkey,
        answer: &Answer,
        state: &str,
    ) -> Result<Option<Vec<u8>>, (Reason, &'static str)> {
        let told = |error: PasskeyError| (error.reason(), error.as_str());
        let key = self.open_passkey(passkey).ok_or((Reason::BadCredentials, "sealed"))?;
        let used = party.check(answer, state, passkey.account, &key).map_err(told)?;
        used.map(|used| self.seal_passkey(passkey.account, &used)).transpose().map_err(told)
    }

    /// A passkey's public half.
    pub(super) fn open_passkey(&self, passkey: &Passkey) -> Option<PublicHalf> {
        let opened = self.passkeys.open(&owner(passkey.account, &passkey.id), &passkey.credential).ok();
        let key = opened.and_then(|bytes| PublicHalf::from_bytes(&bytes).ok()).filter(|key| key.id() == passkey.id);
        if key.is_none() {
            tracing::error!(account = %passkey.account, "a passkey does not open");
        }
        key
    }

    /// A passkey's public half as it rests.
    pub(in crate::web) fn seal_passkey(&self, account: AccountId, key: &PublicHalf) -> Result<Vec<u8>, PasskeyError> {
        let bytes = key.to_bytes()?;
        self.passkeys.seal(&owner(account, &key.id()), &bytes, &random::secret()).map_err(|_| PasskeyError::Form)
    }
}

/// What a sealed passkey is bound to.
fn owner(account: AccountId, id: &PasskeyId) -> Vec<u8> {
    [account.uuid().as_bytes().as_slice(), id.bytes()].concat()
}
