//! Login at an identity provider: the way there, back, and the choice of those who may act in several ways.
//!
//! - What a login began with (state, nonce, PKCE) goes along in a sealed cookie, which no other device can use, for ten
//!   minutes, and leads back once. It is `SameSite=Lax`: a stricter one would not come back with the browser.
//! - Whoever comes back has the account of the HSA-id that the provider says, or none: no account is made here. A session
//!   is always a new one, and ends the one that the browser had.
//! - Every answer that does not let somebody in is recorded with its reason; whoever was refused is told what to do.

mod back;
mod choose;
mod enter;
mod logout;
mod metrics;
mod sealed;
mod start;
#[cfg(test)]
mod tests;
mod trouble;

pub(super) use back::come_back;
pub(super) use choose::choose;
pub(super) use logout::router as logout_router;
pub use metrics::OidcMetrics;
pub(super) use start::start;
pub(super) use trouble::Trouble;

use super::App;
use super::form::FormKey;
use super::language::Language;
use crate::config::ProviderName;
use crate::provider::Provider;
use crate::sealing::RestKey;
use crate::store::Reference;
use std::sync::Arc;

/// The providers of the login page, and what their logins are sealed with.
pub(super) struct Oidc {
    providers: Vec<Arc<Provider>>,
    seal: RestKey,
    metrics: Option<OidcMetrics>,
}

impl std::fmt::Debug for Oidc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.providers.iter().map(|provider| provider.settings().name.as_str())).finish()
    }
}

impl Oidc {
    pub(super) fn new(form: &FormKey, providers: Vec<Arc<Provider>>, metrics: Option<OidcMetrics>) -> Self {
        let mut key = zeroize::Zeroizing::new([0; 32]);
        key.copy_from_slice(form.sign(b"logins at identity providers, sealed v1").as_ref());
        Self { providers, seal: RestKey::new(&key), metrics }
    }

    /// The provider of a name.
    fn named(&self, name: &str) -> Option<&Arc<Provider>> {
        self.providers.iter().find(|provider| provider.settings().name.as_str() == name)
    }

    fn count(&self, name: &ProviderName, result: &'static str) {
        if let Some(metrics) = &self.metrics {
            metrics.answer(name, result);
        }
    }

    /// The buttons of the login page.
    pub(super) fn buttons(&self, language: Language) -> Vec<Button> {
        let button = |provider: &Arc<Provider>| {
            let settings = provider.settings();
            let label = match language {
                Language::Swedish => &settings.label.sv,
                Language::English => &settings.label.en,
            };
            Button { name: settings.name.as_str().to_owned(), label: label.clone() }
        };
        self.providers.iter().map(button).collect()
    }
}

/// A provider's button.
#[derive(Debug)]
pub(super) struct Button {
    /// Its name, as it stands in addresses.
    pub(super) name: String,
    pub(super) label: String,
}

impl App {
    /// A keyed hash of what a provider says, for what it is.
    fn reference(&self, what: &str, issuer: &str, said: &str) -> Reference {
        let text = [b"identity provider\0", what.as_bytes(), b"\0", issuer.as_bytes(), b"\0", said.as_bytes()].concat();
        let mut reference = [0; 32];
        reference.copy_from_slice(self.form.sign(&text).as_ref());
        reference
    }
}
