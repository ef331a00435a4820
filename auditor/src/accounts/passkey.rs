//! Passkeys (WebAuthn): what a browser is asked, and whether what it answers is right. Pure but for random challenges.
//!
//! A passkey proves two factors at once: that one has it, and that it has verified its user by a PIN or biometrics,
//! without which nothing is taken. It is bound to this installation's [`Origin`], so that no other site gets an answer
//! that is good here. It is kept by the authenticator under the account's id, so that nobody has to type a name.

use super::Account;
use aws_lc_rs::digest::{SHA256, digest};
use contract::id::AccountId;
use contract::record::Reason;
use serde_json::Value;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;
use webauthn_rs::prelude::{
    CredentialID, DiscoverableAuthentication, DiscoverableKey, Passkey, PasskeyRegistration, PublicKeyCredential,
    RegisterPublicKeyCredential, Url, WebauthnError,
};
use webauthn_rs::{Webauthn, WebauthnBuilder};

/// So many passkeys an account may have: enough for every device of a person.
pub const PASSKEYS_MAX: usize = 10;
/// How long a question may wait for its answer, in seconds.
pub const ANSWER_WITHIN: u32 = 300;
/// Longest id of a passkey, in bytes. The standard allows 1023; no authenticator that people have comes near this one,
/// and a question names up to [`PASSKEYS_MAX`] of them.
const ID_BYTES_MAX: usize = 256;
/// Longest name that a user gives a passkey, in letters.
const NAME_LETTERS_MAX: usize = 64;

/// Where users meet the login page, as their browser writes it: `https://HOST` or `https://HOST:PORT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(Url);

/// A text is not an origin that passkeys can be made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be https://NAME or https://NAME:PORT as browsers show it: a name in lower case, no address, nothing behind it"
)]
pub struct OriginError;

impl FromStr for Origin {
    type Err = OriginError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = Url::parse(text).map_err(|_| OriginError)?;
        let plain = url.scheme() == "https" && url.domain().is_some() && url.origin().ascii_serialization() == text;
        plain.then_some(Self(url)).ok_or(OriginError)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.origin().ascii_serialization())
    }
}

/// A passkey's id: SHA-256 of the id that its authenticator gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PasskeyId([u8; 32]);

impl PasskeyId {
    fn of(id: &[u8]) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, id).as_ref());
        Self(bytes)
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for PasskeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl FromStr for PasskeyId {
    type Err = hex::FromHexError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes)?;
        Ok(Self(bytes))
    }
}

/// A passkey's public half: its key, its count of uses, what it said of itself when it was made.
#[derive(Clone)]
pub struct PublicHalf(Passkey);

impl fmt::Debug for PublicHalf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublicHalf(hidden)")
    }
}

impl PublicHalf {
    /// The id.
    pub fn id(&self) -> PasskeyId {
        PasskeyId::of(self.0.cred_id())
    }

    /// As bytes, to be stored.
    pub fn to_bytes(&self) -> Result<Vec<u8>, PasskeyError> {
        serde_json::to_vec(&self.0).map_err(|_| PasskeyError::Form)
    }

    /// The inverse of [`Self::to_bytes`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PasskeyError> {
        serde_json::from_slice(bytes).map(Self).map_err(|_| PasskeyError::Form)
    }
}

/// Why an answer is refused: for the record, never for the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasskeyError {
    /// It cannot be read, or has a part that it may not have.
    #[error("it is no answer of a passkey")]
    Form,
    /// It answers another question.
    #[error("it answers another question")]
    Challenge,
    /// It was given to another site.
    #[error("it was given to another site")]
    Origin,
    /// The authenticator took this site for another one.
    #[error("it was made for another site")]
    RelyingParty,
    /// The passkey has not verified who used it.
    #[error("its user was not verified")]
    Unverified,
    /// It has counted no further than the last time: there may be a second one.
    #[error("the passkey's count has not grown: it may have been copied")]
    Count,
    /// It is another user's.
    #[error("it is of another account")]
    Account,
    /// The signature is wrong, or no passkey that is known.
    #[error("the signature is not the passkey's")]
    Signature,
}

impl PasskeyError {
    /// The code for the record.
    pub fn reason(self) -> Reason {
        match self {
            Self::Challenge | Self::Origin | Self::RelyingParty => Reason::Forged,
            Self::Unverified | Self::Count => Reason::BadSecondFactor,
            Self::Form | Self::Account | Self::Signature => Reason::BadCredentials,
        }
    }

    /// A word for the record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Form => "form",
            Self::Challenge => "challenge",
            Self::Origin => "origin",
            Self::RelyingParty => "relying_party",
            Self::Unverified => "unverified",
            Self::Count => "count",
            Self::Account => "account",
            Self::Signature => "signature",
        }
    }
}

impl From<WebauthnError> for PasskeyError {
    fn from(error: WebauthnError) -> Self {
        match error {
            WebauthnError::MismatchedChallenge | WebauthnError::InvalidClientDataType => Self::Challenge,
            WebauthnError::InvalidRPOrigin | WebauthnError::CredentialCrossOrigin => Self::Origin,
            WebauthnError::InvalidRPIDHash => Self::RelyingParty,
            WebauthnError::UserNotVerified | WebauthnError::UserNotPresent => Self::Unverified,
            WebauthnError::CredentialPossibleCompromise => Self::Count,
            WebauthnError::AuthenticationFailure | WebauthnError::CredentialNotFound => Self::Signature,
            _ => Self::Form,
        }
    }
}

