//! Providers that do not answer, or answer something else.

use super::*;

#[tokio::test]
async fn a_provider_that_does_not_answer_holds_up_nobody() {
    let (bed, idp) = start().await;
    person(&bed, "anna", HSA, ACTIVE).await;
    // A redirect is no answer.
    idp.inner.lock().fault = Some(StatusCode::FOUND);
    for _ in 0..3 {
        let page = bed.get(&Browser::default(), "/auth/oidc/test?lang=en").await;
        assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(page.body.contains("or log in another way") && page.body.contains("id=\"password\""), "{}", page.body);
    }
    assert_eq!(idp.asked("/.well-known/openid-configuration"), 1, "it is not asked again at once");
    assert_eq!(bed.get(&Browser::default(), "/auth/login").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_provider_says_of_itself_what_the_settings_say() {
    for (key, value) in [
        ("issuer", "https://evil.example".into()),
        ("token_endpoint", "http://idp.example/token".into()),
        ("authorization_endpoint", Value::Null),
        ("jwks_uri", "file:///etc/passwd".into()),
        ("code_challenge_methods_supported", json!(["plain"])),
    ] {
        let (bed, idp) = start().await;
        idp.inner.lock().metadata[key] = value;
        let page = bed.get(&Browser::default(), "/auth/oidc/test").await;
        assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE, "{key}");
    }
}

#[tokio::test]
async fn a_new_key_is_fetched_but_not_whenever_a_token_names_one() {
    for (bounded, asked) in [(true, 1), (false, 3)] {
        let idp = Idp::start().await;
        let provider = Provider::new(idp.settings("test"), ORIGIN).expect("sets up");
        let provider = if bounded { provider } else { provider.unbounded() };
        let bed = Bed::new().await.with_providers(vec![Arc::new(provider)]);
        person(&bed, "anna", HSA, ACTIVE).await;
        assert_eq!(with_claims(&bed, &idp, |_| {}).await.status, StatusCode::SEE_OTHER);
        let newer = Signer::new("k2");
        idp.inner.lock().keys = newer.set();
        let with = async |signer: &Signer| {
            with_token(&bed, &idp, &Browser::default(), |claims, _| signer.sign(&claims.into())).await
        };
        let mut told = Recorded::new();
        let answer = with(&newer).await;
        if bounded {
            // They were asked for a moment ago.
            refused(&mut told, &answer, UNBELIEVED, Reason::ProviderAnswer, "key");
        } else {
            assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
        }
        refused(&mut told, &with(&Signer::new("k3")).await, UNBELIEVED, Reason::ProviderAnswer, "key");
        assert_eq!(idp.asked("/keys"), asked);
        assert_eq!(bed.refusals().await, told);
    }
}

#[tokio::test]
async fn another_site_cannot_set_off_a_login() {
    let (bed, idp) = start().await;
    let answer = bed.get_from(&Browser::default(), "/auth/oidc/test", "cross-site").await;
    assert_eq!((answer.status, location(&answer)), (StatusCode::SEE_OTHER, "/auth/login"));
    assert!(cookies(&answer).is_empty() && idp.asked("/.well-known/openid-configuration") == 0);
}
