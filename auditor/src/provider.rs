//! Identity providers, as this program asks them: OpenID Connect Core 1.0 and Discovery 1.0.
//!
//! - What a provider says of itself is fetched when somebody first wants to log in there, kept for an hour, and believed
//!   only with the issuer that the settings name. Its keys are fetched again when a token names one that is not known.
//! - How often either is fetched is bounded, whoever asks and however it ends; so are the time and size of an answer.
//! - Nothing follows a redirect, and nothing is asked in the clear but what is on this machine.
//! - A provider that does not answer holds up nobody who logs in another way.
//!
//! There is no OpenID Connect crate in this: the best kept one brings signatures of its own (among them an RSA that leaks by
//! its time, RUSTSEC-2023-0071) and `chrono`, beside aws-lc and `time` that are here. What is used of the protocol is two
//! documents, one form and one signed token, and the checks of that token ([`crate::accounts::oidc`]) are what counts.

mod ask;
mod http;
mod metadata;
#[cfg(test)]
mod tests;

pub use ask::Question;

use self::http::Client;
use crate::accounts::oidc::{Asked, KeySet, Logout, TokenError, Told, check, check_logout};
use crate::clock;
use crate::config::Oidc;
use metadata::{Known, Metadata};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, Semaphore};
use zeroize::Zeroizing;

/// Why a provider cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The file of its authorities is of no use.
    #[error("{} holds no certificates of authorities", .0.display())]
    Authorities(PathBuf),
    /// TLS.
    #[error("TLS towards providers cannot be set up")]
    Tls(#[from] rustls::Error),
}

/// Why a provider gives no answer that can be used.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// It cannot be reached, or not in time, or answers with something else.
    #[error("the identity provider does not answer")]
    Away(#[source] AskError),
    /// It did not answer a moment ago, and is not asked again so soon.
    #[error("the identity provider did not answer a moment ago")]
    Resting,
    /// Too many logins there at once.
    #[error("too many logins at the identity provider at once")]
    Busy,
    /// What it says of itself is not that of the provider in the settings.
    #[error("the identity provider says of itself what is not so: {0}")]
    Itself(&'static str),
    /// It refuses the code that it gave.
    #[error("the identity provider refuses its own code, or this program: status {0}")]
    Refused(u16),
    /// A token that is not believed.
    #[error("a token of the identity provider is not believed")]
    Token(#[from] TokenError),
}

impl ProviderError {
    /// Whether it is the provider that is in trouble, and another try may help.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Away(_) | Self::Resting | Self::Busy | Self::Itself(_))
    }

    /// A word for the record and for metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Away(_) | Self::Resting => "away",
            Self::Busy => "busy",
            Self::Itself(_) => "itself",
            Self::Refused(_) => "code",
            Self::Token(error) => error.as_str(),
        }
    }
}

