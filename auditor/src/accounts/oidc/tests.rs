use super::soft::{CLIENT, HSA, ISSUER, LEVEL, NONCE, Signer, good, written};
use super::*;
use contract::Micros;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

const NOW_S: i64 = 1_790_000_000;
const NOW: Micros = NOW_S * 1_000_000;

static SIGNER: LazyLock<Signer> = LazyLock::new(|| Signer::new("k1"));
static LEVELS: LazyLock<Vec<String>> = LazyLock::new(|| vec![LEVEL.to_owned(), "other".to_owned()]);

fn asked() -> Asked<'static> {
    Asked { issuer: ISSUER, client: CLIENT, nonce: NONCE, levels: &LEVELS, max_age_s: None }
}

fn checked(claims: &Value) -> Result<Told, TokenError> {
    check(&SIGNER.sign(claims), &SIGNER.keys(), &asked(), NOW)
}

fn with(change: impl FnOnce(&mut Map<String, Value>)) -> Value {
    let mut claims = good(NOW_S);
    change(claims.as_object_mut().expect("claims"));
    claims
}

fn without(key: &str) -> Value {
    with(|claims| {
        claims.remove(key);
    })
}

fn set(key: &str, value: impl Into<Value>) -> Value {
    with(|claims| {
        claims.insert(key.to_owned(), value.into());
    })
}

#[test]
fn a_good_token_tells_who_and_how() {
    let told = checked(&good(NOW_S)).expect("holds");
    assert_eq!((told.subject.as_str(), told.session.as_deref()), ("anna-at-the-provider", Some("session-1")));
    assert_eq!(told.level, LEVEL);
    assert_eq!(claimed(&told.claims, &ClaimNames::default()).expect("somebody").ids.len(), 1);
    assert_eq!(format!("{told:?}"), "Told(hidden)");
    for also in [
        set("aud", json!([CLIENT])),
        with(|claims| {
            claims.insert("aud".to_owned(), json!([CLIENT, "another"]));
            claims.insert("azp".to_owned(), CLIENT.into());
        }),
        set("exp", 1_790_000_000.5),
        set("acr", "other"),
        without("sid"),
    ] {
        assert!(checked(&also).is_ok(), "{also}");
    }
}

#[test]
fn every_wrong_claim_is_refused_for_its_reason() {
    for (claims, error) in [
        (set("iss", "https://idp.example/"), TokenError::Issuer),
        (without("iss"), TokenError::Issuer),
        (set("aud", "another"), TokenError::Audience),
        (set("aud", json!(["another"])), TokenError::Audience),
        (set("aud", json!({ "a": CLIENT })), TokenError::Audience),
        (without("aud"), TokenError::Audience),
        (set("aud", json!([CLIENT, "another"])), TokenError::Party),
        (set("azp", "another"), TokenError::Party),
        (set("azp", Value::Null), TokenError::Party),
        (set("exp", NOW_S - 31), TokenError::Time),
        (without("exp"), TokenError::Time),
        (set("exp", "tomorrow"), TokenError::Time),
        (set("iat", NOW_S + 31), TokenError::Time),
        (set("iat", NOW_S - 631), TokenError::Time),
        (without("iat"), TokenError::Time),
        (set("nbf", NOW_S + 31), TokenError::Time),
        (set("nonce", "another"), TokenError::Nonce),
        (set("nonce", json!([NONCE])), TokenError::Nonce),
        (without("nonce"), TokenError::Nonce),
        (set("acr", "http://id.sambi.se/loa/loa2"), TokenError::Level),
        (set("acr", "http://id.sambi.se/loa/loa3 "), TokenError::Level),
        (set("acr", "HTTP://id.sambi.se/loa/loa3"), TokenError::Level),
        (set("acr", json!([LEVEL])), TokenError::Level),
        (without("acr"), TokenError::Level),
        (without("sub"), TokenError::Subject),
        (set("sub", ""), TokenError::Subject),
        (set("sub", "x".repeat(256)), TokenError::Subject),
        (set("sid", 7), TokenError::Subject),
    ] {
        assert_eq!(checked(&claims).err(), Some(error), "{claims}");
    }
}

