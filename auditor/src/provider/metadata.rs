//! What a provider says of itself, and its keys: fetched when needed, kept, and fetched again at a bounded rate.

use super::http::Client;
use super::{AskError, ProviderError};
use crate::accounts::oidc::{KeySet, safe_url};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// What is known of a provider is asked for again after this.
const KEEP: Duration = Duration::from_hours(1);
/// After an answer that was of no use it is not asked again for so long.
const REST: Duration = Duration::from_secs(5);
/// Keys are asked for at most once in this, whatever tokens name.
const KEYS_EVERY: Duration = Duration::from_secs(20);

/// Where a provider is asked what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Metadata {
    pub(super) authorization_endpoint: String,
    pub(super) token_endpoint: String,
    pub(super) userinfo_endpoint: Option<String>,
    jwks_uri: String,
    /// Whether its answers through the browser always name it (RFC 9207).
    pub(super) names_itself: bool,
    /// Whether it takes a client's secret in the form only.
    pub(super) secret_in_form: bool,
}

impl Metadata {
    /// Reads the document of Discovery 1.0, section 3, or RFC 8414.
    pub(super) fn read(document: &Value, issuer: &str) -> Result<Self, ProviderError> {
        if document.get("issuer").and_then(Value::as_str) != Some(issuer) {
            return Err(ProviderError::Itself("another issuer"));
        }
        let url = |key: &str| document.get(key).and_then(Value::as_str).filter(|url| safe_url(url).is_some());
        let needed =
            |key| url(key).map(str::to_owned).ok_or(ProviderError::Itself("an address is missing or not safe"));
        let lists = |key: &str, word: &str| {
            let all = document.get(key).and_then(Value::as_array);
            all.map(|all| all.iter().any(|one| one == word))
        };
        if lists("code_challenge_methods_supported", "S256") == Some(false) {
            return Err(ProviderError::Itself("it knows no PKCE with S256"));
        }
        let methods = "token_endpoint_auth_methods_supported";
        Ok(Self {
            authorization_endpoint: needed("authorization_endpoint")?,
            token_endpoint: needed("token_endpoint")?,
            userinfo_endpoint: url("userinfo_endpoint").map(str::to_owned),
            jwks_uri: needed("jwks_uri")?,
            names_itself: document.get("authorization_response_iss_parameter_supported") == Some(&Value::Bool(true)),
            secret_in_form: lists(methods, "client_secret_basic") == Some(false)
                && lists(methods, "client_secret_post") == Some(true),
        })
    }
}

/// What is known of a provider.
#[derive(Debug)]
pub(super) struct Known {
    /// Keys are asked for at most once in this.
    pub(super) keys_every: Duration,
    metadata: Option<(Arc<Metadata>, Instant)>,
    keys: Option<Arc<KeySet>>,
    /// When the keys were last asked for.
    keys_asked: Option<Instant>,
    /// Until when nothing is asked.
    rests: Option<Instant>,
}

impl Default for Known {
    fn default() -> Self {
        Self { keys_every: KEYS_EVERY, metadata: None, keys: None, keys_asked: None, rests: None }
    }
}

impl Known {
    pub(super) async fn metadata(&mut self, issuer: &str, client: &Client) -> Result<Arc<Metadata>, ProviderError> {
        let now = Instant::now();
        if let Some((metadata, at)) = &self.metadata
            && now.duration_since(*at) < KEEP
        {
            return Ok(Arc::clone(metadata));
        }
        let fetched = self.ask(now, fetch_metadata(issuer, client)).await;
        let error = match fetched {
            Ok(metadata) => {
                let metadata = Arc::new(metadata);
                self.metadata = Some((Arc::clone(&metadata), now));
                return Ok(metadata);
            }
            Err(error) => error,
        };
        // What it said an hour ago is better than nothing, while it does not say otherwise.
        match (&error, &self.metadata) {
            (ProviderError::Away(_) | ProviderError::Resting, Some((metadata, _))) => Ok(Arc::clone(metadata)),
            _ => Err(error),
        }
    }

    pub(super) async fn keys(
        &mut self,
        issuer: &str,
        client: &Client,
        but: Option<&Arc<KeySet>>,
    ) -> Result<Arc<KeySet>, ProviderError> {
        let now = Instant::now();
        if let Some(keys) = &self.keys {
            let wanted = but.is_none_or(|but| !Arc::ptr_eq(but, keys));
            let asked = self.keys_asked.is_some_and(|at| now.duration_since(at) < self.keys_every);
            let old = self.keys_asked.is_none_or(|at| now.duration_since(at) >= KEEP);
            if asked || wanted && !old {
                return Ok(Arc::clone(keys));
            }
        }
        let metadata = self.metadata(issuer, client).await?;
        let fetched = self.ask(now, fetch_keys(&metadata.jwks_uri, client)).await;
        self.keys_asked = Some(now);
        match fetched {
            Ok(keys) => {
                let keys = Arc::new(keys);
                self.keys = Some(Arc::clone(&keys));
                Ok(keys)
            }
            Err(error) => self.keys.clone().ok_or(error),
        }
    }

    /// Asks, unless the last answer was of no use a moment ago.
    async fn ask<T>(
        &mut self,
        now: Instant,
        asking: impl Future<Output = Result<T, ProviderError>>,
    ) -> Result<T, ProviderError> {
        if self.rests.is_some_and(|until| now < until) {
            return Err(ProviderError::Resting);
        }
        let asked = asking.await;
        self.rests = asked.is_err().then(|| Instant::now() + REST);
        asked
    }
}

async fn fetch_metadata(issuer: &str, client: &Client) -> Result<Metadata, ProviderError> {
    let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    let page = client.get(&url, None).await.map_err(ProviderError::Away)?;
    let document = page.object().ok_or(ProviderError::Away(AskError::Form))?;
    Metadata::read(&Value::Object(document), issuer)
}

async fn fetch_keys(url: &str, client: &Client) -> Result<KeySet, ProviderError> {
    let page = client.get(url, None).await.map_err(ProviderError::Away)?;
    let keys = KeySet::parse(page.bytes()).map_err(|_| ProviderError::Away(AskError::Form))?;
    if keys.is_empty() { Err(ProviderError::Itself("it has no key that can be used")) } else { Ok(keys) }
}