/// Why something that was asked for did not come.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// No connection.
    #[error("no connection")]
    Connect(#[source] std::io::Error),
    /// HTTP.
    #[error("HTTP failed")]
    Http(#[from] hyper::Error),
    /// Not in time.
    #[error("no answer in time")]
    Silent,
    /// Another status than was expected; redirects too.
    #[error("the answer has status {0}")]
    Status(u16),
    /// A body that is too long.
    #[error("the answer is too long, or broke off")]
    Length,
    /// Something else than JSON of the form that was expected.
    #[error("the answer has another form")]
    Form,
}

/// All that is asked of a provider takes at most this.
const ANSWER_WITHIN: Duration = Duration::from_secs(8);
/// Codes that are exchanged at a time; more wait their turn for a while.
const EXCHANGES_MAX: usize = 16;
const TURN_WITHIN: Duration = Duration::from_secs(4);

/// An identity provider.
#[derive(Debug)]
pub struct Provider {
    settings: Oidc,
    /// Where it sends users back to.
    back: String,
    client: Client,
    known: Mutex<Known>,
    turns: Semaphore,
}

impl Provider {
    /// Prepares to ask a provider. It sends users back to a path below `origin`.
    pub fn new(settings: Oidc, origin: &str) -> Result<Self, SetupError> {
        let client = Client::new(settings.ca.as_deref(), ANSWER_WITHIN)?;
        let back = format!("{origin}/auth/oidc/{}/callback", settings.name.as_str());
        Ok(Self { settings, back, client, known: Mutex::default(), turns: Semaphore::new(EXCHANGES_MAX) })
    }

    /// One that is asked for new keys as often as a token names one that is not known.
    #[cfg(test)]
    pub(crate) fn unbounded(mut self) -> Self {
        self.known.get_mut().keys_every = Duration::ZERO;
        self
    }

    /// The settings.
    pub fn settings(&self) -> &Oidc {
        &self.settings
    }

    /// Where to send a browser with a question.
    pub async fn address(&self, question: &Question, language: &str) -> Result<String, ProviderError> {
        let metadata = self.metadata().await?;
        Ok(ask::address(&self.settings, &self.back, &metadata.authorization_endpoint, question, language))
    }

    /// Whether an answer that came through the browser names the provider that was asked (RFC 9207).
    pub async fn is_its_answer(&self, issuer: Option<&str>) -> Result<bool, ProviderError> {
        let metadata = self.metadata().await?;
        Ok(match issuer {
            Some(issuer) => issuer == self.settings.issuer,
            None => !metadata.names_itself,
        })
    }

    /// Exchanges the code that came through the browser for what it stands for, and checks that.
    pub async fn answer(&self, code: &str, question: &Question) -> Result<Told, ProviderError> {
        let turn = tokio::time::timeout(TURN_WITHIN, self.turns.acquire()).await;
        let Ok(Ok(_turn)) = turn else { return Err(ProviderError::Busy) };
        let metadata = self.metadata().await?;
        let (body, authorization) = ask::exchange(&self.settings, &self.back, &metadata, code, question);
        let page = self.client.post(&metadata.token_endpoint, body, authorization.as_deref().map(String::as_str)).await;
        let tokens = match page {
            Ok(page) => ask::Tokens::read(&page).ok_or(ProviderError::Away(AskError::Form))?,
            // The provider's own no: the code is old or another's, or this program is not known there.
            Err(AskError::Status(status @ (400 | 401 | 403))) => return Err(ProviderError::Refused(status)),
            Err(error) => return Err(ProviderError::Away(error)),
        };
        let asked = Asked {
            issuer: &self.settings.issuer,
            client: &self.settings.client_id,
            nonce: &question.nonce,
            levels: &self.settings.levels,
            max_age_s: self.settings.max_age_s,
        };
        let mut told = self.with_keys(|keys| check(&tokens.id_token, keys, &asked, clock::now())).await?;
        if !self.settings.claims.name_somebody(&told.claims)
            && let (Some(userinfo), Some(access)) = (&metadata.userinfo_endpoint, &tokens.access_token)
        {
            self.add_userinfo(&mut told, userinfo, access).await?;
        }
        Ok(told)
    }

    /// Checks a token by which the provider tells of a logout.
    pub async fn logout(&self, token: &str) -> Result<Logout, ProviderError> {
        let (issuer, client) = (&self.settings.issuer, &self.settings.client_id);
        self.with_keys(|keys| check_logout(token, keys, issuer, client, clock::now())).await
    }

    /// Adds what the provider tells only when it is asked with the access token (Core 1.0, section 5.3). It tells of the
    /// same person or of nobody, and changes nothing that was signed.
    async fn add_userinfo(&self, told: &mut Told, userinfo: &str, access: &str) -> Result<(), ProviderError> {
        let bearer = Zeroizing::new(format!("Bearer {access}"));
        let page = self.client.get(userinfo, Some(&bearer)).await.map_err(ProviderError::Away)?;
        let more = page.object().ok_or(ProviderError::Away(AskError::Form))?;
        if more.get("sub").and_then(serde_json::Value::as_str) != Some(told.subject.as_str()) {
            return Err(TokenError::Subject.into());
        }
        for name in self.settings.claims.all() {
            if let Some(value) = more.get(name) {
                told.claims.entry(name).or_insert_with(|| value.clone());
            }
        }
        Ok(())
    }

    /// Checks something by the provider's keys; by new ones if it names a key that is not known.
    async fn with_keys<T>(&self, checks: impl Fn(&KeySet) -> Result<T, TokenError>) -> Result<T, ProviderError> {
        let keys = self.keys(None).await?;
        match checks(&keys) {
            Err(TokenError::Key) => {
                let newer = self.keys(Some(&keys)).await?;
                Ok(checks(&newer)?)
            }
            other => Ok(other?),
        }
    }

    async fn metadata(&self) -> Result<Arc<Metadata>, ProviderError> {
        self.known.lock().await.metadata(&self.settings.issuer, &self.client).await
    }

    /// The provider's keys; others than `but`, if it has others and was not asked a moment ago.
    async fn keys(&self, but: Option<&Arc<KeySet>>) -> Result<Arc<KeySet>, ProviderError> {
        self.known.lock().await.keys(&self.settings.issuer, &self.client, but).await
    }
}
