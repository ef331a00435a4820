use super::ask::{address, exchange};
use super::*;
use crate::accounts::oidc::ClaimNames;
use crate::accounts::oidc::soft::Signer;
use crate::config::{ClientProof, Label};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde_json::{Value, json};
use std::collections::HashMap;

const BACK: &str = "https://registry.example/auth/oidc/inera/callback";

fn settings(proof: ClientProof) -> Oidc {
    Oidc {
        name: "inera".parse().expect("a name"),
        label: Label { sv: "Inera".to_owned(), en: "Inera".to_owned() },
        issuer: "https://idp.example/oidc".to_owned(),
        client_id: "https://registry.example".to_owned(),
        proof,
        scopes: vec!["openid".to_owned(), "commission".to_owned()],
        levels: vec!["loa3".to_owned(), "loa4".to_owned()],
        max_age_s: Some(60),
        claims: ClaimNames::default(),
        ca: None,
    }
}

fn secret() -> ClientProof {
    ClientProof::Secret(Zeroizing::new("a:b&c=d é".to_owned()))
}

fn question() -> Question {
    let text = |text: &str| text.to_owned();
    Question { state: text("s&"), nonce: text("n"), verifier: text("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") }
}

fn metadata(more: &Value) -> Metadata {
    let mut document = json!({
        "issuer": "https://idp.example/oidc", "authorization_endpoint": "https://idp.example/a",
        "token_endpoint": "https://idp.example/t", "jwks_uri": "https://idp.example/k",
    });
    document.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    Metadata::read(&document, "https://idp.example/oidc").expect("reads")
}

fn fields(form: &str) -> HashMap<String, String> {
    let decoded = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8().expect("text").into_owned();
    form.split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect()
}

#[test]
fn a_browser_is_sent_with_all_that_is_asked_and_nothing_secret() {
    let address = address(&settings(secret()), BACK, "https://idp.example/a", &question(), "sv");
    let sent = fields(address.strip_prefix("https://idp.example/a?").expect("the endpoint"));
    // RFC 7636, appendix B.
    assert_eq!(sent["code_challenge"], "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    assert_eq!((sent["state"].as_str(), sent["redirect_uri"].as_str()), ("s&", BACK));
    assert_eq!((sent["scope"].as_str(), sent["max_age"].as_str()), ("openid commission", "60"));
    let claims: Value = serde_json::from_str(&sent["claims"]).expect("JSON");
    assert_eq!(claims["id_token"]["acr"], json!({ "essential": true, "values": ["loa3", "loa4"] }));
    assert!(!address.contains(&question().verifier) && !address.contains("a%3Ab"));
}

#[test]
fn a_secret_goes_as_the_provider_takes_it() {
    let settings = settings(secret());
    let (form, head) = exchange(&settings, BACK, &metadata(&json!({})), "c+d", &question());
    assert_eq!(fields(&form)["code"], "c+d");
    assert!(!fields(&form).contains_key("client_secret"));
    let joined = STANDARD.encode("https%3A%2F%2Fregistry.example:a%3Ab%26c%3Dd%20%C3%A9");
    assert_eq!(head.as_deref().map(String::as_str), Some(format!("Basic {joined}").as_str()));
    let only = metadata(&json!({ "token_endpoint_auth_methods_supported": ["client_secret_post"] }));
    let (form, head) = exchange(&settings, BACK, &only, "c", &question());
    assert_eq!((fields(&form)["client_secret"].as_str(), head.is_none()), ("a:b&c=d é", true));
    assert!(!format!("{settings:?}").contains("a:b"), "it is not shown");
}

#[test]
fn a_key_signs_who_asks() {
    let signer = Signer::new("x");
    let proof = ClientProof::Key { key: signer.key(), algorithm: Algorithm::ES256, id: Some("2026".to_owned()) };
    let (form, head) = exchange(&settings(proof), BACK, &metadata(&json!({})), "c", &question());
    let fields = fields(&form);
    assert!(head.is_none() && fields["client_assertion_type"].ends_with(":jwt-bearer"));
    let jwk = serde_json::from_value(signer.jwk()).expect("a key");
    let mut validation = Validation::new(Algorithm::ES256);
    validation.set_audience(&["https://idp.example/t"]);
    let key = DecodingKey::from_jwk(&jwk).expect("a key");
    let token = decode::<Value>(&fields["client_assertion"], &key, &validation).expect("holds");
    assert_eq!(token.header.kid.as_deref(), Some("2026"));
    assert_eq!(token.claims["sub"], "https://registry.example");
    assert_eq!(token.claims["iss"], token.claims["sub"]);
    assert!(token.claims["exp"].as_i64() <= token.claims["iat"].as_i64().map(|at| at + 60));
    assert!(token.claims["jti"].as_str().is_some_and(|id| id.len() == 36));
}