#[test]
fn the_login_may_not_be_too_long_ago_if_that_was_asked() {
    let age = |claims: &Value| {
        let asked = Asked { max_age_s: Some(60), ..asked() };
        check(&SIGNER.sign(claims), &SIGNER.keys(), &asked, NOW).err()
    };
    assert_eq!(age(&good(NOW_S)), None);
    assert_eq!(age(&set("auth_time", NOW_S - 91)), Some(TokenError::Age));
    assert_eq!(age(&set("auth_time", NOW_S + 31)), Some(TokenError::Age));
    assert_eq!(age(&without("auth_time")), Some(TokenError::Age));
}

#[test]
fn a_signature_is_of_a_key_of_the_provider_or_nothing() {
    let keys = SIGNER.keys();
    let judged = |token: &str| check(token, &keys, &asked(), NOW).err();
    let claims = good(NOW_S);
    let token = SIGNER.sign(&claims);
    assert_eq!(judged(&token), None);

    // Another's key, under the name of the provider's and under its own.
    let other = Signer::new("k1");
    assert_eq!(judged(&other.sign(&claims)), Some(TokenError::Signature));
    assert_eq!(judged(&Signer::new("k2").sign(&claims)), Some(TokenError::Key));
    // No algorithm, in every spelling, with and without a signature.
    for none in ["none", "None", "NONE", "nOnE", ""] {
        let header = json!({ "alg": none, "typ": "JWT", "kid": "k1" });
        for signature in [&b""[..], b"x"] {
            assert_eq!(judged(&written(&header, &claims, signature)), Some(TokenError::Algorithm), "{none}");
        }
    }
    assert_eq!(judged(&written(&json!({ "kid": "k1" }), &claims, b"")), Some(TokenError::Algorithm));
    // The public key as a shared secret.
    for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
        let mut header = Header::new(algorithm);
        header.kid = Some("k1".to_owned());
        let jwk = SIGNER.jwk().to_string();
        for secret in [SIGNER.public(), jwk.as_bytes()] {
            let forged = encode(&header, &claims, &EncodingKey::from_secret(secret)).expect("signs");
            assert_eq!(judged(&forged), Some(TokenError::Algorithm));
        }
    }
    // A key of the right kind for another algorithm.
    let header = json!({ "alg": "ES384", "kid": "k1" });
    assert_eq!(judged(&written(&header, &claims, &[1; 96])), Some(TokenError::Key));
    let header = json!({ "alg": "RS256", "kid": "k1" });
    assert_eq!(judged(&written(&header, &claims, &[1; 256])), Some(TokenError::Key));
    // A key that the token brings along.
    let brought = Signer::new("k9");
    let header = json!({ "alg": "ES256", "typ": "JWT", "jwk": brought.jwk() });
    assert_eq!(judged(&written(&header, &claims, &[1; 64])), Some(TokenError::Signature), "{header}");

    // What was signed, changed.
    let parts: Vec<&str> = token.split('.').collect();
    let changed = written(&json!({}), &set("sub", "another"), b"");
    let changed = changed.split('.').nth(1).expect("claims");
    assert_eq!(judged(&format!("{}.{changed}.{}", parts[0], parts[2])), Some(TokenError::Signature));
    assert_eq!(judged(&format!("{}.{}.", parts[0], parts[1])), Some(TokenError::Signature));
    for (form, error) in [
        ("", TokenError::Form),
        ("a.b", TokenError::Form),
        (&format!("{token}.x"), TokenError::Form),
        (&"x".repeat(40_000), TokenError::Form),
        ("a.b.c", TokenError::Algorithm),
    ] {
        assert_eq!(judged(form), Some(error));
    }
    // Another kind of token, and one that has to be understood otherwise.
    let logout = SIGNER.sign_as(&claims, |header| header.typ = Some("logout+jwt".to_owned()));
    assert_eq!(judged(&logout), Some(TokenError::Form));
    let critical = SIGNER.sign_as(&claims, |header| header.crit = Some(vec!["exp".to_owned()]));
    assert_eq!(judged(&critical), Some(TokenError::Form));
    assert_eq!(judged(&SIGNER.sign_as(&claims, |header| header.typ = None)), None);
}

