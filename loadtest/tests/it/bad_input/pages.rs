//! What a refusal looks like: a page or the way to the login for people, a problem for programs.

use super::{BENCH, Bench, LIMIT, row, text};
use crate::shared::{builder, request_id};
use contract::way_back::{WayBack, set_return_cookie};
use http::Response;
use hyper::body::Incoming;
use loadtest::client::login::Session;
use loadtest::client::{Protocol, full, read_all};
use loadtest::stack::people::BERTIL;
use serde_json::Value;

/// What a browser asks for.
const PAGE: &str = "text/html,application/xhtml+xml,*/*;q=0.8";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_get_pages_and_programs_get_problems() {
    let bench = BENCH.get(Bench::start).await;
    let bertil = bench.place.stack.log_in(&BERTIL, &bench.place.stack.device("avdelning").unwrap()).await.unwrap();
    let ask = async |path: &str, accept: &str, session: Option<&Session>| {
        let request = builder("GET", path, session).header("accept", accept).body(loadtest::client::empty()).unwrap();
        bench.open(Protocol::Http1).await.send(request, LIMIT).await.unwrap()
    };
    let header = |response: &Response<Incoming>, name: &str| {
        response.headers().get(name).map(|value| value.to_str().unwrap().to_owned())
    };

    for (path, session, status, reason) in [
        ("/nowhere", Some(&bench.session), 404, "no_route"),
        ("/about;x", Some(&bench.session), 400, "malformed"),
        // A session of another device.
        ("/api/patients/191212121212", Some(&bertil), 401, "session_elsewhere"),
        ("/api/patients/191212121212", None, 401, "no_session"),
    ] {
        let response = ask(path, "application/json", session).await;
        assert_eq!(response.status(), status, "{path}");
        assert_eq!(header(&response, "content-type").as_deref(), Some("application/problem+json"));
        assert_eq!(header(&response, "cache-control").as_deref(), Some("no-store"));
        assert_eq!(header(&response, "www-authenticate").is_some(), status == 401);
        let id = request_id(response.headers());
        let problem: Value = serde_json::from_slice(&read_all(response, 1 << 16).await.unwrap()).unwrap();
        assert_eq!(problem["type"], format!("urn:grindvakt:problem:{reason}"));
        assert_eq!((&problem["status"], &problem["instance"]), (&status.into(), &format!("urn:uuid:{id}").into()));
        assert!(problem["title"].is_string() && problem["detail"].is_string());
        let row = row(&bench, &id).await;
        assert_eq!((text(&row, "decision"), text(&row, "reason")), ("deny", reason));
    }

    let page = ask("/nowhere", PAGE, Some(&bench.session)).await;
    assert_eq!(page.status(), 404);
    assert_eq!(header(&page, "content-type").as_deref(), Some("text/html; charset=utf-8"));
    let id = request_id(page.headers());
    let body = String::from_utf8(read_all(page, 1 << 16).await.unwrap().to_vec()).unwrap();
    assert!(body.contains(&id) && body.contains("<html"), "{body}");

    for path in [
        "/about",
        "/units/SE0000000000-E001/patients?page=2",
        "/patients/191212121212",
        "/patients?personnummer=191212121212",
    ] {
        let response = ask(path, PAGE, None).await;
        // A way back may name a patient: no address has it.
        assert_eq!(
            (response.status().as_u16(), header(&response, "location").as_deref()),
            (302, Some("/auth/login")),
            "{path}"
        );
        let way = WayBack::parse(path).unwrap();
        assert_eq!(header(&response, "set-cookie"), Some(set_return_cookie(Some(&way))), "{path}");
        assert!(!format!("{:?}", response.headers()).contains("191212121212"), "{path}");
        let row = row(&bench, &request_id(response.headers())).await;
        assert_eq!((text(&row, "decision"), text(&row, "reason"), &row["status"]), ("deny", "no_session", &302.into()));
    }
    let (long, far) = (format!("/patients?x={}", "y".repeat(3_000)), "/patients?x=//evil.example");
    for (path, kept) in [(long.as_str(), false), (far, true)] {
        let response = ask(path, PAGE, None).await;
        assert_eq!(header(&response, "location").as_deref(), Some("/auth/login"));
        let cookie = header(&response, "set-cookie").unwrap();
        assert_eq!(cookie.contains("Max-Age=600"), kept, "{cookie}");
    }
    let request = builder("POST", "/search", None).header("accept", PAGE).body(full("personnummer=1")).unwrap();
    let response = bench.open(Protocol::Http1).await.send(request, LIMIT).await.unwrap();
    assert_eq!(response.status(), 401, "what is not a GET cannot be asked again by a link");
}
