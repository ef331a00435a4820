//! Logout tokens: OpenID Connect Back-Channel Logout 1.0, sections 2.4 and 2.6.

use super::token::{LEEWAY_S, for_us, name, number, recent, signed};
use super::{KeySet, TokenError};
use contract::Micros;

/// The event that such a token tells of.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// How long after it was made a logout token is taken, in seconds.
const FRESH_S: i64 = 300;

/// What a logout token says that holds.
#[derive(Clone, PartialEq, Eq)]
pub struct Logout {
    /// Whose sessions end. None: only [`Self::session`].
    pub subject: Option<String>,
    /// Which of the provider's sessions ends. None: all of the subject's.
    pub session: Option<String>,
    /// The token's own name, which is good once.
    pub id: String,
    /// No token with this name is taken after this.
    pub until: Micros,
}

impl std::fmt::Debug for Logout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Logout(hidden)")
    }
}

/// Checks a logout token.
pub fn check_logout(token: &str, keys: &KeySet, issuer: &str, client: &str, now: Micros) -> Result<Logout, TokenError> {
    let claims = signed(token, keys, &["jwt", "logout+jwt"])?;
    for_us(&claims, issuer, client)?;
    let now = now.div_euclid(1_000_000);
    let made = number(&claims, "iat").ok_or(TokenError::Time)?;
    let over =
        claims.contains_key("exp") && number(&claims, "exp").is_none_or(|until| until.saturating_add(LEEWAY_S) <= now);
    if over || !recent(made, now, FRESH_S) {
        return Err(TokenError::Time);
    }
    let told = claims.get("events").and_then(|events| events.get(EVENT)).is_some_and(serde_json::Value::is_object);
    // With a nonce it could be an ID token that somebody has kept.
    if !told || claims.contains_key("nonce") {
        return Err(TokenError::Event);
    }
    let (subject, session) = (name(&claims, "sub")?, name(&claims, "sid")?);
    if subject.is_none() && session.is_none() {
        return Err(TokenError::Subject);
    }
    let id = name(&claims, "jti")?.ok_or(TokenError::Form)?;
    let until = made.saturating_add(FRESH_S + 2 * LEEWAY_S).saturating_mul(1_000_000);
    Ok(Logout { subject, session, id, until })
}