#[test]
fn keys_that_are_of_no_use_are_passed_over() {
    let mut encryption = SIGNER.jwk();
    encryption["use"] = "enc".into();
    let shared = json!({ "kty": "oct", "kid": "k1", "k": "c2VjcmV0" });
    let strange = json!({ "kty": "PQ", "kid": "k1", "alg": "ML-DSA-65" });
    let set = json!({ "keys": [encryption, shared, strange, {}, 7] });
    assert!(KeySet::parse(set.to_string().as_bytes()).expect("a set").is_empty());
    let (one, two) = (Signer::new("k1"), Signer::new("k2"));
    let both = json!({ "keys": [one.jwk(), { "kty": "oct", "k": "AA" }, two.jwk()] });
    let both = KeySet::parse(both.to_string().as_bytes()).expect("a set");
    let claims = good(NOW_S);
    let unnamed = |signer: &Signer| signer.sign_as(&claims, |header| header.kid = None);
    assert_eq!(check(&unnamed(&two), &both, &asked(), NOW).err(), Some(TokenError::Key), "which of them");
    assert!(check(&two.sign(&claims), &both, &asked(), NOW).is_ok());
    assert!(check(&unnamed(&one), &one.keys(), &asked(), NOW).is_ok(), "there is only one");
    for bad in ["", "{}", "[]", "{\"keys\":7}"] {
        assert!(KeySet::parse(bad.as_bytes()).is_err(), "{bad}");
    }
}

fn logout() -> Value {
    json!({
        "iss": ISSUER, "aud": CLIENT, "iat": NOW_S, "exp": NOW_S + 120, "jti": "one", "sid": "session-1",
        "sub": "anna-at-the-provider", "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
    })
}

fn told(claims: &Value) -> Result<Logout, TokenError> {
    check_logout(&SIGNER.sign(claims), &SIGNER.keys(), ISSUER, CLIENT, NOW)
}

#[test]
fn a_logout_token_is_one_and_nothing_else() {
    let good = told(&logout()).expect("holds");
    assert_eq!((good.session.as_deref(), good.id.as_str()), (Some("session-1"), "one"));
    assert!(good.until > NOW + 300_000_000, "its name is kept for longer than it is taken");
    let typed = SIGNER.sign_as(&logout(), |header| header.typ = Some("logout+jwt".to_owned()));
    assert!(check_logout(&typed, &SIGNER.keys(), ISSUER, CLIENT, NOW).is_ok());
    for one in ["sid", "sub", "exp"] {
        let mut claims = logout();
        claims.as_object_mut().expect("claims").remove(one);
        assert!(told(&claims).is_ok(), "{one} may be left out");
    }
    let changed = |key: &str, value: Value| {
        let mut claims = logout();
        claims[key] = value;
        claims
    };
    for (claims, error) in [
        (changed("iss", "https://evil.example".into()), TokenError::Issuer),
        (changed("aud", "another".into()), TokenError::Audience),
        (changed("iat", (NOW_S - 331).into()), TokenError::Time),
        (changed("iat", (NOW_S + 31).into()), TokenError::Time),
        (changed("exp", (NOW_S - 31).into()), TokenError::Time),
        (changed("exp", "x".into()), TokenError::Time),
        (changed("nonce", NONCE.into()), TokenError::Event),
        (changed("events", json!({})), TokenError::Event),
        (changed("events", json!({ "http://schemas.openid.net/event/backchannel-logout": true })), TokenError::Event),
        (changed("jti", Value::Null), TokenError::Subject),
        (
            json!({ "iss": ISSUER, "aud": CLIENT, "iat": NOW_S, "jti": "x", "events": logout()["events"] }),
            TokenError::Subject,
        ),
    ] {
        assert_eq!(told(&claims).err(), Some(error), "{claims}");
    }
    let mut nameless = logout();
    nameless.as_object_mut().expect("claims").remove("jti");
    assert_eq!(told(&nameless).err(), Some(TokenError::Form));
    assert_eq!(told(&soft::good(NOW_S)).err(), Some(TokenError::Event), "an ID token ends nothing");
    let other = Signer::new("k1").sign(&logout());
    assert_eq!(check_logout(&other, &SIGNER.keys(), ISSUER, CLIENT, NOW).err(), Some(TokenError::Signature));
}

