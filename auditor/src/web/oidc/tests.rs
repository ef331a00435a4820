mod choice;
mod idp;
mod logouts;
mod servers;

use super::sealed::OIDC_COOKIE;
use crate::accounts::oidc::soft::{CLIENT, HSA, LEVEL, Signer, written};
use crate::accounts::passkey::soft::ORIGIN;
use crate::accounts::{Account, State, UserName};
use crate::clock;
use crate::provider::Provider;
use crate::web::passkey::tests::bed::{Answer, Bed, Browser};
use axum::http::{StatusCode, header};
use contract::directory::Session;
use contract::id::{AccountId, HsaId, SessionKey};
use contract::record::{AuthEventKind, AuthMethod, Reason};
use contract::way_back::{RETURN_COOKIE, WayBack};
use idp::Idp;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::Arc;

const UNIT: &str = "SE2321000016-1003";
const OTHER_UNIT: &str = "SE2321000016-1004";
const OTHER_HSA: &str = "SE2321000016-39KK";
const CARE_PROVIDER: &str = "SE2321000016-1001";

type Claims = Map<String, Value>;
type Sent = HashMap<String, String>;
type Change = Box<dyn FnOnce(&mut Claims)>;
type Forge<'f> = Box<dyn FnOnce(Claims) -> String + 'f>;

/// The application with one provider, and the provider.
async fn start() -> (Bed, Idp) {
    let idp = Idp::start().await;
    let provider = Provider::new(idp.settings("test"), ORIGIN).expect("sets up");
    (Bed::new().await.with_providers(vec![Arc::new(provider)]), idp)
}

/// An account with an HSA-id.
async fn person(bed: &Bed, name: &str, hsa: &str, state: State) -> Account {
    let account = Account {
        id: AccountId::new(crate::random::uuid(clock::now())),
        user_name: UserName::parse(name).expect("valid"),
        hsa: Some(HsaId::parse(hsa).expect("valid")),
        name: name.to_owned(),
        title: String::new(),
        state,
        tries: crate::accounts::Tries::default(),
        last_login: None,
        created: 0,
    };
    let mut change = bed.change().await;
    change.create_account(&account).await.expect("creates");
    change.commit().await.expect("commits");
    account
}

const ACTIVE: State = State::Active { since: 1 };

fn cookies(answer: &Answer) -> Vec<&str> {
    answer.headers.get_all(header::SET_COOKIE).iter().map(|cookie| cookie.to_str().expect("text")).collect()
}

/// A cookie's value that an answer sets.
fn cookie<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    let set = cookies(answer).into_iter().find_map(|cookie| cookie.strip_prefix(name)?.strip_prefix('='));
    set.and_then(|cookie| cookie.split(';').next()).filter(|value| !value.is_empty())
}

fn location(answer: &Answer) -> &str {
    answer.headers[header::LOCATION].to_str().expect("text")
}

fn escaped(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

fn parameters(address: &str) -> Sent {
    let query = address.split_once('?').expect("a query").1;
    let decoded = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8().expect("text").into_owned();
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect()
}

/// Follows the button: the browser with its cookie, and what the provider gets.
async fn begin(bed: &Bed, browser: &Browser) -> (Browser, Sent) {
    let sent = bed.get(browser, "/auth/oidc/test?lang=en").await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.body);
    let kept = cookie(&sent, OIDC_COOKIE).expect("a cookie").to_owned();
    let away = Browser { cookie: format!("{OIDC_COOKIE}={kept}"), ..browser.clone() };
    (away, parameters(location(&sent)))
}

/// Comes back with what the provider said.
async fn come(bed: &Bed, browser: &Browser, said: &[(&str, &str)]) -> Answer {
    let query: Vec<_> = said.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
    bed.get(browser, &format!("/auth/oidc/test/callback?{}", query.join("&"))).await
}

/// Logs in with a token.
async fn with_token(bed: &Bed, idp: &Idp, browser: &Browser, token: impl FnOnce(Claims, &Sent) -> String) -> Answer {
    let (browser, sent) = begin(bed, browser).await;
    let code = idp.code(&sent, token(idp.claims(&sent), &sent));
    come(bed, &browser, &[("state", &sent["state"]), ("code", &code), ("iss", &idp.issuer)]).await
}

