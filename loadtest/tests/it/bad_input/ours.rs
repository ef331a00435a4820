//! Headers and cookies that are the gateway's own: what clients and registries put in their place goes no further.

use super::{BENCH, Bench, LIMIT};
use crate::shared::{builder, from_registry, get, request_id};
use loadtest::client::{Protocol, read_all};
use serde_json::Value;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn identity_headers_come_from_the_gateway_only() {
    let bench = BENCH.get(Bench::start).await;
    let inbound = [
        "grindvakt-assertion",
        "grindvakt-client-address",
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-forwarded-client-cert",
        "forwarded",
        "x-real-ip",
        "x-ssl-client-verify",
        "ssl-client-s-dn",
        "x-client-cert-dn",
        "remote-user",
        "x-remote-user",
        "client-cert",
        "x-request-id",
        "proxy-authorization",
        "x-hsa-id",
        "oidc-claim-sub",
    ];
    for (protocol, cookie) in [(Protocol::Http1, true), (Protocol::Http2, true), (Protocol::Http1, false)] {
        let session = if cookie { bench.session.clone().in_cookie() } else { bench.session.clone() };
        let secret = session.header().1.rsplit(['=', ' ']).next().unwrap().to_owned();
        let mut request = builder("GET", "/whoami", Some(&session))
            .header("accept", "application/json")
            .header("cookie", "own=1; __Host-grindvakt-return=L3g");
        for name in inbound {
            request = request.header(name, "forged");
        }
        let response =
            bench.open(protocol).await.send(request.body(loadtest::client::empty()).unwrap(), LIMIT).await.unwrap();
        assert!(from_registry(&response));
        let id = request_id(response.headers());
        let body = read_all(response, 1 << 20).await.unwrap();
        let seen = serde_json::from_slice::<Value>(&body).unwrap()["headers"].clone();
        let seen = seen.as_object().unwrap();
        assert!(!String::from_utf8_lossy(&body).contains("forged"), "{seen:?}");
        assert!(!bench.tap.heard(&secret), "the session's token has reached the registry");
        assert!(!seen.contains_key("authorization"), "{seen:?}");
        assert_eq!(seen["cookie"], serde_json::json!(["own=1"]));
        assert_eq!(seen["x-request-id"], serde_json::json!([id]));
        assert_eq!(seen["x-forwarded-for"], serde_json::json!(["127.0.0.1"]));
        assert_eq!(seen["x-forwarded-proto"], serde_json::json!(["https"]));
        assert_eq!(seen["grindvakt-assertion"].as_array().unwrap().len(), 1);
        for name in inbound {
            let ours = [
                "grindvakt-assertion",
                "grindvakt-client-address",
                "x-forwarded-for",
                "x-forwarded-proto",
                "x-request-id",
            ];
            assert!(ours.contains(&name) || !seen.contains_key(name), "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_cannot_set_our_cookies() {
    let bench = BENCH.get(Bench::start).await;
    bench.tap.add(
        "Set-Cookie: __Host-grindvakt=evil; Path=/; Secure\r\nSet-Cookie: own=1\r\n\
         Set-Cookie: __Host-grindvakt-return=L3g; Path=/; Secure\r\n",
    );
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let response = bench.open(protocol).await.send(get("/about", Some(&bench.session)), LIMIT).await.unwrap();
        let cookies: Vec<_> =
            response.headers().get_all("set-cookie").iter().map(|value| value.to_str().unwrap()).collect();
        assert_eq!(cookies, ["own=1"], "{protocol:?}");
    }
    bench.tap.add("");
}
