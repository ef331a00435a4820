//! Logouts that a provider tells of.

use super::*;
use crate::net::Peer;
use crate::web::logout_router;
use crate::web::oidc::logout::router_within;
use axum::body::Body;
use axum::http::Request;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use std::time::Duration;

pub(super) fn token(idp: &Idp, change: impl FnOnce(&mut Claims)) -> String {
    let now = clock::now() / clock::SECOND;
    let mut claims = json!({
        "iss": idp.issuer, "aud": CLIENT, "iat": now, "exp": now + 120, "jti": crate::random::token().to_string(),
        "sid": "session-1", "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
    });
    change(claims.as_object_mut().expect("claims"));
    idp.signer.sign(&claims)
}

/// So many of the wrong tokens are read; one that is too long is not.
const REFUSED: usize = 10;

pub(super) async fn tell(bed: &Bed, token: &str) -> StatusCode {
    bed.tell_logout("/oidc/test/logout", format!("logout_token={token}")).await.0
}

async fn live(bed: &Bed, session: &Session) -> bool {
    bed.store.live_session(session.key, clock::now()).await.expect("reads").is_some()
}

#[tokio::test]
async fn a_logout_there_ends_the_sessions_that_rest_on_it() {
    let (bed, idp) = start().await;
    person(&bed, "anna", HSA, ACTIVE).await;
    let inside = async |session_there: &'static str| {
        let inside = with_claims(&bed, &idp, set("sid", session_there)).await;
        session(&bed, &inside).await
    };
    let (first, second, third) = (inside("session-1").await, inside("session-2").await, inside("session-3").await);
    let told = token(&idp, |_| {});
    let (status, body) = bed.tell_logout("/oidc/test/logout", format!("logout_token={told}")).await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, ""));
    assert!(!live(&bed, &first).await && live(&bed, &second).await && live(&bed, &third).await);
    assert_eq!(tell(&bed, &told).await, StatusCode::BAD_REQUEST, "it is good once");
    assert_eq!(tell(&bed, &token(&idp, |_| {})).await, StatusCode::OK, "nothing is left to end");
    let subject = |claims: &mut Claims| {
        claims.remove("sid");
        claims.insert("sub".to_owned(), "anna-at-the-provider".into());
    };
    assert_eq!(tell(&bed, &token(&idp, subject)).await, StatusCode::OK);
    assert!(!live(&bed, &second).await && !live(&bed, &third).await);
    let events = bed.events().await;
    let ended: Vec<_> = events.iter().filter(|event| event.kind == AuthEventKind::SessionEnded).collect();
    assert_eq!(ended.len(), 3);
    assert!(ended.iter().all(|event| &*event.detail == "oidc provider" && event.auth_method == AuthMethod::Oidc));
}

/// Who sends half of a body does not hold the connection for ever.
#[tokio::test]
async fn a_body_is_not_waited_for_long() {
    let (bed, _idp) = start().await;
    let router = router_within(Arc::clone(&bed.app), Duration::from_millis(20));
    let never = Body::from_stream(futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>());
    let form = (header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let request = Request::post("/oidc/test/logout").header(form.0, form.1).body(never).expect("a request");
    let answer = TowerToHyperService::new(router).call(request).await.expect("answers");
    assert_eq!(answer.status(), StatusCode::REQUEST_TIMEOUT);
}

#[tokio::test]
async fn who_sends_no_tokens_or_too_many_shuts_nobody_else_out() {
    let (bed, idp) = start().await;
    person(&bed, "anna", HSA, ACTIVE).await;
    let session = session(&bed, &with_claims(&bed, &idp, set("sid", "session-1")).await).await;
    let service = TowerToHyperService::new(logout_router(Arc::clone(&bed.app)));
    let send = async |path: &str, from: u8, token: &str| {
        let request = Request::post(path)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .extension(Peer([192, 0, 2, from].into()))
            .body(Body::from(format!("logout_token={token}")));
        service.call(request.expect("a request")).await.expect("answers").status()
    };
    for _ in 0..200 {
        assert_eq!(send("/oidc/nobody/logout", 1, "a.b.c").await, StatusCode::NOT_FOUND);
        assert_eq!(send("/oidc/test/logout", 1, "rubbish").await, StatusCode::BAD_REQUEST);
    }
    // Nothing of that was a try. Tokens are, and then others from there are told to come again.
    let mut last = send("/oidc/test/logout", 1, "a.b.c").await;
    assert_eq!(last, StatusCode::BAD_REQUEST);
    for _ in 0..10_000 {
        if last == StatusCode::TOO_MANY_REQUESTS {
            break;
        }
        last = send("/oidc/test/logout", 1, "a.b.c").await;
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(send("/oidc/test/logout", 2, &token(&idp, |_| {})).await, StatusCode::OK);
    assert!(!live(&bed, &session).await);
}

#[tokio::test]
async fn what_is_no_logout_token_ends_nothing() {
    let (bed, idp) = start().await;
    person(&bed, "anna", HSA, ACTIVE).await;
    let inside = with_claims(&bed, &idp, |_| {}).await;
    let session = session(&bed, &inside).await;
    let (_, sent) = begin(&bed, &Browser::default()).await;
    let id_token = idp.signer.sign(&idp.claims(&sent).into());
    let foreign = Signer::new("k1").sign(&json!({ "iss": idp.issuer, "aud": CLIENT }));
    for wrong in [
        token(&idp, set("aud", "another")),
        token(&idp, set("iss", "https://evil.example")),
        token(&idp, set("nonce", "x")),
        token(&idp, set("iat", 1)),
        token(&idp, without("events")),
        token(&idp, without("sid")),
        token(&idp, without("jti")),
        id_token,
        foreign,
        String::new(),
        "x".repeat(40_000),
    ] {
        let (status, body) = bed.tell_logout("/oidc/test/logout", format!("logout_token={wrong}")).await;
        assert_eq!(
            (status, body.as_str()),
            (StatusCode::BAD_REQUEST, "{\"error\":\"invalid_request\"}"),
            "{wrong:.80}"
        );
    }
    assert_eq!(bed.tell_logout("/oidc/test/logout", "x=y".to_owned()).await.0, StatusCode::BAD_REQUEST);
    let good = format!("logout_token={}", token(&idp, |_| {}));
    for path in ["/oidc/nobody/logout", "/auth/login", "/metrics", "/"] {
        assert_eq!(bed.tell_logout(path, good.clone()).await.0, StatusCode::NOT_FOUND, "{path}");
    }
    assert!(live(&bed, &session).await);
    let events = bed.events().await;
    let refused: Vec<_> = events.iter().filter(|event| event.kind == AuthEventKind::RequestRefused).collect();
    assert_eq!(refused.len(), REFUSED);
    let all = refused.iter().all(|event| (event.reason, event.count) == (Reason::ProviderAnswer, 1));
    assert!(all && refused.iter().all(|event| event.detail.starts_with("oidc logout provider=test ")), "{refused:?}");
    assert_eq!(bed.tell_logout("/oidc/test/logout", good).await.0, StatusCode::OK);
}