/// Logs in with claims that are changed and well signed.
async fn with_claims(bed: &Bed, idp: &Idp, change: impl FnOnce(&mut Claims)) -> Answer {
    with_token(bed, idp, &Browser::default(), |mut claims, _| {
        change(&mut claims);
        idp.signer.sign(&claims.into())
    })
    .await
}

fn set(key: &'static str, value: impl Into<Value>) -> impl FnOnce(&mut Claims) {
    let value = value.into();
    move |claims| {
        claims.insert(key.to_owned(), value);
    }
}

fn without(key: &'static str) -> impl FnOnce(&mut Claims) {
    move |claims| {
        claims.remove(key);
    }
}

fn commissioned(claims: &mut Claims) {
    let said = json!({
        "commissionHsaId": OTHER_UNIT, "commissionName": "Vård och behandling", "healthCareUnitHsaId": UNIT,
        "healthCareProviderHsaId": CARE_PROVIDER,
    });
    claims.extend(said.as_object().expect("claims").clone());
}

async fn session(bed: &Bed, answer: &Answer) -> Session {
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    let token = cookie(answer, "__Host-grindvakt").expect("a session");
    let key = SessionKey::of_token(token.as_bytes());
    bed.store.live_session(key, clock::now()).await.expect("reads").expect("is live")
}

#[tokio::test]
async fn a_login_elsewhere_makes_a_new_session_in_the_commission_and_leads_back() {
    let (bed, idp) = start().await;
    let anna = person(&bed, "anna", HSA, ACTIVE).await;
    let page = bed.get(&Browser::default(), "/auth/login").await;
    assert!(page.body.contains("href=\"/auth/oidc/test?lang=en\">SITHS card</a>"), "{}", page.body);
    assert_eq!(idp.asked("/.well-known/openid-configuration"), 0, "nobody wants to log in there yet");

    // In a browser that another has used.
    let (_, browser) = bed.user_without_code("bertil").await;
    let before = browser.session.clone().expect("a session").key;
    let (mut browser, sent) = begin(&bed, &browser).await;
    let begun = bed.get(&browser, "/auth/oidc/test").await;
    let kept = cookies(&begun);
    for part in ["; Path=/", "; Secure", "; HttpOnly", "; SameSite=Lax", "; Max-Age=600"] {
        assert!(kept.len() == 1 && kept[0].contains(part), "{kept:?}");
    }
    assert!(!kept[0].contains(&sent["state"]) && !kept[0].contains(&sent["nonce"]));
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", CLIENT),
        ("redirect_uri", &format!("{ORIGIN}/auth/oidc/test/callback")),
        ("code_challenge_method", "S256"),
        ("scope", "openid commission"),
        ("ui_locales", "en"),
        ("tenant", "1"),
    ] {
        assert_eq!(sent.get(name).map(String::as_str), Some(value), "{name}");
    }
    let claims: Value = serde_json::from_str(&sent["claims"]).expect("JSON");
    assert_eq!(claims["id_token"]["acr"], json!({ "essential": true, "value": LEVEL }));
    assert_eq!(claims["id_token"]["employeeHsaId"], Value::Null);

    let mut said = idp.claims(&sent);
    commissioned(&mut said);
    let code = idp.code(&sent, idp.signer.sign(&said.into()));
    let back = WayBack::parse("/patients?q=1").expect("a path").to_cookie();
    browser.cookie = format!("{}; {RETURN_COOKIE}={back}", browser.cookie);
    let inside = come(&bed, &browser, &[("state", &sent["state"]), ("code", &code), ("iss", &idp.issuer)]).await;
    assert_eq!(location(&inside), "/patients?q=1");
    let forgotten = cookies(&inside);
    assert!(
        forgotten.iter().any(|c| c.starts_with(&format!("{OIDC_COOKIE}=;")) && c.contains("Max-Age=0")),
        "{forgotten:?}"
    );
    let session = session(&bed, &inside).await;
    assert_eq!((session.account, session.auth_method, session.acr.as_str()), (anna.id, AuthMethod::Oidc, LEVEL));
    assert_ne!(session.key, before);
    let commission = &session.commission;
    assert_eq!(commission.care_unit.as_ref().map(ToString::to_string).as_deref(), Some(UNIT));
    assert_eq!(commission.care_provider.as_ref().map(ToString::to_string).as_deref(), Some(CARE_PROVIDER));
    assert!(bed.store.live_session(before, clock::now()).await.expect("reads").is_none(), "the old one has ended");
    let known = bed.store.account(anna.id).await.expect("reads").expect("is there");
    assert!(known.last_login.is_some(), "it is a use of the account");
    let events = bed.events().await;
    let login = events.iter().rfind(|event| event.kind == AuthEventKind::Login).expect("an event");
    assert_eq!((login.account, login.auth_method), (anna.id, AuthMethod::Oidc));
    assert_eq!(&*login.detail, format!("app oidc=test commission={OTHER_UNIT} unit={UNIT}"));
    assert_eq!((idp.asked("/.well-known/openid-configuration"), idp.asked("/keys")), (1, 1), "they are kept");
}

