use super::*;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contract::id::{CertFingerprint, DeviceId, HsaId};
use jsonwebtoken::{EncodingKey, Header, encode};

struct Gateway {
    der: Vec<u8>,
    jwks: String,
}

fn gateway(id: &str) -> Gateway {
    let der = Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new()).expect("makes").as_ref().to_vec();
    let pair = Ed25519KeyPair::from_pkcs8(&der).expect("reads");
    let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
    let jwks = serde_json::json!({ "keys": [
        { "kty": "OKP", "crv": "Ed25519", "kid": id, "use": "sig", "alg": "EdDSA", "x": x },
        { "kty": "oct", "kid": "symmetric", "k": "c2VjcmV0" },
    ] });
    Gateway { der, jwks: jwks.to_string() }
}

fn assertion() -> Assertion {
    let now = jsonwebtoken::get_current_timestamp();
    Assertion {
        iss: "gw1".to_owned(),
        sub: "device:x".to_owned(),
        aud: "auditor".to_owned(),
        iat: now,
        exp: now + 60,
        account: None,
        session: None,
        device: DeviceId::NONE,
        device_cert: CertFingerprint([1; 32]),
        device_org: HsaId::parse("SE2321000016-39KJ").expect("valid"),
        user_hsa: None,
        name: None,
        care_unit: None,
        right: None,
        amr: None,
    }
}

fn headers(gateway: &Gateway, id: &str, assertion: &Assertion) -> HeaderMap {
    let mut header = Header::new(Algorithm::EdDSA);
    header.kid = Some(id.to_owned());
    let token = encode(&header, assertion, &EncodingKey::from_ed_der(&gateway.der)).expect("signs");
    HeaderMap::from_iter([(ASSERTION_HEADER.parse().expect("a name"), token.parse().expect("a value"))])
}

fn verifier(dir: &Path, jwks: &str) -> Verifier {
    let file = dir.join("jwks.json");
    std::fs::write(&file, jwks).expect("writes");
    let verifier =
        Verifier::new(vec![file, dir.join("not-there.json")], &RegistryName::parse("auditor").expect("valid"));
    let problems = verifier.reload();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(verifier.reload().is_empty(), "nothing has changed");
    assert_eq!(verifier.keys(), 1, "symmetric keys are no keys");
    verifier
}

#[test]
fn only_a_fresh_assertion_for_this_application_by_a_known_key() {
    let dir = tempfile::tempdir().expect("a directory");
    let gateway_key = gateway("k1");
    let verifier = verifier(dir.path(), &gateway_key.jwks);
    assert_eq!(verifier.verify(&headers(&gateway_key, "k1", &assertion())).expect("valid"), assertion());

    let refused =
        |assertion: &Assertion| verifier.verify(&headers(&gateway_key, "k1", assertion)).expect_err("refused");
    assert!(matches!(refused(&Assertion { aud: "journal".to_owned(), ..assertion() }), AssertionError::Invalid(_)));
    let old = assertion().iat - 120;
    assert!(matches!(refused(&Assertion { iat: old, exp: old + 60, ..assertion() }), AssertionError::Invalid(_)));
    let long = assertion().iat + 3600;
    assert!(matches!(refused(&Assertion { exp: long, ..assertion() }), AssertionError::Life));

    let stranger = gateway("k1");
    assert!(matches!(verifier.verify(&headers(&stranger, "k1", &assertion())), Err(AssertionError::Invalid(_))));
    assert!(matches!(verifier.verify(&headers(&gateway_key, "k2", &assertion())), Err(AssertionError::Key)));
    assert!(matches!(verifier.verify(&HeaderMap::new()), Err(AssertionError::Absent)));
    let mut twice = headers(&gateway_key, "k1", &assertion());
    let again = twice.get(ASSERTION_HEADER).expect("there").clone();
    twice.append(ASSERTION_HEADER, again);
    assert!(matches!(verifier.verify(&twice), Err(AssertionError::Absent)));
}

#[test]
fn no_other_algorithm_and_no_signature_at_all() {
    let dir = tempfile::tempdir().expect("a directory");
    let key = gateway("k1");
    let verifier = verifier(dir.path(), &key.jwks);
    let claims = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&assertion()).expect("writes"));
    let none = format!("{}.{claims}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none","kid":"k1"}"#));
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some("k1".to_owned());
    let hmac = encode(&header, &assertion(), &EncodingKey::from_secret(key.jwks.as_bytes())).expect("signs");
    for token in [none, hmac, String::new(), "a.b.c".to_owned()] {
        let headers =
            HeaderMap::from_iter([(ASSERTION_HEADER.parse().expect("a name"), token.parse().expect("a value"))]);
        assert!(verifier.verify(&headers).is_err(), "{token}");
    }
}

#[test]
fn a_new_key_counts_once_its_file_has_changed() {
    let dir = tempfile::tempdir().expect("a directory");
    let (old, new) = (gateway("k1"), gateway("k2-with-a-longer-name"));
    let verifier = verifier(dir.path(), &old.jwks);
    std::fs::write(dir.path().join("jwks.json"), &new.jwks).expect("writes");
    assert_eq!(verifier.reload().len(), 1, "the file that is not there");
    assert!(verifier.verify(&headers(&new, "k2-with-a-longer-name", &assertion())).is_ok());
    assert!(verifier.verify(&headers(&old, "k1", &assertion())).is_err());
}
