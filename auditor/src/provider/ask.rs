//! What a provider is asked: the address that a browser is sent to, and the form that exchanges a code.

use super::http::Page;
use super::metadata::Metadata;
use crate::clock;
use crate::config::{ClientProof, Oidc};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Header, encode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// What only one question has: kept by the browser that asks, sealed.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub struct Question {
    /// Comes back with the answer.
    pub state: String,
    /// Comes back in the token.
    pub nonce: String,
    /// Proves that whoever brings the code has asked (PKCE, RFC 7636).
    pub verifier: String,
}

impl std::fmt::Debug for Question {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Question(hidden)")
    }
}

/// What came for a code.
#[derive(Deserialize, Zeroize, ZeroizeOnDrop)]
pub(super) struct Tokens {
    pub(super) id_token: String,
    pub(super) access_token: Option<String>,
}

impl Tokens {
    pub(super) fn read(page: &Page) -> Option<Self> {
        serde_json::from_slice(page.bytes()).ok()
    }
}

/// As in a query or a form: RFC 3986's unreserved characters stay.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// How long what this program signs for a provider is good, in seconds.
const SIGNED_FOR_S: i64 = 60;

/// Where a browser is sent with a question.
pub(super) fn address(settings: &Oidc, back: &str, endpoint: &str, question: &Question, language: &str) -> String {
    let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, question.verifier.as_bytes()));
    let claims = wanted(settings).to_string();
    let mut parameters = vec![
        ("response_type", "code"),
        ("client_id", settings.client_id.as_str()),
        ("redirect_uri", back),
        ("state", question.state.as_str()),
        ("nonce", question.nonce.as_str()),
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
        ("claims", claims.as_str()),
        ("ui_locales", language),
    ];
    let scope = scope(settings);
    parameters.push(("scope", scope.as_str()));
    let age = settings.max_age_s.map(|seconds| seconds.to_string());
    if let Some(age) = &age {
        parameters.push(("max_age", age.as_str()));
    }
    let mark = if endpoint.contains('?') { '&' } else { '?' };
    format!("{endpoint}{mark}{}", *form(&parameters))
}

/// The `claims` parameter (Core 1.0, section 5.5): a login as strong as is wanted is essential, what names the person is
/// asked for. The level is asked for nowhere else: with `acr_values` beside it nobody says what follows (section 5.5.1.1).
fn wanted(settings: &Oidc) -> Value {
    let level = match settings.levels.as_slice() {
        [one] => json!({ "essential": true, "value": one }),
        several => json!({ "essential": true, "values": several }),
    };
    let mut claims: Map<String, Value> =
        settings.claims.all().into_iter().map(|name| (name.to_owned(), Value::Null)).collect();
    claims.insert("acr".to_owned(), level);
    json!({ "id_token": claims })
}

fn scope(settings: &Oidc) -> String {
    let mut scopes: Vec<&str> = settings.scopes.iter().map(String::as_str).collect();
    if !scopes.contains(&"openid") {
        scopes.insert(0, "openid");
    }
    scopes.join(" ")
}

/// The form that exchanges a code, and what stands in `Authorization`.
pub(super) fn exchange(
    settings: &Oidc,
    back: &str,
    metadata: &Metadata,
    code: &str,
    question: &Question,
) -> (Zeroizing<String>, Option<Zeroizing<String>>) {
    let mut parameters = vec![
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", back),
        ("code_verifier", question.verifier.as_str()),
        ("client_id", settings.client_id.as_str()),
    ];
    match &settings.proof {
        ClientProof::Secret(secret) if metadata.secret_in_form => {
            parameters.push(("client_secret", secret.as_str()));
            (form(&parameters), None)
        }
        // RFC 6749, section 2.3.1: both are escaped before they are joined.
        ClientProof::Secret(secret) => {
            let (client, secret) = (escape(&settings.client_id), Zeroizing::new(escape(secret)));
            let both = Zeroizing::new(format!("{client}:{}", *secret));
            let both = Zeroizing::new(STANDARD.encode(both.as_bytes()));
            (form(&parameters), Some(Zeroizing::new(format!("Basic {}", *both))))
        }
        ClientProof::Key { .. } => {
            let assertion = Zeroizing::new(assertion(settings, metadata).unwrap_or_default());
            parameters.push(("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"));
            parameters.push(("client_assertion", assertion.as_str()));
            (form(&parameters), None)
        }
    }
}

/// What proves by a key who asks (Core 1.0, section 9, `private_key_jwt`). None: it cannot sign, which the settings' reader
/// has tried.
fn assertion(settings: &Oidc, metadata: &Metadata) -> Option<String> {
    let ClientProof::Key { key, algorithm, id } = &settings.proof else { return None };
    let mut header = Header::new(*algorithm);
    header.kid.clone_from(id);
    let now = clock::now().div_euclid(clock::SECOND);
    let claims = json!({
        "iss": settings.client_id, "sub": settings.client_id,
        // Providers differ in which of the two they want, and both are the provider.
        "aud": [&settings.issuer, &metadata.token_endpoint],
        "jti": uuid::Uuid::new_v4().to_string(), "iat": now, "exp": now + SIGNED_FOR_S,
    });
    encode(&header, &claims, key).ok()
}

fn form(parameters: &[(&str, &str)]) -> Zeroizing<String> {
    let parts = parameters.iter().map(|(name, value)| Zeroizing::new(format!("{name}={}", escape(value))));
    let mut form = Zeroizing::new(String::new());
    for part in parts {
        if !form.is_empty() {
            form.push('&');
        }
        form.push_str(&part);
    }
    form
}

fn escape(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}