#[tokio::test]
async fn without_a_commission_there_it_is_the_accounts_own() {
    let (bed, idp) = start().await;
    let anna = person(&bed, "anna", HSA, ACTIVE).await;
    let own = contract::directory::Commission {
        care_unit: Some(HsaId::parse(OTHER_UNIT).expect("valid")),
        care_provider: Some(HsaId::parse(CARE_PROVIDER).expect("valid")),
        ..contract::directory::Commission::default()
    };
    let mut change = bed.change().await;
    change.set_commission(anna.id, Some(&own)).await.expect("sets");
    change.commit().await.expect("commits");
    let inside = with_claims(&bed, &idp, |_| {}).await;
    assert_eq!(session(&bed, &inside).await.commission, own);
}

/// What is to have been recorded of refusals.
type Recorded = Vec<(Reason, String)>;

/// Holds an answer against what the user is told, and notes what is to be recorded.
fn refused(told: &mut Recorded, answer: &Answer, words: &str, reason: Reason, detail: &str) {
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{detail}: {}", answer.body);
    assert!(answer.body.contains(words) && answer.body.contains("010-000 00 00"), "{detail}: {}", answer.body);
    assert!(cookie(answer, "__Host-grindvakt").is_none(), "{detail}");
    told.push((reason, format!("app oidc=test {detail}").trim_end().to_owned()));
}

const UNBELIEVED: &str = "could not be trusted";
const WEAK: &str = "not strong enough";
const STALE: &str = "Begin again from here";
const NAMELESS: &str = "gave no HSA-id for you";
const NO_USE: &str = "no account can be used with it";

