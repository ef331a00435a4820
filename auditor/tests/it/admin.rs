//! The administration's interface, by the program as it is.

use crate::installation::{Installation, Request};
use auditor::clock;
use serde_json::json;

const JSON: &str = "application/json";
const API: &str = "/admin/api/v1";

/// Somebody logs in as programs do, shows a second factor, and ends their own account by form 3.
#[test]
fn a_user_ends_their_own_account() {
    let place = Installation::new();
    let user = place.user("anna");
    let device = place.device("ward3");
    let server = place.serve();
    let mut feed = server.follow(0);
    feed.snapshot();
    assert_eq!(server.app(&device, Request::get(&format!("{API}/forms"))).status, 401);
    let login = json!({ "user": "anna", "password": user.password, "code": user.totp.code(clock::now()) }).to_string();
    assert_eq!(server.app(&device, Request::post("/auth/token", JSON, &login)).status, 200);
    let session = feed.session();
    let ask = |request: Request<'_>| server.app_in(&device, Some(&session), request);

    let account = ask(Request::get(&format!("{API}/accounts/{}", user.id))).json();
    assert_eq!((account["user_name"].as_str(), account["state"].as_str()), (Some("anna"), Some("active")));
    let registry = account["grants"][0]["registry"].as_str().unwrap_or("fotled");
    let form = json!({ "kind": "F3", "region": "12", "registry": registry, "reason": "Slutar" }).to_string();
    let begun = ask(Request::post(&format!("{API}/forms"), JSON, &form));
    assert_eq!(begun.status, 201, "{}", begun.body);
    let tag = begun.header("etag").unwrap().to_owned();
    let id = begun.json()["id"].as_str().unwrap().to_owned();
    let path = format!("{API}/forms/{id}/submit");
    let submit = || ask(Request::post(&path, JSON, "{}").header("if-match", &tag));
    let asked = submit();
    assert_eq!((asked.status, asked.header("content-type")), (401, Some("application/problem+json")));
    assert!(asked.header("www-authenticate").unwrap().contains("insufficient_user_authentication"));
    let code = json!({ "code": user.totp.code(clock::now() + 30 * clock::SECOND) }).to_string();
    assert_eq!(ask(Request::post(&format!("{API}/step-up"), JSON, &code)).status, 200);
    let done = submit();
    assert_eq!((done.status, done.json()["state"].as_str()), (200, Some("submitted")), "{}", done.body);

    // It takes effect at once, and the paper goes on.
    assert!(feed.session().ended.is_some());
    assert_eq!(ask(Request::get(&format!("{API}/forms"))).status, 401);
    assert_eq!(place.ok(&["request", "show", &id])["state"], "submitted");
}