/// A browser's answer with a passkey.
pub struct Answer(PublicKeyCredential);

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Answer(hidden)")
    }
}

impl Answer {
    /// Reads an answer: JSON in the form of the standard's `AuthenticationResponseJSON`.
    pub fn parse(text: &str) -> Result<Self, PasskeyError> {
        serde_json::from_str(text).map(Self).map_err(|_| PasskeyError::Form)
    }

    /// Which passkey it says that it is of.
    pub fn id(&self) -> PasskeyId {
        PasskeyId::of(self.0.get_credential_id())
    }
}

/// What a browser is asked, and what must be known when it answers.
pub struct Question {
    /// For the browser's `navigator.credentials`.
    pub options: Value,
    /// For whoever checks the answer. Not secret; but it must come back unchanged, and once.
    pub state: String,
}

/// This installation, towards browsers and authenticators.
#[derive(Debug, Clone)]
pub struct RelyingParty(Webauthn);

impl RelyingParty {
    /// The installation at `origin`, which authenticators show as `title`.
    #[expect(clippy::missing_panics_doc, reason = "an origin's host is within itself")]
    pub fn new(origin: &Origin, title: &str) -> Self {
        let builder = WebauthnBuilder::new(origin.0.domain().unwrap_or_default(), &origin.0)
            .map(|builder| builder.rp_name(title).timeout(Duration::from_secs(ANSWER_WITHIN.into())));
        Self(builder.and_then(WebauthnBuilder::build).expect("invariant: an origin's host is within itself"))
    }

    /// Asks for a new passkey of `account`, on an authenticator that has none of `known`.
    pub fn ask_new(&self, account: &Account, known: &[PublicHalf]) -> Result<Question, PasskeyError> {
        let known: Vec<CredentialID> = known.iter().map(|key| key.0.cred_id().clone()).collect();
        let shown = if account.name.is_empty() { account.user_name.as_str() } else { &account.name };
        let (options, state) =
            self.0.start_passkey_registration(account.id.uuid(), account.user_name.as_str(), shown, Some(known))?;
        let mut options = serde_json::to_value(options).map_err(|_| PasskeyError::Form)?;
        // Login asks for no name, so a passkey that the authenticator cannot find by itself would be of no use.
        let selection = options.pointer_mut("/publicKey/authenticatorSelection").and_then(Value::as_object_mut);
        let selection = selection.ok_or(PasskeyError::Form)?;
        selection.insert("residentKey".to_owned(), "required".into());
        selection.insert("requireResidentKey".to_owned(), true.into());
        Ok(Question { options, state: serde_json::to_string(&state).map_err(|_| PasskeyError::Form)? })
    }

    /// Takes a new passkey, by the answer (the standard's `RegistrationResponseJSON`) to a question of
    /// [`Self::ask_new`].
    pub fn take_new(&self, answer: &str, state: &str) -> Result<PublicHalf, PasskeyError> {
        let answer: RegisterPublicKeyCredential = serde_json::from_str(answer).map_err(|_| PasskeyError::Form)?;
        let state: PasskeyRegistration = serde_json::from_str(state).map_err(|_| PasskeyError::Challenge)?;
        let key = self.0.finish_passkey_registration(&answer, &state)?;
        if key.cred_id().len() > ID_BYTES_MAX {
            return Err(PasskeyError::Form);
        }
        Ok(PublicHalf(key))
    }

    /// Asks for any passkey of this installation.
    pub fn ask(&self) -> Result<Question, PasskeyError> {
        let (options, state) = self.0.start_discoverable_authentication()?;
        let mut options = serde_json::to_value(options).map_err(|_| PasskeyError::Form)?;
        // That would be an offer in a field's list of suggestions; here a button asks.
        options.as_object_mut().ok_or(PasskeyError::Form)?.remove("mediation");
        Ok(Question { options, state: serde_json::to_string(&state).map_err(|_| PasskeyError::Form)? })
    }

    /// Checks an answer to a question of [`Self::ask`], with a passkey of `account`. Gives what has changed of the
    /// passkey by its use, if anything has.
    pub fn check(
        &self,
        answer: &Answer,
        state: &str,
        account: AccountId,
        key: &PublicHalf,
    ) -> Result<Option<PublicHalf>, PasskeyError> {
        let state: DiscoverableAuthentication = serde_json::from_str(state).map_err(|_| PasskeyError::Challenge)?;
        let (user, _) = self.0.identify_discoverable_authentication(&answer.0).map_err(|_| PasskeyError::Account)?;
        if user != account.uuid() {
            return Err(PasskeyError::Account);
        }
        let result = self.0.finish_discoverable_authentication(&answer.0, state, &[DiscoverableKey::from(&key.0)])?;
        if !result.user_verified() {
            return Err(PasskeyError::Unverified);
        }
        let mut next = key.clone();
        Ok(next.0.update_credential(&result).unwrap_or(false).then_some(next))
    }
}

/// A name that a user gives a passkey: 1 to 64 letters on one line; white space around is forgiven.
pub fn name(text: &str) -> Option<String> {
    let name = text.trim();
    let fits = !name.is_empty() && name.chars().count() <= NAME_LETTERS_MAX && !name.chars().any(char::is_control);
    fits.then(|| name.to_owned())
}

#[cfg(test)]
pub(crate) mod soft;
#[cfg(test)]
mod tests;