const UNIT: &str = "SE2321000016-1003";
const OTHER: &str = "SE2321000016-1004";
const PROVIDER: &str = "SE2321000016-1001";

fn read(claims: &Value) -> Result<Claimed, ClaimFault> {
    claimed(claims.as_object().expect("claims"), &ClaimNames::default())
}

#[test]
fn one_is_said_as_a_text_and_several_as_a_list() {
    let one = read(&json!({
        "employeeHsaId": HSA.to_lowercase(), "allEmployeeHsaIds": [HSA, OTHER], "commissionHsaId": OTHER,
        "commissionName": "Vård", "healthCareUnitHsaId": UNIT, "healthCareProviderHsaId": [PROVIDER],
    }))
    .expect("somebody");
    assert_eq!(one.ids.iter().map(ToString::to_string).collect::<Vec<_>>(), [HSA], "the one that was chosen there");
    let commission = &one.commissions[0];
    assert_eq!(
        (commission.name.as_str(), commission.care_unit.as_ref().map(ToString::to_string)),
        ("Vård", Some(UNIT.to_owned()))
    );

    let several = read(&json!({
        "allEmployeeHsaIds": [HSA, OTHER, HSA], "commissionHsaId": [UNIT, OTHER], "commissionName": ["A", "B"],
        "healthCareUnitHsaId": [UNIT, OTHER], "healthCareProviderHsaId": [PROVIDER, PROVIDER],
    }))
    .expect("somebody");
    assert_eq!((several.ids.len(), several.commissions.len()), (2, 2));
    assert_eq!(several.commissions[1].name, "B");
    let employed = read(&json!({ "employeeHsaId": HSA, "healthCareUnitHsaId": UNIT })).expect("somebody");
    assert!(employed.commissions.is_empty());
}

#[test]
fn what_cannot_be_read_names_nobody() {
    for (claims, fault) in [
        (json!({}), ClaimFault::NoHsa),
        (json!({ "employeeHsaId": null, "allEmployeeHsaIds": [] }), ClaimFault::NoHsa),
        (json!({ "employeeHsaId": "" }), ClaimFault::Form),
        (json!({ "employeeHsaId": "191212121212" }), ClaimFault::Form),
        (json!({ "employeeHsaId": "SE2321000017-39KJ" }), ClaimFault::Form),
        (json!({ "employeeHsaId": { "value": HSA } }), ClaimFault::Form),
        (json!({ "employeeHsaId": vec![HSA; 21] }), ClaimFault::Form),
        (json!({ "employeeHsaId": HSA, "commissionHsaId": UNIT }), ClaimFault::Commission),
        (
            json!({ "employeeHsaId": HSA, "commissionHsaId": [UNIT, OTHER], "healthCareUnitHsaId": UNIT, "healthCareProviderHsaId": PROVIDER }),
            ClaimFault::Commission,
        ),
        (
            json!({ "employeeHsaId": HSA, "commissionHsaId": UNIT, "commissionName": ["A", "B"], "healthCareUnitHsaId": UNIT, "healthCareProviderHsaId": PROVIDER }),
            ClaimFault::Commission,
        ),
        (
            json!({ "employeeHsaId": HSA, "commissionHsaId": UNIT, "commissionName": "x".repeat(301), "healthCareUnitHsaId": UNIT, "healthCareProviderHsaId": PROVIDER }),
            ClaimFault::Form,
        ),
    ] {
        assert_eq!(read(&claims).err(), Some(fault), "{claims}");
    }
}

proptest! {
    #[test]
    fn no_text_is_believed_and_none_panics(token in ".{0,200}", parts in proptest::collection::vec("[A-Za-z0-9_-]{0,60}", 3)) {
        prop_assert!(check(&token, &SIGNER.keys(), &asked(), NOW).is_err());
        prop_assert!(check(&parts.join("."), &SIGNER.keys(), &asked(), NOW).is_err());
        prop_assert!(check_logout(&parts.join("."), &SIGNER.keys(), ISSUER, CLIENT, NOW).is_err());
    }
}
