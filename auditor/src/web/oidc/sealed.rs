//! What goes through the browser while somebody logs in elsewhere: sealed, for ten minutes, on the device that it began on.

use super::Oidc;
use crate::clock::SECOND;
use crate::provider::Question;
use crate::random;
use crate::store::{AtProvider, TOLD_KEPT};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contract::Micros;
use contract::directory::Commission;
use contract::id::{CertFingerprint, HsaId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// The cookie of a login that is under way elsewhere. The gateway gives it to this application only.
pub(super) const OIDC_COOKIE: &str = "__Host-grindvakt-oidc";
/// How long somebody may take elsewhere, and then for a choice.
const LIFE_S: i64 = 600;
const _: () = assert!(2 * LIFE_S * SECOND < TOLD_KEPT, "a logout is remembered for as long as a login may take");

/// What a login began with.
#[derive(Serialize, Deserialize)]
pub(super) struct Begun {
    pub(super) provider: String,
    pub(super) question: Question,
    pub(super) language: String,
    pub(super) until: Micros,
}

impl Begun {
    /// When it began.
    pub(super) fn began(&self) -> Micros {
        self.until.saturating_sub(LIFE_S * SECOND)
    }
}

/// What somebody may choose from.
#[derive(Serialize, Deserialize)]
pub(super) struct Choice {
    pub(super) provider: String,
    pub(super) ids: Vec<HsaId>,
    pub(super) commissions: Vec<Commission>,
    pub(super) acr: String,
    session: Option<String>,
    subject: String,
    begun: Micros,
    /// What no other choice has.
    pub(super) id: String,
    pub(super) until: Micros,
}

impl Choice {
    pub(super) fn new(
        provider: &str,
        (ids, commissions): (Vec<HsaId>, Vec<Commission>),
        acr: String,
        at: AtProvider,
        now: Micros,
    ) -> Self {
        Self {
            provider: provider.to_owned(),
            ids,
            commissions,
            acr,
            session: at.session.map(hex::encode),
            subject: hex::encode(at.subject),
            begun: at.begun,
            id: random::token().to_string(),
            until: end(now),
        }
    }

    /// What the session will be to the provider.
    pub(super) fn at(&self) -> Option<AtProvider> {
        let reference = |text: &str| {
            let mut bytes = [0; 32];
            hex::decode_to_slice(text, &mut bytes).ok().map(|()| bytes)
        };
        let session = match &self.session {
            Some(session) => Some(reference(session)?),
            None => None,
        };
        Some(AtProvider { session, subject: reference(&self.subject)?, begun: self.begun })
    }
}

/// When what begins now is over.
pub(super) fn end(now: Micros) -> Micros {
    now.saturating_add(LIFE_S * SECOND)
}

/// What `Set-Cookie` says to keep a value for as long as a login may take.
pub(super) fn set(value: &str) -> String {
    format!("{OIDC_COOKIE}={value}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={LIFE_S}")
}

/// What `Set-Cookie` says to forget it.
pub(super) fn forget() -> String {
    format!("{OIDC_COOKIE}=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0")
}

impl Oidc {
    /// Seals a login that begins on a device.
    pub(super) fn seal_begun(&self, begun: &Begun, device: CertFingerprint) -> Option<String> {
        self.seal(&owner(b"begun", device, ""), begun)
    }

    /// Opens what began on this device and is not over.
    pub(super) fn open_begun(&self, sealed: &str, device: CertFingerprint, now: Micros) -> Option<Begun> {
        self.open::<Begun>(&owner(b"begun", device, ""), sealed).filter(|begun| begun.until > now)
    }

    /// Seals a choice that is shown on a device to the browser with a cookie.
    pub(super) fn seal_choice(&self, choice: &Choice, device: CertFingerprint, cookie: &str) -> Option<String> {
        self.seal(&owner(b"choice", device, cookie), choice)
    }

    /// Opens a choice that was shown on this device to this browser and is not over.
    pub(super) fn open_choice(
        &self,
        sealed: &str,
        device: CertFingerprint,
        cookie: &str,
        now: Micros,
    ) -> Option<Choice> {
        if cookie.is_empty() {
            return None;
        }
        self.open::<Choice>(&owner(b"choice", device, cookie), sealed).filter(|choice| choice.until > now)
    }

    fn seal(&self, owner: &[u8], value: &impl Serialize) -> Option<String> {
        let plain = Zeroizing::new(serde_json::to_vec(value).ok()?);
        let sealed = self.seal.seal(owner, &plain, &random::secret()).ok()?;
        Some(URL_SAFE_NO_PAD.encode(sealed))
    }

    fn open<T: DeserializeOwned>(&self, owner: &[u8], sealed: &str) -> Option<T> {
        let sealed = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        serde_json::from_slice(&self.seal.open(owner, &sealed).ok()?).ok()
    }
}

fn owner(what: &[u8], device: CertFingerprint, cookie: &str) -> Vec<u8> {
    [b"login elsewhere\0".as_slice(), what, b"\0", &device.0, cookie.as_bytes()].concat()
}