#[tokio::test]
async fn every_token_that_does_not_hold_is_refused_and_recorded() {
    let (bed, idp) = start().await;
    person(&bed, "anna", HSA, ACTIVE).await;
    let mut told = Recorded::new();
    let now = clock::now() / clock::SECOND;
    let wrong: Vec<(Change, &str, Reason, &str)> = vec![
        (Box::new(set("acr", "http://id.sambi.se/loa/loa2")), WEAK, Reason::WeakLogin, "level"),
        (Box::new(without("acr")), WEAK, Reason::WeakLogin, "level"),
        (Box::new(set("nonce", "another")), UNBELIEVED, Reason::ProviderAnswer, "nonce"),
        (Box::new(without("nonce")), UNBELIEVED, Reason::ProviderAnswer, "nonce"),
        (Box::new(set("aud", "another")), UNBELIEVED, Reason::ProviderAnswer, "audience"),
        (Box::new(set("azp", "another")), UNBELIEVED, Reason::ProviderAnswer, "party"),
        (Box::new(set("iss", "https://evil.example")), UNBELIEVED, Reason::ProviderAnswer, "issuer"),
        (Box::new(set("exp", now - 60)), UNBELIEVED, Reason::ProviderAnswer, "time"),
        (Box::new(set("iat", now + 600)), UNBELIEVED, Reason::ProviderAnswer, "time"),
        (Box::new(set("employeeHsaId", "191212121212")), NAMELESS, Reason::ProviderAnswer, "claims"),
        (Box::new(set("commissionHsaId", UNIT)), NAMELESS, Reason::ProviderAnswer, "commission"),
        (Box::new(set("employeeHsaId", OTHER_HSA)), NO_USE, Reason::NoAccount, "no_account"),
    ];
    for (change, words, reason, detail) in wrong {
        let answer = with_claims(&bed, &idp, change).await;
        refused(&mut told, &answer, words, reason, detail);
    }
    // The provider tells of nobody by HSA-id, when asked again neither.
    idp.inner.lock().userinfo = Some(json!({ "sub": "anna-at-the-provider", "name": "Anna" }));
    let answer = with_claims(&bed, &idp, without("employeeHsaId")).await;
    refused(&mut told, &answer, NAMELESS, Reason::ProviderAnswer, "no_hsa");

    let stranger = Signer::new("k1");
    let secret = idp.signer.public().to_vec();
    let forged: Vec<(Forge<'_>, &str)> = vec![
        (Box::new(|claims| stranger.sign(&claims.into())), "signature"),
        (Box::new(|claims| written(&json!({ "alg": "none", "typ": "JWT" }), &claims.into(), b"")), "algorithm"),
        (
            Box::new(|claims| {
                let mut header = Header::new(Algorithm::HS256);
                header.kid = Some("k1".to_owned());
                encode(&header, &claims, &EncodingKey::from_secret(&secret)).expect("signs")
            }),
            "algorithm",
        ),
        (Box::new(|_| "no token".to_owned()), "form"),
    ];
    for (forge, detail) in forged {
        let answer = with_token(&bed, &idp, &Browser::default(), |claims, _| forge(claims)).await;
        refused(&mut told, &answer, UNBELIEVED, Reason::ProviderAnswer, detail);
    }
    assert_eq!(bed.refusals().await, told);
    let events = bed.events().await;
    assert!(events.iter().all(|event| event.kind != AuthEventKind::Login));
    let failed = events.iter().filter(|event| event.kind == AuthEventKind::LoginFailed);
    assert!(failed.into_iter().all(|event| event.auth_method == AuthMethod::Oidc && event.account.is_none()));
}

#[tokio::test]
async fn an_account_has_to_be_one_and_in_use() {
    let (bed, idp) = start().await;
    let anna = person(&bed, "anna", HSA, ACTIVE).await;
    let mut told = Recorded::new();
    for (state, reason) in [
        (State::Locked { since: 1, until: None, unused: false, held: 1 }, Reason::Locked),
        (State::Dormant { since: 1 }, Reason::AccountInactive),
        (State::Blocked { since: 1 }, Reason::AccountInactive),
        (State::HandedOut { at: 1 }, Reason::AccountInactive),
        (State::Created { at: 1 }, Reason::AccountInactive),
    ] {
        bed.set_state(&anna, state).await;
        let answer = with_claims(&bed, &idp, |_| {}).await;
        refused(&mut told, &answer, NO_USE, reason, "");
        assert_eq!(bed.store.account(anna.id).await.expect("reads").map(|account| account.state), Some(state));
    }
    bed.set_state(&anna, State::Deregistered { at: 1 }).await;
    let answer = with_claims(&bed, &idp, |_| {}).await;
    refused(&mut told, &answer, NO_USE, Reason::NoAccount, "no_account");
    for name in ["anna2", "anna3"] {
        person(&bed, name, HSA, ACTIVE).await;
    }
    let answer = with_claims(&bed, &idp, |_| {}).await;
    refused(&mut told, &answer, NO_USE, Reason::NoAccount, "several_accounts");
    let accounts = bed.store.accounts(10).await.expect("reads");
    assert_eq!(accounts.len(), 3, "none was made");
    assert_eq!(bed.refusals().await, told);
}

