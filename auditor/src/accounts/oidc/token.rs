//! ID tokens: OpenID Connect Core 1.0, section 3.1.3.7, and essential claims, 5.5.1.1.

use super::{ALGORITHMS, KeySet, TokenError};
use contract::Micros;
use jsonwebtoken::{Validation, decode, decode_header};
use serde_json::{Map, Value};
use subtle::ConstantTimeEq as _;

/// How far the provider's clock may be from this one, in seconds.
pub(super) const LEEWAY_S: i64 = 30;
/// An ID token that was made longer ago has been kept by somebody, in seconds.
const FRESH_S: i64 = 600;
/// Longest token, in bytes.
const TOKEN_BYTES_MAX: usize = 32 << 10;
/// Longest subject or session of a provider, in bytes (Core 1.0, section 2).
const NAME_BYTES_MAX: usize = 255;

/// What was asked for.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The provider.
    pub issuer: &'a str,
    /// This program's name with it.
    pub client: &'a str,
    /// What only this question has.
    pub nonce: &'a str,
    /// How strong the login has to be: one of these, letter by letter.
    pub levels: &'a [String],
    /// How long ago the login may have been, in seconds.
    pub max_age_s: Option<u32>,
}

/// What a token says that holds.
#[derive(Clone)]
pub struct Told {
    /// Who, by the provider's own name.
    pub subject: String,
    /// The provider's session, if it has a name.
    pub session: Option<String>,
    /// How strong the login was.
    pub level: String,
    /// All that it says.
    pub claims: Map<String, Value>,
}

impl std::fmt::Debug for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Told(hidden)")
    }
}

/// Checks an ID token against what was asked for.
pub fn check(token: &str, keys: &KeySet, asked: &Asked<'_>, now: Micros) -> Result<Told, TokenError> {
    let claims = signed(token, keys, &["jwt"])?;
    for_us(&claims, asked.issuer, asked.client)?;
    let now = now.div_euclid(1_000_000);
    let made = number(&claims, "iat").ok_or(TokenError::Time)?;
    let until = number(&claims, "exp").ok_or(TokenError::Time)?;
    let not_before = number(&claims, "nbf").unwrap_or(made);
    if until.saturating_add(LEEWAY_S) <= now || !recent(made, now, FRESH_S) || not_before > now + LEEWAY_S {
        return Err(TokenError::Time);
    }
    if !bool::from(text(&claims, "nonce").unwrap_or_default().as_bytes().ct_eq(asked.nonce.as_bytes())) {
        return Err(TokenError::Nonce);
    }
    let level = text(&claims, "acr").filter(|level| asked.levels.iter().any(|wanted| wanted == level));
    let level = level.ok_or(TokenError::Level)?.to_owned();
    if let Some(most) = asked.max_age_s {
        let shown = number(&claims, "auth_time").ok_or(TokenError::Age)?;
        if !recent(shown, now, i64::from(most)) {
            return Err(TokenError::Age);
        }
    }
    let subject = name(&claims, "sub")?.ok_or(TokenError::Subject)?;
    Ok(Told { subject, session: name(&claims, "sid")?, level, claims })
}

/// What a signed token says, if its signature holds. `kinds` are the types that it may call itself, in lower case; it
/// need not call itself anything.
pub(super) fn signed(token: &str, keys: &KeySet, kinds: &[&str]) -> Result<Map<String, Value>, TokenError> {
    if token.len() > TOKEN_BYTES_MAX || token.bytes().filter(|byte| *byte == b'.').count() != 2 {
        return Err(TokenError::Form);
    }
    // An algorithm that the library does not know, `none` above all, is no header to it.
    let header = decode_header(token).map_err(|_| TokenError::Algorithm)?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err(TokenError::Algorithm);
    }
    let kind = header.typ.as_deref().map(str::to_ascii_lowercase);
    if kind.is_some_and(|kind| !kinds.contains(&kind.trim_start_matches("application/"))) || header.crit.is_some() {
        return Err(TokenError::Form);
    }
    let key = keys.find(header.kid.as_deref(), header.alg).ok_or(TokenError::Key)?;
    // Signature only: the rest is checked here, by a time that is an argument.
    let mut validation = Validation::new(header.alg);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    decode::<Map<String, Value>>(token, key, &validation).map(|data| data.claims).map_err(|error| match error.kind() {
        jsonwebtoken::errors::ErrorKind::Json(_) | jsonwebtoken::errors::ErrorKind::Utf8(_) => TokenError::Form,
        _ => TokenError::Signature,
    })
}

/// Whether this issuer made it for this client, and for no other that it was not given by.
pub(super) fn for_us(claims: &Map<String, Value>, issuer: &str, client: &str) -> Result<(), TokenError> {
    if text(claims, "iss") != Some(issuer) {
        return Err(TokenError::Issuer);
    }
    let several = match claims.get("aud") {
        Some(Value::String(one)) if one == client => false,
        Some(Value::Array(all)) if all.iter().any(|one| one == client) => all.len() > 1,
        _ => return Err(TokenError::Audience),
    };
    match claims.get("azp") {
        None if several => Err(TokenError::Party),
        Some(party) if party != client => Err(TokenError::Party),
        _ => Ok(()),
    }
}

/// Whether something was at most so long ago, and not to come.
pub(super) fn recent(at: i64, now: i64, most: i64) -> bool {
    at <= now.saturating_add(LEEWAY_S) && at.saturating_add(most).saturating_add(LEEWAY_S) >= now
}

pub(super) fn text<'c>(claims: &'c Map<String, Value>, key: &str) -> Option<&'c str> {
    claims.get(key)?.as_str()
}

/// A time in seconds; some providers give fractions.
pub(super) fn number(claims: &Map<String, Value>, key: &str) -> Option<i64> {
    let value = claims.get(key)?;
    value.as_i64().or_else(|| value.as_f64().map(|seconds| seconds as i64))
}

/// A name of the provider's; one that is there has to be one.
pub(super) fn name(claims: &Map<String, Value>, key: &str) -> Result<Option<String>, TokenError> {
    match claims.get(key) {
        None => Ok(None),
        Some(Value::String(name)) if !name.is_empty() && name.len() <= NAME_BYTES_MAX => Ok(Some(name.clone())),
        Some(_) => Err(TokenError::Subject),
    }
}