#[tokio::test]
async fn an_answer_leads_back_once_where_it_was_asked_for() {
    let (bed, idp) = start().await;
    person(&bed, "anna", HSA, ACTIVE).await;
    let mut told = Recorded::new();
    let (browser, sent) = begin(&bed, &Browser::default()).await;
    let good = |sent: &Sent| idp.code(sent, idp.signer.sign(&idp.claims(sent).into()));
    let code = good(&sent);
    let said = [("state", sent["state"].as_str()), ("code", code.as_str()), ("iss", idp.issuer.as_str())];

    let elsewhere = Browser { elsewhere: true, ..browser.clone() };
    refused(&mut told, &come(&bed, &elsewhere, &said).await, STALE, Reason::ProviderAnswer, "state");
    refused(&mut told, &come(&bed, &Browser::default(), &said).await, STALE, Reason::ProviderAnswer, "state");
    let (other, another) = begin(&bed, &Browser::default()).await;
    refused(&mut told, &come(&bed, &other, &said).await, STALE, Reason::ProviderAnswer, "state");
    let mixed = [("state", another["state"].as_str()), ("code", code.as_str()), ("iss", idp.issuer.as_str())];
    refused(&mut told, &come(&bed, &browser, &mixed).await, STALE, Reason::ProviderAnswer, "state");
    refused(&mut told, &come(&bed, &browser, &said[1..]).await, STALE, Reason::ProviderAnswer, "state");
    assert_eq!(idp.asked("/token"), 0, "nothing was asked of the provider");

    assert_eq!(come(&bed, &browser, &said).await.status, StatusCode::SEE_OTHER);
    refused(&mut told, &come(&bed, &browser, &said).await, STALE, Reason::ProviderAnswer, "replayed");
    let code = good(&sent);
    let again = [("state", sent["state"].as_str()), ("code", code.as_str()), ("iss", idp.issuer.as_str())];
    refused(&mut told, &come(&bed, &browser, &again).await, STALE, Reason::ProviderAnswer, "replayed");
    assert_eq!(idp.asked("/token"), 1);

    // The code of another's login, brought into one's own (PKCE, nonce), and one that the provider does not know.
    for code in [good(&another).as_str(), "unknown"] {
        let (mine, sent) = begin(&bed, &Browser::default()).await;
        let said = [("state", sent["state"].as_str()), ("code", code), ("iss", idp.issuer.as_str())];
        refused(&mut told, &come(&bed, &mine, &said).await, UNBELIEVED, Reason::ProviderAnswer, "code");
    }
    // Another provider's answer (RFC 9207), and one that does not say whose it is.
    for issuer in [Some("https://evil.example"), None] {
        let (browser, sent) = begin(&bed, &Browser::default()).await;
        let code = good(&sent);
        let mut said = vec![("state", sent["state"].as_str()), ("code", code.as_str())];
        said.extend(issuer.map(|issuer| ("iss", issuer)));
        refused(&mut told, &come(&bed, &browser, &said).await, UNBELIEVED, Reason::ProviderAnswer, "issuer");
    }
    for (error, words, reason, detail) in [
        ("access_denied", "You cancelled the login", Reason::ProviderAnswer, "denied"),
        ("unmet_authentication_requirements", WEAK, Reason::WeakLogin, "unmet"),
        ("invalid_scope<script>", UNBELIEVED, Reason::ProviderAnswer, "refused"),
    ] {
        let (browser, sent) = begin(&bed, &Browser::default()).await;
        let said = [("state", sent["state"].as_str()), ("error", error), ("iss", &idp.issuer)];
        refused(&mut told, &come(&bed, &browser, &said).await, words, reason, detail);
    }
    let (browser, sent) = begin(&bed, &Browser::default()).await;
    let said = [("state", sent["state"].as_str()), ("iss", idp.issuer.as_str())];
    refused(&mut told, &come(&bed, &browser, &said).await, STALE, Reason::ProviderAnswer, "no_code");
    for path in ["/auth/oidc/nobody", "/auth/oidc/nobody/callback?state=x", "/auth/oidc/test/else"] {
        assert_eq!(bed.get(&Browser::default(), path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(bed.refusals().await, told);
}
